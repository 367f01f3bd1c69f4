"""Names what holds up the host's loop: the step of a body, or Python's collector.

A step is measured by the clock on the wall, since it may wait as well as compute. Python's
collector runs wherever memory is taken, and with many runs in memory a full collection takes
longer than any step: its time is taken off, so that no body is blamed for it. Of the first
long one the host is told, with the setting that makes them rare.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import ClassVar

from .live_run import LiveRun

log = logging.getLogger("waymark.scheduler")

#: A step of a run that holds up the host's loop for longer is named in a warning.
SLOW_SECONDS = 0.05
SLOW = (
    "the event loop stood still for %.0f ms while the body of %s computed (run %s);"
    " move what takes long into an @action, a sync one runs in a thread"
)

COLLECTED = (
    "the event loop stood still for %.0f ms while Python collected garbage; start() with"
    " tune_gc=True, or WAYMARK_TUNE_GC=1, makes that rare (told once)"
)

#: Shorter collections are not told apart; of the longer ones so many are kept.
LONG_SECONDS = 0.005
KEPT = 16


class SlowSteps:
    """`name` what was slow; collections count from when `watching` is entered."""

    #: Whether this process was told of its collector.
    told: ClassVar[bool] = False

    def __init__(self) -> None:
        self._began = 0.0
        #: When collections ended, and how long they took.
        self._long: deque[tuple[float, float]] = deque(maxlen=KEPT)
        #: Has the loop call something, where the host is to be told.
        self._by_loop: Callable[..., object] | None = None

    def name(self, run: LiveRun, started: float) -> None:
        """Warn of a step that began at `started` and has just ended, if it was slow."""
        seconds = perf_counter() - started
        seconds -= sum(took for ended, took in self._long if ended > started)
        if seconds > SLOW_SECONDS:
            log.warning(SLOW, seconds * 1000, run.workflow, run.id)

    @contextmanager
    def watching(self, *, tell: bool = False) -> Generator[None]:
        """Note how long the collector takes, and `tell` the host of the first long pause."""
        self._by_loop = asyncio.get_running_loop().call_soon_threadsafe if tell else None
        gc.callbacks.append(self._collecting)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collecting)

    def _collecting(self, phase: str, _info: Mapping[str, int]) -> None:
        now = perf_counter()
        if phase == "start":
            self._began = now
            return
        seconds = now - self._began
        if seconds > LONG_SECONDS:
            self._long.append((now, seconds))
        if seconds > SLOW_SECONDS and self._by_loop is not None and not SlowSteps.told:
            SlowSteps.told = True
            # Not from here: a handler of logs may hold the lock that it would wait for.
            self._by_loop(log.warning, COLLECTED, seconds * 1000)
