"""Waiting for runs that this process does not execute.

All waiters of a process share one reader: a thousand waiters cost one query per
poll. A hint from another process makes it look sooner; polling is the truth. Runs
that this process executes tell their waiters directly (`LiveRun.tell`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from itertools import islice
from uuid import UUID

from ..errors import RunNotFound, StoreUnavailable
from ..store.protocol import Store
from ..store.records import RunRow, RunState
from .backoff import Backoff
from .clock import Clock
from .live_run import Ending, LiveRun, fail
from .nudge import Nudge

log = logging.getLogger("waymark.waiters")

#: Those that this version knows.
STATES = frozenset(RunState)

#: Runs asked for in one query.
RUNS_PER_READ = 500

#: Hints closer together than this are answered by one look.
PAUSE_SECONDS = 0.005

#: How often a waiter's log says why its run stands still.
SAY_SECONDS = 60.0


class Waiters:
    """Futures by run id, and the one task that answers them."""

    def __init__(self, store: Store, poll_seconds: float, clock: Clock) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._clock = clock
        self.waiting: dict[UUID, list[asyncio.Future[Ending]]] = {}
        #: Not looked up yet.
        self._fresh: set[UUID] = set()
        self._hinted = False
        #: When all were last looked up.
        self._polled_at = clock.monotonic()
        self._nudge = Nudge()
        self._closed = False
        #: Set while nothing is under way.
        self.ended = asyncio.Event()
        #: When it was last said why a run stands still.
        self._said: dict[UUID, float] = {}

    def __len__(self) -> int:
        return len(self.waiting)

    def wait(self, run_id: UUID) -> asyncio.Future[Ending]:
        """A future for the end of a run; RunNotFound when there is none."""
        future: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._add(run_id, [future])
        return future

    def adopt(self, run: LiveRun) -> None:
        """Take over the waiters of a run that left this process."""
        futures = run.take_waiters()
        if futures:
            self._add(run.id, futures)

    def _add(self, run_id: UUID, futures: list[asyncio.Future[Ending]]) -> None:
        self.waiting.setdefault(run_id, []).extend(futures)
        self._fresh.add(run_id)
        self._nudge.set()

    def tell(self, run_id: UUID, ending: Ending) -> bool:
        """A run ended in this process. Whether anybody waited for it here."""
        futures = [future for future in self.waiting.pop(run_id, ()) if not future.done()]
        for future in futures:
            future.set_result(ending)
        return bool(futures)

    def look(self) -> None:
        """A hint: runs have ended somewhere."""
        if self.waiting:
            self._hinted = True
            self._nudge.set()

    def fail_all(self, error: BaseException) -> None:
        """Nobody will answer any more."""
        waiting, self.waiting = self.waiting, {}
        for futures in waiting.values():
            for future in futures:
                fail(future, error)

    async def serve(self) -> None:
        """Answer until `close`."""
        self.ended.clear()
        try:
            await self._serve()
        finally:
            self.ended.set()

    def close(self) -> None:
        """Answer no more; what is under way may end (`ended`)."""
        self._closed = True
        self._nudge.set()

    async def _serve(self) -> None:
        backoff = Backoff(0.05, 1.0)
        while not self._closed:
            await self._nudge.wait(self._poll_seconds if self.waiting else None)
            try:
                await self._read(self._asked())
            except StoreUnavailable as error:
                log.debug("results cannot be read now: %s", error)
                self._hinted = True
                self._nudge.set()
                await backoff.wait()
            else:
                backoff = Backoff(0.05, 1.0)
                await asyncio.sleep(PAUSE_SECONDS)

    def _asked(self) -> list[UUID]:
        """Whom to look up now: those that are new, and all when a hint came or it is time,
        however many new ones come meanwhile."""
        now = self._clock.monotonic()
        everybody = self._hinted or not self._fresh or now >= self._polled_at + self._poll_seconds
        asked = self.waiting if everybody else self._fresh & self.waiting.keys()
        if everybody:
            self._polled_at = now
        self._fresh.clear()
        self._hinted = False
        return list(asked)

    async def _read(self, asked: Iterable[UUID]) -> None:
        runs = iter(asked)
        while part := list(islice(runs, RUNS_PER_READ)):
            wanted = [run_id for run_id in part if self._prune(run_id)]
            if wanted:
                rows = await self._store.read_runs(wanted)
                for run_id in wanted:
                    self._answer(run_id, rows.get(run_id))

    def _prune(self, run_id: UUID) -> bool:
        """Whether anybody still waits for this run."""
        futures = [future for future in self.waiting.get(run_id, ()) if not future.done()]
        if futures:
            self.waiting[run_id] = futures
        else:
            self.waiting.pop(run_id, None)
            self._said.pop(run_id, None)
        return bool(futures)

    def _answer(self, run_id: UUID, row: RunRow | None) -> None:
        if row is not None:
            if row.state < RunState.QUARANTINED or row.state not in STATES:
                self._say_why(row)
                return
            self._said.pop(run_id, None)
        for future in self.waiting.pop(run_id, ()):
            if row is None:
                fail(future, RunNotFound(run_id))
            elif not future.done():
                future.set_result(to_ending(row))

    def _say_why(self, row: RunRow) -> None:
        """Who waits for a run that stands still learns the reason from the log."""
        if row.state in STATES and row.state not in (RunState.BLOCKED, RunState.PAUSED):
            return
        now = self._clock.monotonic()
        if now - self._said.get(row.id, -SAY_SECONDS) >= SAY_SECONDS:
            self._said[row.id] = now
            why, state = row.reason or "no reason is recorded", state_name(row.state)
            log.warning("run %s of %s is %s: %s", row.id, row.workflow, state, why)


def state_name(state: int) -> str:
    """For people. A state that this version does not know was written by a newer one, or
    by hand."""
    if state in STATES:
        return RunState(state).name.lower()
    return f"in the unknown state {state}"


def to_ending(row: RunRow) -> Ending:
    """The end of a run whose row is final or quarantined."""
    state = RunState(row.state)
    if state is RunState.QUARANTINED:
        return Ending(row.workflow, state, (row.reason or "").encode(errors="replace"))
    return Ending(row.workflow, state, row.result or b"")
