"""The world that actions of these tests act on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
async def heard_in_vain() -> None:
    """What asyncpg leaves behind of a connection whose making is cancelled between TCP and TLS:
    a future that holds this error and that nobody waits for. asyncio tells of it, and anyio would
    fail the test. It stays so until the loop is closed, since the future may be found later."""
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()

    def heard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        left = isinstance(error, ConnectionError) and error.__traceback__ is None
        if not (left and str(error) == "unexpected connection_lost() call"):
            assert handler is not None
            handler(loop, context)

    loop.set_exception_handler(heard)
