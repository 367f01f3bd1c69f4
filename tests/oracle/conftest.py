"""What programs of one test register is gone before the next test links."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from waymark.authoring.registry import registry


@pytest.fixture(autouse=True)
def registry_left_clean() -> Iterator[None]:
    """Programs that do not compile must not be linked by another test."""
    with registry.isolated():
        yield
