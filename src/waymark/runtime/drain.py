"""Leaving: what runs may end, what cannot go on here is given back, at once.

From the beginning of a drain no attempt starts. So a run goes on here only while an
attempt of it runs; every other one waits for nothing but us, and is given back in the
same turn of the loop, for others to continue. As attempts end their runs follow. When the
time is up the attempts that still run are interrupted, and the rest is given back.

An outcome that has arrived but is not yet handled belongs to its run: it is settled before
the run may leave, so that the work is not done twice.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio

from ..errors import StoreUnavailable
from ..store.records import RunState
from .guests import Guests
from .live_run import LiveRun
from .scheduler import Scheduler
from .sweep import Sweep
from .waiters import Waiters
from .writer import Writer

#: After the drain: writing the last changes (each kind of them), ending cancelled attempts.
LAST_FLUSH_SECONDS = 5.0
CANCEL_SECONDS = 1.0
#: How often to look, beside being told.
LOOK_SECONDS = 0.05


class Drain:
    """The end of one runtime's work; `run` it once."""

    def __init__(
        self,
        scheduler: Scheduler,
        sweep: Sweep,
        writer: Writer,
        waiters: Waiters,
        guests: Guests,
    ) -> None:
        self._scheduler = scheduler
        self._executor = scheduler.executor
        self._sweep = sweep
        self._writer = writer
        self._waiters = waiters
        self._guests = guests
        self._snapshots = scheduler.snapshots

    async def run(self, seconds: float) -> None:
        """Let running attempts finish for so long, then give everything back."""
        scheduler, executor = self._scheduler, self._executor
        scheduler.draining = True
        self._sweep.close()
        self._guests.close()
        await self._finish_attempts(seconds)
        with anyio.move_on_after(LAST_FLUSH_SECONDS):
            await self._guests.leave()
        # A claim that is under way would take back what is given up here.
        with anyio.move_on_after(CANCEL_SECONDS):
            await self._sweep.ended.wait()
        with anyio.move_on_after(CANCEL_SECONDS), suppress(StoreUnavailable):
            await executor.reports.flush()
        await self._settled()
        await self._give_back(list(scheduler.runs.values()))
        with anyio.move_on_after(LAST_FLUSH_SECONDS):
            while not self._writer.idle or scheduler.has_inputs:
                await scheduler.quiet.wait(LOOK_SECONDS)
        if executor.running:
            await asyncio.wait(set(executor.running), timeout=CANCEL_SECONDS)
        # A query is rather awaited than cancelled: its connection stays whole.
        self._waiters.close()
        with anyio.move_on_after(CANCEL_SECONDS):
            await self._waiters.ended.wait()

    async def _finish_attempts(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            await self._settled()
            runs = list(self._scheduler.runs.values())
            await self._give_back([run for run in runs if not _at_work(run)])
            running, left = set(self._executor.running), deadline - loop.time()
            if not running or left <= 0:
                return
            await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)

    async def _settled(self) -> None:
        while self._scheduler.has_inputs:
            await self._scheduler.quiet.wait(LOOK_SECONDS)

    async def _give_back(self, runs: list[LiveRun]) -> None:
        """At once, but for those that have much to be fed: these are written first."""
        late = self._snapshots.behind(runs)
        for run in runs:
            if not run.closed and run not in late:
                self._scheduler.release(run, RunState.READY)
        if late:
            await self._snapshots.hand_over(late)
            await self._settled()
        for run in late:
            if not run.closed:
                self._scheduler.release(run, RunState.READY)


def _at_work(run: LiveRun) -> bool:
    """Whether an attempt of this run is under way."""
    return any(task is not None and not task.done() for task in run.attempts.values())
