"""What programs of these tests register is gone after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from waymark.authoring.registry import registry


@pytest.fixture(autouse=True)
def registry_left_clean() -> Iterator[None]:
    """Many of the programs cannot be linked, and must not be by other tests."""
    with registry.isolated():
        yield
