"""Waymark in pytest: with nothing started, workflows run in memory.

Loaded by pytest itself (entry point `waymark`), so only in pytest's own process.
`await W().run(...)` in a test uses a memory runtime of that test's event loop with
a virtual clock: a sleep of an hour takes no time. Works under anyio's plugin,
pytest-asyncio and `asyncio.run` in a sync test.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import LoopRuntimes

_STASH: pytest.StashKey[LoopRuntimes] = pytest.StashKey()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let this process run workflows with nothing started."""
    if _STASH in item.config.stash:
        return
    # Not at the plugin's import: test suites that never touch Waymark pay nothing
    # then, and coverage sees the package being imported.
    from .app import application
    from .testing import LoopRuntimes

    runtimes = item.config.stash[_STASH] = LoopRuntimes()
    application.fallback = runtimes.client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """End the runtimes of loops that live on: the next test begins with none."""
    try:
        return (yield)
    finally:
        runtimes = item.config.stash.get(_STASH, None)
        if runtimes is not None:
            runtimes.end_all()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the process as it was found."""
    if _STASH in config.stash:
        from .app import application

        application.fallback = None
        del config.stash[_STASH]
