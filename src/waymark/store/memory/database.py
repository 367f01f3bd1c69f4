"""What several `MemoryStore`s share, as several processes share one Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from waymark.store.records import (
    AttemptRow,
    EntryKind,
    JournalRow,
    Message,
    NewRun,
    RunState,
    SnapshotRow,
)
from waymark.store.suspects import CRASHES_MAX, IDLE, Held, is_suspect, room_for
from waymark.store.tasks import TaskOffer

if TYPE_CHECKING:
    from .store import MemoryStore


class MemoryRun:
    """One row of `runs`. Mutable, because one exists for every run in memory."""

    __slots__ = (
        "began_ns",
        "crash_seq",
        "crashes",
        "epoch",
        "finished_at",
        "graph",
        "id",
        "input",
        "owner",
        "parent",
        "priority",
        "queue",
        "reason",
        "result",
        "state",
        "submitted_at",
        "wake_at",
        "workflow",
    )

    def __init__(self, new: NewRun, submitted_at: float) -> None:
        self.id = new.id
        self.workflow = new.workflow
        self.graph = new.graph
        self.queue = new.queue
        self.owner = new.owner
        self.epoch = new.epoch
        self.state = new.state
        self.began_ns = new.began_ns
        self.input = new.input
        self.parent = new.parent
        self.priority = new.priority
        self.submitted_at = submitted_at
        self.result: bytes | None = None
        self.reason: str | None = None
        self.finished_at: float | None = None
        #: See `store.suspects`.
        self.crashes = 0
        self.crash_seq = 0
        #: Set while the run sleeps; infinite when only messages and children wake it.
        self.wake_at: float | None = None
        if new.state == RunState.WAITING:
            self.wake_at = new.began_ns / 1e9


class MemoryTask:
    """One row of `tasks`."""

    __slots__ = (
        "claim",
        "claimer",
        "lost",
        "offer",
        "outcome",
        "pause_seconds",
        "report",
        "verdict",
    )

    def __init__(self, offer: TaskOffer, claim: int) -> None:
        self.offer = offer
        self.claim = claim
        self.claimer: UUID | None = None
        self.lost = 0
        self.verdict: int | None = None
        self.pause_seconds = 0.0
        self.outcome = b""
        self.report = offer.report


class MemoryDatabase:
    """The tables, as dictionaries. `now` is the store's clock, in seconds since
    the Unix epoch; tests hand in one that they move themselves.

    `live` holds the runs that have not ended and are not quarantined, oldest
    first: what Postgres finds through its partial index.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.graphs: dict[bytes, tuple[str, str]] = {}
        self.runs: dict[UUID, MemoryRun] = {}
        self.live: dict[UUID, MemoryRun] = {}
        self.journal: dict[UUID, dict[int, JournalRow]] = {}
        self.snapshots: dict[UUID, dict[int, SnapshotRow]] = {}
        self.attempts: dict[tuple[UUID, int], AttemptRow] = {}
        self.inbox: dict[tuple[UUID, str], Message] = {}
        self.sent_at: dict[tuple[UUID, str], float] = {}
        self.tasks: dict[tuple[UUID, int], MemoryTask] = {}
        self.workers: dict[UUID, float] = {}
        #: What workers said about themselves, of dead ones too.
        self.abouts: dict[UUID, str] = {}
        #: Workers whose proof of life is gone, where somebody plays that.
        self.silent: set[UUID] = set()
        self.stores: list[MemoryStore] = []

    def insert(self, new: NewRun) -> MemoryRun:
        run = self.runs[new.id] = MemoryRun(new, self.now())
        self.live[new.id] = run
        return run

    def settle(self, run: MemoryRun, state: int, result: bytes | None, reason: str | None) -> None:
        """Write what an owner says last about a run, and take its name off it."""
        run.owner = None
        run.state = state
        run.result = result
        run.reason = reason
        if state >= RunState.SUCCEEDED:
            run.finished_at = self.now()
        if state >= RunState.QUARANTINED:
            self.live.pop(run.id, None)

    def claimable(self) -> list[MemoryRun]:
        """Live runs without a live owner that do not sleep, oldest first."""
        workers = self.workers
        return [
            run for run in self.live.values() if run.wake_at is None and run.owner not in workers
        ]

    def due(self, ahead_seconds: float) -> list[MemoryRun]:
        """Runs that sleep and wake within so many seconds, the first first."""
        until = self.now() + ahead_seconds
        due = [
            (run.wake_at, run.id, run)
            for run in self.live.values()
            if run.wake_at is not None and run.wake_at <= until
        ]
        return [run for _, _, run in sorted(due, key=lambda each: each[:2])]

    def wake(self, run_ids: Iterable[UUID]) -> None:
        """Let runs that sleep be claimed at once."""
        for run_id in run_ids:
            run = self.runs.get(run_id)
            if run is not None and run.wake_at is not None:
                run.wake_at = self.now()

    def crashes_of(self, run: MemoryRun) -> int:
        """How often a claimable run will have crashed in a row once it is claimed."""
        entries = self.journal.get(run.id, {}).values()
        let_go = run.owner is None and run.crashes >= CRASHES_MAX
        if let_go or any(row.seq > run.crash_seq and _is_progress(row) for row in entries):
            return int(run.owner is not None)
        return run.crashes + (run.owner is not None)

    def remove_message(self, key: tuple[UUID, str]) -> None:
        self.inbox.pop(key, None)
        self.sent_at.pop(key, None)

    def _is_asked_for(self, run: MemoryRun) -> bool:
        """Whether a parent that has not ended may ask for this run once more."""
        parent = None if run.parent is None else self.runs.get(run.parent)
        return parent is not None and parent.finished_at is None

    def remove_finished(self, seconds: float, runs_max: int, entries_max: int) -> tuple[int, int]:
        """See `Store.remove_finished`."""
        until, left = self.now() - seconds, entries_max
        over = [
            run
            for run in self.runs.values()
            if (run.finished_at or until) < until and not self._is_asked_for(run)
        ]
        over.sort(key=lambda run: run.finished_at or 0.0)
        old = [run.id for run in over[:runs_max]]
        for key in [key for key in self.inbox if key[0] in old]:
            self.remove_message(key)
        for run_id in old:
            rows = self.journal.get(run_id, {})
            for seq in sorted(rows)[:left]:
                del rows[seq]
                left -= 1
        if not left:
            return 0, entries_max
        for run_id in old:
            del self.runs[run_id]
            self.journal.pop(run_id, None)
            self.snapshots.pop(run_id, None)
        return len(old), entries_max - left


def _is_progress(row: JournalRow) -> bool:
    return row.kind != EntryKind.CLAIM or row.payload == IDLE


def admitted(found: list[tuple[MemoryRun, int]], held: Held) -> list[tuple[MemoryRun, int]]:
    """Those of `found` (runs with their crashes) that may be held beside what is held."""
    suspects = sorted(
        (each for each in found if is_suspect(each[1])), key=lambda each: each[1], reverse=True
    )
    room = 0
    if suspects:
        room = max(0, room_for(max(suspects[0][1], held.worst)) - held.suspects)
    left_out = {run.id for run, _ in suspects[room:]}
    return [(run, crashes) for run, crashes in found if run.id not in left_out]
