"""What programs of one test register is gone before the next test links."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oracle import programs
from waymark.authoring.registry import registry

#: Imported here, before any test: a module that a test imports first would register
#: its actions for that test only.
ALWAYS_THERE = programs


@pytest.fixture(autouse=True)
def registry_left_clean() -> Iterator[None]:
    """Programs that do not compile must not be linked by another test."""
    with registry.isolated():
        yield
