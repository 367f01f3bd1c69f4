"""Attempts that others make for runs of this process. See `tasks` for the theory."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import TypeAlias
from uuid import UUID

from ..authoring.registry import registry
from ..engine.outcomes import UNREAD, Advance, Command, StartAction, StartAttempt
from ..store.tasks import OverTask, TaskOffer, TaskOutcome, TaskRow, TaskTable, Verdict
from .client import DEFAULT_QUEUE
from .damage import damaged_outcome
from .executor import Attempt
from .guests import LOST_MAX
from .live_run import LiveRun
from .nudge import Nudge
from .overflow import Overflow, backlog_max
from .scheduler import Scheduler
from .task_options import options_of
from .unserved import Unserved

log = logging.getLogger("waymark.tasks")

#: Rows of this process at once, and rows and bytes in one statement (but at least one).
OFFERED_MAX = 10_000
OFFER_MAX = 500
OFFER_BYTES = 8 * 1024 * 1024

#: How soon to look whether outcomes that were handed over have been journaled.
SETTLE_SECONDS = 0.005

#: How old knowledge about other workers may be.
WORKERS_SECONDS = 1.0

#: How often rows are looked for that no run explains.
ORPHANS_SECONDS = 60.0

#: A call of a run.
Key: TypeAlias = tuple[UUID, int]


@dataclass(eq=False, slots=True)
class Offered:
    """A call that others are to make. `sent`: there is a row, as far as is known. `over`: its
    outcome was taken, or it is made here; the answer to its offer may have been lost, so that
    it would be sent again."""

    run: LiveRun
    command: Attempt
    queue: str
    sent: bool = False
    over: bool = False


@dataclass(eq=False, slots=True)
class Settling:
    """An outcome that was handed to its run. `seq` is the entry by which it is journaled,
    once the run has taken it."""

    run: LiveRun
    attempt: int
    seq: int | None


class Offers:
    """What this process has offered, by call."""

    def __init__(
        self,
        table: TaskTable,
        scheduler: Scheduler,
        queues: Sequence[str],
        poll_seconds: float,
    ) -> None:
        self.nudge = Nudge()
        self.hint: Callable[[str], None] = lambda topic: None
        self.overflow = Overflow(scheduler.executor, self.nudge.set)
        self._table = table
        self._scheduler = scheduler
        self._queues = queues
        self._poll_seconds = poll_seconds
        self._now = scheduler.clock.monotonic
        self._unserved = Unserved(table, queues, self._now)
        self._waiting: deque[Offered] = deque()
        self._offered: dict[Key, Offered] = {}
        self._settling: dict[Key, Settling] = {}
        #: Rows to delete, with the attempt that they are of.
        self._over: dict[Key, int] = {}
        self._look_due = False
        self._read_at = 0.0
        self._workers: list[list[str]] = []
        self._workers_at = -WORKERS_SECONDS
        self._orphans_at = self._now()
        self._revision = -1
        self._elsewhere: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._offered)

    # From outside

    def look(self) -> None:
        """Outcomes may have come."""
        self._look_due = True
        self.nudge.set()

    def send(self, run: LiveRun, command: Attempt) -> None:
        """A call that this process does not serve."""
        if not run.closed and command[0] in run.attempts:
            run.attempts[command[0]] = None
            self._add(run, command)
            self.nudge.set()

    def cancel(self, run: LiveRun, effect: int) -> None:
        """A call is not wanted any more."""
        key = (run.id, effect)
        offered = self._offered.pop(key, None)
        if offered is not None:
            self._over[key] = _attempt(offered.command)
            self.nudge.set()

    def adopt(self, run: LiveRun, advance: Advance, rows: Sequence[TaskRow]) -> Advance:
        """A run was recovered, and these rows are there. Returns what is left to be done."""
        there = {row.effect: row for row in rows}
        commands: list[Command] = []
        for command in advance.commands:
            row = None
            if isinstance(command, StartAction | StartAttempt):
                row = there.get(command.effect)
                if row is not None and _is_of(row, command):
                    run.attempts[command.effect] = None
                    offered = Offered(run, command, _queue(command), sent=True)
                    self._offered[run.id, command.effect] = offered
                    del there[command.effect]
                    continue
            commands.append(command)
        for row in there.values():
            self._over[run.id, row.effect] = row.attempt
        self.look()
        return advance._replace(commands=commands)

    def drop(self) -> None:
        """Our runs are not ours any more; the rows are for whoever takes them."""
        # What is being sent from the old one meanwhile takes nothing off the new one.
        self._waiting = deque()
        self._offered.clear()
        self._settling.clear()
        self._over.clear()
        self._unserved.drop()

    # The one task that talks to the store

    async def turn(self, worker: UUID) -> float:
        self._see_to_journaled()
        await self._forget()
        now = self._now()
        due = now - self._read_at >= self._poll_seconds
        if self._offered and not self._settling and (self._look_due or due):
            self._look_due = False
            await self._read(worker)
        await self._collect(worker)
        while self._waiting and len(self._offered) <= OFFERED_MAX:
            await self._offer(worker)
        if due and self._offered:
            await self._compare()
        if due:
            await self._unserved.explain(worker, self._offered.values(), self._others)
            self._read_at = now
        if now - self._orphans_at >= ORPHANS_SECONDS and self._queues:
            self._orphans_at = now
            await self._table.forget_orphaned()
        return SETTLE_SECONDS if self._settling or self._over else self._poll_seconds

    async def _others(self, worker: UUID) -> list[list[str]]:
        """The queues of each other live worker."""
        now = self._now()
        if now - self._workers_at >= WORKERS_SECONDS:
            self._workers = await self._table.served_queues(worker)
            self._workers_at = now
        return self._workers

    # Offering

    def _serves(self, command: Attempt) -> bool:
        return command.action not in self._foreign()

    def _foreign(self) -> frozenset[str]:
        """Names of actions that this process does not serve."""
        if self._revision != registry.revision:
            self._revision = registry.revision
            self._elsewhere = frozenset(
                name
                for name in registry.action_names()
                if not self._scheduler.executor.serves(registry.action(name))
            )
        return self._elsewhere

    def _add(self, run: LiveRun, command: Attempt) -> None:
        self._waiting.append(Offered(run, command, _queue(command)))

    async def _collect(self, worker: UUID) -> None:
        """Take from our own queue what others had better do."""
        overflow, excess = self.overflow, self.overflow.excess
        if not self._scheduler.executor.ready:
            return
        if self._foreign():
            for run, command in overflow.take(OFFERED_MAX, lambda _, call: not self._serves(call)):
                self._add(run, command)
        overflow.excess = 0
        if not excess or self._scheduler.draining:
            return
        others = [queues for queues in await self._others(worker) if queues]
        if not others:
            return
        share = overflow.share(excess, len(others), self._now())
        if share is None:
            backlog, _ = await self._table.offer(worker, [], backlog_max(len(others)))
            overflow.offered(backlog, self._now())
            share = overflow.share(excess, len(others), self._now()) or 0
        served = {queue for queues in others for queue in queues}
        count = min(share, OFFERED_MAX - len(self._offered))

        def may_leave(_: LiveRun, call: Attempt) -> bool:
            return _queue(call) in served

        for run, command in overflow.take(count, may_leave):
            self._add(run, command)

    async def _offer(self, worker: UUID) -> None:
        """Send a part of what waits; it stays there until it has arrived."""
        batch, size, looked_at = list[Offered](), 0, 0
        for offered in islice(self._waiting, OFFER_MAX):
            size += len(offered.command[3])
            if batch and size > OFFER_BYTES:
                break
            looked_at += 1
            if self._wanted(offered):
                batch.append(offered)
        waiting = self._waiting
        if batch:
            for offered in batch:
                self._offered[offered.run.id, offered.command[0]] = offered
            rows = list(map(_row, batch))
            others = await self._others(worker)
            backlog, strangers = await self._table.offer(worker, rows, backlog_max(len(others)))
            self.overflow.offered(backlog, self._now())
            for offered in batch:
                offered.sent = True
                if offered.run.id in strangers and not offered.run.closed:
                    # The store lost it, or gave it to another: nothing else would tell.
                    self._scheduler.refused(offered.run)
            self.hint("tasks")
        if waiting is self._waiting:
            for _ in range(min(looked_at, len(waiting))):
                waiting.popleft()

    def _wanted(self, offered: Offered) -> bool:
        run, effect = offered.run, offered.command[0]
        known = self._offered.get((run.id, effect), offered)
        # One of the same run as it was before it came back to us counts for nothing.
        once = known is offered or known.run is not run
        return once and not offered.over and not run.closed and effect in run.attempts

    # Outcomes

    async def _read(self, worker: UUID) -> None:
        rows = await self._table.outcomes(worker)
        for row in rows:
            self._take(row)
        # There may be more than were read at once.
        self._look_due = self._look_due or bool(rows)

    def _take(self, row: TaskOutcome) -> None:
        key = (row.run_id, row.effect)
        if key in self._settling or key in self._over:
            return
        offered = self._offered.get(key)
        if offered is None or row.attempt != _attempt(offered.command):
            self._take_unknown(key, row.attempt)
            return
        offered.over = True
        del self._offered[key]
        run = offered.run
        if run.closed or row.effect not in run.attempts or run.session is None:
            return  # The next owner takes it, or the row goes with the run.
        damaged = damaged_outcome(row)
        if damaged is not None:
            self._scheduler.quarantine(run, damaged)
            return
        settling = self._settling[key] = Settling(run, row.attempt, None)
        reports = self._scheduler.executor.reports
        if row.verdict == Verdict.AGAIN:
            reports.adopt(run, row.effect, row.attempt, row.report)
            self._scheduler.retry(run, offered.command, row.pause_seconds, row.outcome)
            settling.seq = run.session.seq
        else:
            reports.over(run, row.effect)
            ok = row.verdict == Verdict.RESULT
            self._scheduler.deliver((run, row.effect, ok, row.outcome, UNREAD))

    def _take_unknown(self, key: Key, attempt: int) -> None:
        """A row of a run of ours that nothing explains: it came late. One of a run that is
        being recovered is left alone."""
        run = self._scheduler.runs.get(key[0])
        if run is not None and not run.closed:
            self._over[key] = attempt

    def _see_to_journaled(self) -> None:
        """Rows whose outcome is committed may go."""
        for key, settling in list(self._settling.items()):
            run = settling.run
            if settling.seq is None and key[1] not in run.attempts and run.session is not None:
                settling.seq = run.session.seq
            if settling.seq is not None and run.acked >= settling.seq and run.stored:
                del self._settling[key]
                self._over[key] = max(settling.attempt, self._over.get(key, 0))
            elif run.dropped or self._scheduler.runs.get(run.id) is not run:
                del self._settling[key]

    async def _forget(self) -> None:
        while self._over:
            over = dict(islice(self._over.items(), OFFER_MAX))
            await self._table.forget([OverTask(*key, attempt) for key, attempt in over.items()])
            for key, attempt in over.items():
                if self._over.get(key) == attempt:  # A later one may be over meanwhile.
                    del self._over[key]
            self.hint("tasks")

    # What got lost

    async def _compare(self) -> None:
        """Make attempts ourselves whose rows are gone; quarantine runs that kill."""
        runs = self._scheduler.runs
        for key, offered in list(self._offered.items()):
            if runs.get(key[0]) is not offered.run:
                del self._offered[key]
        asked = {key: offered for key, offered in self._offered.items() if offered.sent}
        if not asked:
            return
        there = await self._table.read(list({key[0]: None for key in asked}))
        rows = {(row.run_id, row.effect): row for found in there.values() for row in found}
        for key, offered in asked.items():
            row = rows.pop(key, None)
            if self._offered.get(key) is not offered:
                continue
            if offered.run.closed:
                continue
            if row is None:
                log.warning("an attempt for run %s was lost and is made again", key[0])
                offered.over = True
                del self._offered[key]
                self._scheduler.executor.enqueue(offered.run, offered.command)
                self._scheduler.wake()
            elif row.lost >= LOST_MAX and not row.done:
                self._condemn(offered, row)
        for key, row in rows.items():
            if key not in self._offered and key not in self._settling:
                self._take_unknown(key, row.attempt)

    def _condemn(self, offered: Offered, row: TaskRow) -> None:
        if not offered.run.closed:
            self._scheduler.quarantine(
                offered.run,
                f"{row.lost} processes died while they made attempt {row.attempt} of"
                f" {offered.command.action} (call {row.effect})",
            )


def _attempt(command: Attempt) -> int:
    return 1 if isinstance(command, StartAction) else command.attempt


def _is_of(row: TaskRow, command: Attempt) -> bool:
    """Whether a row is of this very attempt. Where the database lost what it had acknowledged,
    the run may have come to ask for something else under the same number since."""
    same = row.attempt == _attempt(command) and row.action == command.action
    return same and row.digest == sha256(command.arguments).digest()


def _queue(command: Attempt) -> str:
    """The queue of a call's action."""
    action = registry.action(command.action)
    return DEFAULT_QUEUE if action is None or action.queue is None else action.queue


def _row(offered: Offered) -> TaskOffer:
    run, command = offered.run, offered.command
    report = None if run.reports is None else run.reports.get(command.effect)
    return TaskOffer(
        run.id,
        run.epoch,
        command.effect,
        _attempt(command),
        run.workflow,
        command.action,
        offered.queue,
        options_of(command),
        command.arguments,
        b"" if report is None else report.recorded(),
    )
