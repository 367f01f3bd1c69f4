"""What a store must do. One contract suite (`tests/store`) holds all to it.

Invariants every store keeps:

-   `flush` is atomic and durable when it returns. It takes the worker's own row
    as a fence: when that row is gone, nothing is written and `Fenced` is raised.
-   Only the owner at the current epoch writes a run's row and journal.
-   A run is claimed by compare-and-set: only one that is unowned, or whose owner
    has no `workers` row. Claiming raises `epoch` by one.
-   A worker is alive exactly while its `workers` row exists.
-   A run that sleeps (`park`) is WAITING and unowned. Whatever may wake it either
    comes before, and then it stays awake, or after, and then it is due at once.
-   All times are the store's own clock; engine times (`*_ns`) keep to it.
-   A lost connection raises `StoreUnavailable`; whether the statement arrived is
    then unknown, and `arrived` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from .records import (
    AttemptRow,
    ClaimedRun,
    Flush,
    JournalRow,
    Message,
    NewRun,
    Park,
    RunRow,
    Sight,
    SnapshotRow,
)
from .suspects import NONE_HELD, Held
from .tasks import TaskTable


class Store(Protocol):
    """A place that keeps graphs, runs, journals and workers."""

    #: How many flushes may be under way at once; a run is pinned to one lane.
    lanes: int

    #: What to show people: scheme, host and database, never a password.
    label: str

    @property
    def tasks(self) -> TaskTable:
        """Attempts that any process may make."""
        ...

    async def open(self) -> None:
        """Connect, check the server's version, migrate under a lock, check that
        this code is new enough. Raises `DatabaseUnreachable`,
        `DatabaseTooOld`, `CodeTooOld`, `MigrationNeeded`."""
        ...

    async def close(self) -> None:
        """Close every connection. Never raises for a dead server."""
        ...

    async def put_graph(self, hash: bytes, workflow: str, document: str) -> None:
        """Store a graph unless its hash is there."""
        ...

    async def get_graph(self, hash: bytes) -> str | None: ...

    async def register_worker(self, worker: UUID, lease_seconds: float, about: str) -> int:
        """Insert the worker's row. `about` is JSON (host, pid, versions). Returns the
        store's clock, in nanoseconds since 1970."""
        ...

    async def beat(
        self, worker: UUID, lease_seconds: float, broken: Callable[[], None] | None = None
    ) -> bool:
        """Prolong the lease; False when the row is gone. Called from the
        heartbeat thread's own loop: must use a connection of that loop. Where that
        connection proves the worker's life, `broken` is called in this loop when it
        is gone: the next beat had better come at once."""
        ...

    async def remove_worker(self, worker: UUID) -> None:
        """Delete the worker's row: its runs are free for others."""
        ...

    async def reap_workers(self, proven_dead: Sequence[UUID] = ()) -> list[UUID]:
        """Delete workers whose lease has run out, and those in `proven_dead`.
        Skips rows that a flush holds. Returns the ids deleted."""
        ...

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        """Write a batch; returns the runs that were refused because their epoch
        or owner is no longer the batch's. Raises `Fenced`, `StoreUnavailable`,
        `RefusedData` (the server rejected a value: the writer bisects).

        Nothing is ever written twice: a new run whose id is taken and a journal
        entry that is there already are `RefusedData`. So after `StoreUnavailable`
        ask `arrived` first, and send only what is missing."""
        ...

    async def park(self, lane: int, worker: UUID, parks: Sequence[Park]) -> frozenset[UUID]:
        """Let runs sleep; returns those that do. Not those that are not the worker's at
        that epoch, that have messages, or that wait for a child that has ended, is not
        there, or has another `parent`. Raises `Fenced`, and `StoreUnavailable`: ask
        `arrived` then."""
        ...

    async def arrived(self, runs: Sequence[UUID]) -> dict[UUID, tuple[int, int, int, UUID | None]]:
        """For each run that exists: its highest journal seq (0 when none), its
        state, epoch and owner. Read after a lost connection: once it returns,
        nothing that was under way can still arrive."""
        ...

    async def submit(self, run: NewRun) -> bool:
        """Insert one run outside the flushes. False when its id is taken."""
        ...

    async def claim(
        self,
        worker: UUID,
        graphs: Sequence[bytes],
        queues: Sequence[str],
        limit: int,
        now_ns: int = 0,
        held: Held = NONE_HELD,
        ahead_seconds: float = 0.0,
        resting: Sequence[UUID] = (),
    ) -> list[ClaimedRun]:
        """Take up to `limit` runs that are unowned or whose owner is dead or
        unknown, oldest first, of graphs in `graphs` only; in turn with them those
        that sleep and wake within `ahead_seconds`. `now_ns` is recorded
        as the beginning (`began_ns`) of those that never began; all begin at the
        time that the answer tells, since a later owner will read the same.
        A run that a dead owner leaves has crashed once more, unless it recorded
        something meanwhile; of those that crashed again and again so many are taken
        as `suspects` allows beside those that the claimer holds. Runs in `resting` are
        left to others.
        Epoch 1 is that of a run that its submitter executes, and no claim gives it:
        whoever claims such a row itself, while its submission is under way again under
        its new name, would else take the one for the other.
        Raises `Fenced` when the worker's own row is gone."""
        ...

    async def look(self, worker: UUID, queues: Sequence[str], ahead_seconds: float = 0.0) -> Sight:
        """All that an idle sweep has to know, in one question; as cheap with a
        million runs that sleep or have ended as with none."""
        ...

    async def set_blocked(self, graph: bytes, reason: str) -> None:
        """Mark unowned unfinished runs of `graph` as BLOCKED with `reason`, of those
        that sleep the ones that are due; up to `BLOCKED_MAX` that do not say so yet, the
        next call goes on. They stay
        claimable by a worker that names the graph."""
        ...

    async def owned_runs(self, worker: UUID) -> list[UUID]:
        """The unfinished runs that the store says are this worker's."""
        ...

    async def free_runs(self, worker: UUID, runs: Sequence[UUID]) -> None:
        """Give back those of `runs` that are this worker's and unfinished."""
        ...

    async def read_journal(
        self, runs: Sequence[UUID], after: Mapping[UUID, int] = ...
    ) -> dict[UUID, list[JournalRow]]:
        """Entries of each run in order of `seq`; where `after` names one, those behind
        it."""
        ...

    async def put_snapshot(self, worker: UUID, snapshot: SnapshotRow) -> bool:
        """Keep a snapshot, the newest of its run, instead of those before it. False, and
        nothing is written, unless `worker` lives and owns the run at its epoch, and the
        journal has the entry that it is of. Written again it stays as it is."""
        ...

    async def read_snapshots(self, runs: Sequence[UUID]) -> dict[UUID, SnapshotRow]:
        """The newest snapshot of each run that has one."""
        ...

    async def forget_snapshots(self, runs: Sequence[UUID]) -> None:
        """Delete the snapshots of those runs that have ended."""
        ...

    async def read_runs(self, runs: Sequence[UUID]) -> dict[UUID, RunRow]: ...

    async def write_attempts(self, worker: UUID, rows: Sequence[AttemptRow]) -> None:
        """Keep what attempts report, each row over an older one of its call. Rows of
        runs that the worker does not own at their epoch are left out."""
        ...

    async def read_attempts(self, runs: Sequence[UUID]) -> list[AttemptRow]:
        """What is kept for these runs."""
        ...

    async def forget_attempts(self, calls: Sequence[tuple[UUID, int | None]]) -> None:
        """Delete what was kept for calls (run and effect) that are over, or, without an
        effect, for a whole run if it has ended."""
        ...

    async def send(self, messages: Sequence[Message]) -> None:
        """Put messages into the inboxes of their runs, and wake those that sleep. One
        that is there already stays as it is; whether a run exists or has ended is
        not asked."""
        ...

    async def read_inbox(self, worker: UUID) -> list[tuple[Message, bool]]:
        """Up to 1000 messages, oldest first, each with whether its run has ended (so
        that nobody will hear it): those for runs of this worker, and for ended ones."""
        ...

    async def forget_messages(self, messages: Sequence[Message]) -> None:
        """Delete messages whose entry is committed, or that nobody will hear."""
        ...

    async def remove_finished(
        self, seconds: float, runs_max: int, entries_max: int
    ) -> tuple[int, int]:
        """Remove runs that ended more than `seconds` ago, with their messages; how many,
        and how many journal entries. At most so many of either: of a journal that is longer
        a part goes first, and its run in a later call. A child stays until its parent has
        ended. Does nothing while another process is at it."""
        ...

    async def remove_unheard(self, seconds: float) -> None:
        """Remove messages sent more than `seconds` ago to runs that are not there."""
        ...

    def listen(self, notice: Callable[[str], None]) -> None:
        """Call `notice(topic)` in this loop when another process hints:
        `"runs"` (something may be claimable), `"done"` (runs ended), `"inbox"`
        (messages were sent), `"tasks"` (attempts were offered, given back or are not
        wanted any more), `"outcomes"` (attempts were made for others). Hints may
        be lost, repeated or absent altogether; polling is the truth."""
        ...

    def hint(self, topic: str) -> None:
        """Tell the other processes, at most once per 10 ms per topic. Never
        waits and never raises."""
        ...
