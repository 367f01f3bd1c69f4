"""Attempts that this process makes for the runs of others. See `tasks` for the theory."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from ..authoring.registry import registry
from ..engine.outcomes import StartAttempt
from ..errors import StoreUnavailable
from ..store.tasks import (
    ClaimedTask,
    FinishedTask,
    HeldTask,
    ReportedTask,
    TaskTable,
    Verdict,
)
from .clock import Clock
from .damage import damaged_task
from .executor import Attempt, Executor, Outcome
from .live_run import LiveRun
from .nudge import Nudge
from .task_options import policy_of

log = logging.getLogger("waymark.tasks")

#: Attempts claimed at once. Few, so that those who are idle get their share.
CLAIM_MAX = 50

#: Outcomes and bytes written at once, but at least one outcome.
WRITE_MAX = 500
WRITE_BYTES = 8 * 1024 * 1024

#: How many processes may die over an attempt before nobody takes it any more. More than a
#: run has (`store.suspects`): an attempt that only was there when they died of one survives it.
LOST_MAX = 15

#: How often to look whether there is room, when there is something to claim.
LOOK_SECONDS = 0.05

#: An action whose recorded arguments do not fit here is left to others for so long.
REST_SECONDS = 30.0


class Guests:
    """`executor` makes the attempts, in slots that it shares with `own`, which makes those
    of our own runs; `freed` is told when one is free."""

    def __init__(
        self,
        table: TaskTable,
        own: Executor,
        executor: Executor,
        queues: Sequence[str],
        poll_seconds: float,
        clock: Clock,
        may_start: Callable[[], bool],
        freed: Callable[[], None],
        context: contextvars.Context,
    ) -> None:
        self.nudge = Nudge()
        self.hint: Callable[[str], None] = lambda topic: None
        self._table = table
        self._own = own
        self._executor = executor
        self._queues = queues
        self._poll_seconds = poll_seconds
        self._now = clock.monotonic
        self._may_start = may_start
        self._freed = freed
        executor.deliver = self._ended
        executor.retry = self._failed
        executor.pace = own.pace
        self._loop = asyncio.get_running_loop()
        #: Attempts begin in it, as those of our own runs do.
        self._context = context
        #: Attempts under way or waiting for a slot. The run is a stand-in for each.
        self._held: dict[LiveRun, ClaimedTask] = {}
        self._finished: deque[FinishedTask] = deque()
        self._worker: UUID | None = None
        #: Whether the store may hold claims of ours that we do not know.
        self._unsure = False
        #: Whether there is more to claim, as far as is known.
        self._more = True
        self._compared_at = 0.0
        self._closed = False
        self._leaving = False
        self._left = asyncio.Event()
        self._revision = -1
        self._actions: list[str] = []
        self._resting: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._held)

    def run_of(self, run_id: UUID, effect: int) -> LiveRun | None:
        """The stand-in of an attempt that is under way here; called from any thread."""
        for run, task in list(self._held.items()):
            if (task.run_id, task.effect) == (run_id, effect):
                return run
        return None

    # From outside

    def look(self) -> None:
        """Something may be claimable, or not wanted any more."""
        self._more = True
        self._compared_at = 0.0
        self.nudge.set()

    def close(self) -> None:
        """Claim nothing more, and give back what has not begun; the rest may end."""
        self._closed = True
        self.nudge.set()

    async def leave(self) -> None:
        """Cancel what is under way, write what has ended, give back the rest."""
        self._closed = self._leaving = True
        self.nudge.set()
        await self._left.wait()

    def drop(self) -> None:
        """Our name is dead, and all this is anybody's."""
        held, self._held = self._held, {}
        self._finished = deque()
        self._worker = None
        for run in held:
            self._interrupt(run)

    # What the executor says

    def _ended(self, outcome: Outcome) -> None:
        run, _, ok, payload, _ = outcome
        self._finish(run, Verdict.RESULT if ok else Verdict.ERROR, 0.0, payload)

    def _failed(self, run: LiveRun, command: Attempt, pause: float, error: bytes) -> None:
        self._finish(run, Verdict.AGAIN, pause, error)

    def _finish(self, run: LiveRun, verdict: Verdict, pause: float, payload: bytes) -> None:
        task = self._held.pop(run, None)
        if task is not None:
            report = _report(run, task) if verdict == Verdict.AGAIN else b""
            done = FinishedTask(*_name(task), verdict, pause, payload, report)
            self._finished.append(done)
            self.nudge.set()
        self._freed()

    # The one task that talks to the store

    async def turn(self, worker: UUID) -> float | None:
        if worker != self._worker:
            self.drop()
            self._worker, self._unsure = worker, False
        await self._write(worker)
        if self._leaving:
            await self._give_back(worker, list(self._held))
            self._left.set()
            return None
        if self._closed and self._executor.ready:
            await self._give_back(worker, [run for run, _ in self._executor.ready])
        if not self._queues:
            return self._poll_seconds
        now = self._now()
        if self._unsure or (self._held and now - self._compared_at >= self._poll_seconds):
            await self._compare(worker)
            self._compared_at = now
        full = await self._claim(worker)
        self._context.run(self._start)
        return self._pause(full)

    def _start(self) -> None:
        """Begin what was claimed, over as many turns of the loop as it takes."""
        if self._executor.ready and self._may_start():
            self._executor.start()
            if self._executor.startable:
                self._loop.call_soon(self._start, context=self._context)

    def _pause(self, full: bool) -> float:
        if full and not self._executor.ready:
            return 0.0
        if self._more or self._executor.ready:
            return LOOK_SECONDS
        # Hints tell of what comes; this is for those that are lost.
        return self._poll_seconds if self._held else 2 * self._poll_seconds

    async def _write(self, worker: UUID) -> None:
        finished = self._finished
        while finished:
            size, batch = 0, list[FinishedTask]()
            for done in islice(finished, WRITE_MAX):
                size += len(done.outcome)
                if batch and size > WRITE_BYTES:
                    break
                batch.append(done)
            await self._table.finish(worker, batch)
            for _ in batch:
                finished.popleft()
            self.hint("outcomes")

    async def _compare(self, worker: UUID) -> None:
        """Cancel what is not ours any more; give back what we know nothing of."""
        before = {_name(task): run for run, task in self._held.items()}
        there = set(await self._table.held(worker))
        self._unsure = False
        for held, run in before.items():
            if held not in there and self._held.pop(run, None) is not None:
                log.info("an attempt for run %s is not wanted any more", run.id)
                self._interrupt(run)
        unknown = sorted(there - before.keys())
        if unknown:
            await self._table.release(worker, unknown)
            self.hint("tasks")

    def _interrupt(self, run: LiveRun) -> None:
        run.closed = True
        self._executor.cancel_all(run)

    async def _claim(self, worker: UUID) -> bool:
        """Take what there is room for; whether that was all there was room for. Meanwhile
        the slots are kept free, so that what is claimed begins at once."""
        own, actions = self._own, self._served()
        idle = not (self._closed or own.ready or self._executor.ready) and self._may_start()
        limit = min(own.free_slots, CLAIM_MAX) if idle else 0
        if limit <= 0 or not actions:
            return False
        held, self._more = len(self._held), False
        own.slots -= limit
        try:
            claimed, before = await self._table.claim(
                worker, actions, self._queues, limit, LOST_MAX
            )
        except StoreUnavailable:
            self._unsure = self._more = True
            raise
        finally:
            own.slots += limit
            if own.ready:
                self._freed()
        if worker != self._worker:
            return False
        if before != held:
            self._unsure = self._more = True
        misfits = [task for task in claimed if not self._take(task)]
        if misfits:
            await self._table.release(worker, list(map(_name, misfits)))
        full = len(claimed) == limit
        self._more = self._more or full
        return full

    def _served(self) -> list[str]:
        """The actions that this process may claim."""
        if self._revision != registry.revision:
            self._revision = registry.revision
            self._actions = registry.action_names()
            self._resting.clear()
        if not self._resting:
            return self._actions
        now = self._now()
        return [name for name in self._actions if self._resting.get(name, 0.0) <= now]

    def _take(self, task: ClaimedTask) -> bool:
        """Let an attempt begin; False for one that the code of this process cannot make."""
        run = LiveRun(task.run_id, task.workflow, task.claim, 0, None)
        try:
            command = _command(task)
            self._executor.reports.adopt(run, task.effect, task.attempt, task.report)
        except Exception as error:  # noqa: BLE001  # other code may have recorded it
            damaged = damaged_task(task)
            if damaged is not None:
                self._held[run] = task
                self._finish(run, Verdict.DAMAGED, 0.0, damaged.encode())
                return True
            log.warning(
                "an attempt of %s does not fit the code of this process, others may make it: %s",
                task.action,
                error,
            )
            self._resting[task.action] = self._now() + REST_SECONDS
            return False
        self._held[run] = task
        self._executor.enqueue(run, command)
        return True

    async def _give_back(self, worker: UUID, runs: list[LiveRun]) -> None:
        """These, among which is all that has not begun."""
        held = [(run, task) for run in runs if (task := self._held.get(run)) is not None]
        said = [(task, _report(run, task)) for run, task in held]
        news = [ReportedTask(*_name(task), report) for task, report in said if report]
        await self._table.report(worker, news)
        tasks = [task for run in runs if (task := self._held.pop(run, None)) is not None]
        for run in runs:
            self._interrupt(run)
        self._executor.ready.clear()
        if tasks:
            await self._table.release(worker, list(map(_name, tasks)))
            self.hint("tasks")


def _name(task: ClaimedTask) -> HeldTask:
    return HeldTask(task.run_id, task.effect, task.claim)


def _report(run: LiveRun, task: ClaimedTask) -> bytes:
    """What there is to say of a call beside what its row had; empty for nothing."""
    report = None if run.reports is None else run.reports.get(task.effect)
    said = b"" if report is None else report.recorded()
    return b"" if said == task.report else said


def _command(task: ClaimedTask) -> StartAttempt:
    """What the executor is to do. Raises whatever shows that this code cannot."""
    action: Any = registry.action(task.action)
    action.arguments.unpack(task.arguments)
    policy = policy_of(task.options)
    return StartAttempt(task.effect, -1, task.action, task.arguments, 0, policy, task.attempt, 0)
