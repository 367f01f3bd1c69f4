"""Removes what ended long ago: runs with their journals, by the database's clock.

Every process that executes runs looks now and then; one of them at a time removes, in
small batches with pauses that are longer than the batches took, so that no statement holds
anything up and most of the database's time stays with the runs that live. Quarantined runs
have no end and are kept until somebody has seen to them; graphs are kept, since they are
few and a program in memory may begin a run on one at any time.
"""

from __future__ import annotations

import logging
import random

from ..errors import StoreError
from ..settings import Settings
from ..store.protocol import Store
from .clock import Clock
from .nudge import Nudge

log = logging.getLogger("waymark.retention")

DAY_SECONDS = 86_400.0

#: Runs and journal rows removed by one statement.
RUNS_MAX = 300
ENTRIES_MAX = 3_000

#: How often to look; a process begins at a random moment within it.
LOOK_SECONDS = 60.0
#: How often to look for messages to runs that never came.
UNHEARD_LOOKS = 60

#: Between two batches: so many times what the last one took, at least so long.
PAUSE_FACTOR = 4.0
PAUSE_SECONDS_MIN = 0.05


class Retention:
    """One task: `serve`, until `close`."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._days = settings.retention_days
        self._executes = bool(settings.queues)
        self._monotonic = clock.monotonic
        self._closed = False
        self._nudge = Nudge()
        self._looks = 0

    def close(self) -> None:
        """Remove no more."""
        self._closed = True
        self._nudge.set()

    async def serve(self) -> None:
        """Look now and then until `close`."""
        if self._days is None or not self._executes:
            return
        seconds = self._days * DAY_SECONDS
        await self._nudge.wait(LOOK_SECONDS * random.random())  # noqa: S311  # no secret
        while not self._closed:
            try:
                await self.look(seconds)
            except StoreError as error:
                log.debug("nothing can be removed now: %s", error)
            await self._nudge.wait(LOOK_SECONDS)

    async def look(self, seconds: float) -> None:
        """Remove everything that ended more than `seconds` ago."""
        removed = 0
        while not self._closed:
            started = self._monotonic()
            runs, entries = await self._store.remove_finished(seconds, RUNS_MAX, ENTRIES_MAX)
            removed += runs
            if runs < RUNS_MAX and entries < ENTRIES_MAX:
                break
            took = self._monotonic() - started
            await self._nudge.wait(max(PAUSE_SECONDS_MIN, PAUSE_FACTOR * took))
        if removed:
            log.info("removed %d runs that ended more than %g days ago", removed, self._days)
        if self._looks % UNHEARD_LOOKS == 0 and not self._closed:
            await self._store.remove_unheard(seconds)
        self._looks += 1
