"""What several `MemoryStore`s share, as several processes share one Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from waymark.store.records import JournalRow, Message, NewRun, RunState

if TYPE_CHECKING:
    from .store import MemoryStore


class MemoryRun:
    """One row of `runs`. Mutable, because one exists for every run in memory."""

    __slots__ = (
        "began_ns",
        "epoch",
        "finished_at",
        "graph",
        "id",
        "input",
        "owner",
        "queue",
        "reason",
        "result",
        "state",
        "submitted_at",
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
        self.submitted_at = submitted_at
        self.result: bytes | None = None
        self.reason: str | None = None
        self.finished_at: float | None = None


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
        self.inbox: dict[tuple[UUID, str], Message] = {}
        self.workers: dict[UUID, float] = {}
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
        """Live runs without a live owner, oldest first."""
        workers = self.workers
        return [run for run in self.live.values() if run.owner not in workers]
