"""Waymark in pytest: with nothing started, workflows run in memory.

Loaded by pytest itself (entry point `waymark`), so only in pytest's own process.
`await W().run(...)` in a test uses a memory runtime of that test's event loop with
a virtual clock: a sleep of an hour takes no time. Works under anyio's plugin,
pytest-asyncio and `asyncio.run` in a sync test.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from .app import application
from .testing import LoopRuntimes

_RUNTIMES: pytest.StashKey[LoopRuntimes] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Let this process run workflows with nothing started."""
    runtimes = config.stash[_RUNTIMES] = LoopRuntimes()
    application.fallback = runtimes.client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """End the runtimes of loops that live on: the next test begins with none."""
    try:
        return (yield)
    finally:
        item.config.stash[_RUNTIMES].end_all()


def pytest_unconfigure() -> None:
    """Leave the process as it was found."""
    application.fallback = None
