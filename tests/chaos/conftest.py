"""The world that actions of these tests act on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import shapes


@pytest.fixture
def effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file in which every attempt in this process is noted."""
    path = tmp_path / "effects"
    path.touch()
    monkeypatch.setenv(shapes.EFFECTS_VARIABLE, str(path))
    monkeypatch.setattr(shapes, "_effects", [])
    yield path
    for descriptor in shapes._effects:
        os.close(descriptor)
