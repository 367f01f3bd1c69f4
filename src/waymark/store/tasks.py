"""What a store's table of tasks must do: attempts that any process may make.

`runtime/tasks.py` tells how they are used, and why that is sound. One contract suite
(`tests/store/test_contract_tasks.py`) holds all stores to this.

-   A row is keyed by the call: run and effect. There is one at a time, of one attempt.
-   Only the run's owner, at its epoch, offers; only a live worker claims and finishes.
-   `claim` counts how often a row was taken. What a claimer writes names the number that
    it was given, and changes nothing once the row has another.
-   Everything may be sent again after `StoreUnavailable`: it then changes nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol
from uuid import UUID


class Verdict(IntEnum):
    """What became of an attempt."""

    RESULT = 1  # it returned
    ERROR = 2  # it raised, and that is the call's outcome
    AGAIN = 3  # it raised, and there is another attempt after a pause
    DAMAGED = 4  # the row cannot be read; the outcome says what is wrong, in UTF-8


class TaskOffer(NamedTuple):
    """An attempt that others may make."""

    run_id: UUID
    epoch: int  # of the run, when it was offered
    effect: int
    attempt: int
    workflow: str
    action: str  # as the graph names it
    queue: str
    options: bytes  # JSON: what the call was given beside its arguments; empty for nothing
    arguments: bytes  # as recorded
    report: bytes = b""  # JSON: what earlier attempts said of themselves; empty for nothing


class ClaimedTask(NamedTuple):
    """An attempt that this worker is to make."""

    run_id: UUID
    effect: int
    attempt: int
    claim: int
    workflow: str
    action: str
    options: bytes
    arguments: bytes
    report: bytes = b""


class HeldTask(NamedTuple):
    """A claim, by name."""

    run_id: UUID
    effect: int
    claim: int


class ReportedTask(NamedTuple):
    """What a claimed attempt says of itself while it is made."""

    run_id: UUID
    effect: int
    claim: int
    report: bytes


class FinishedTask(NamedTuple):
    """What became of a claimed attempt, from its claimer."""

    run_id: UUID
    effect: int
    claim: int
    verdict: int  # Verdict
    pause_seconds: float  # before the next attempt, 0 where there is none
    outcome: bytes  # encoded result or exception
    report: bytes = b""  # the last; empty leaves the one that is there


class TaskOutcome(NamedTuple):
    """What became of an attempt, for the run's owner."""

    run_id: UUID
    effect: int
    attempt: int
    verdict: int
    pause_seconds: float
    outcome: bytes
    report: bytes = b""


class TaskRow(NamedTuple):
    """A row as its run's owner sees it. `lost` counts processes that died over it; `digest` is
    SHA-256 of the arguments."""

    run_id: UUID
    effect: int
    attempt: int
    claimer: UUID | None
    lost: int
    done: bool
    action: str
    digest: bytes


class OverTask(NamedTuple):
    """An attempt of a call that nobody waits for any more."""

    run_id: UUID
    effect: int
    attempt: int


class TaskTable(Protocol):
    """`Store.tasks`. Every method raises `StoreUnavailable`."""

    async def offer(
        self, worker: UUID, offers: Sequence[TaskOffer], count_max: int
    ) -> tuple[int, list[UUID]]:
        """Insert what is not there; a row of an earlier attempt becomes this one. Returns
        how many rows of all runs nobody has taken, or about `count_max`, and the runs that
        `worker` does not own at that epoch: these were left out. Raises `Fenced`."""
        ...

    async def claim(
        self,
        worker: UUID,
        actions: Sequence[str],
        queues: Sequence[str],
        limit: int,
        lost_max: int,
    ) -> tuple[list[ClaimedTask], int]:
        """Take up to `limit`, oldest first, that nobody has or whose claimer is dead, of
        runs that are not over; none that `lost_max` claimers died of, and of those that
        more than one died of a single one beside what the worker holds. Also tells how many
        the worker held before: a claim whose answer was lost on its way shows in that.
        Raises `Fenced`."""
        ...

    async def held(self, worker: UUID) -> list[HeldTask]:
        """What the worker has taken and not finished. After a lost connection this tells
        what was claimed; a row that is missing here is not wanted any more."""
        ...

    async def report(self, worker: UUID, tasks: Sequence[ReportedTask]) -> None:
        """Keep what attempts say of themselves, for whoever makes the next one."""
        ...

    async def finish(self, worker: UUID, tasks: Sequence[FinishedTask]) -> None:
        """Write what became of attempts. Raises `Fenced`."""
        ...

    async def release(self, worker: UUID, tasks: Sequence[HeldTask]) -> None:
        """Give back what will not be done here."""
        ...

    async def outcomes(self, worker: UUID) -> list[TaskOutcome]:
        """What became of attempts for runs that the worker owns, a bounded part of it: the
        same again until it is forgotten."""
        ...

    async def read(self, runs: Sequence[UUID]) -> dict[UUID, list[TaskRow]]:
        """The rows of runs in order of their effects, for those that have any."""
        ...

    async def forget(self, tasks: Sequence[OverTask]) -> None:
        """Delete rows whose outcome is journaled, or that nobody waits for; a later attempt
        of the same call stays."""
        ...

    async def forget_orphaned(self) -> None:
        """Delete the rows of runs that have ended, are quarantined, or are gone."""
        ...

    async def served_queues(self, worker: UUID) -> list[list[str]]:
        """For each other live worker the queues that it serves."""
        ...

    async def explain(
        self, worker: UUID, runs: Sequence[tuple[UUID, int]], reason: str | None
    ) -> list[UUID]:
        """Mark runs of `worker`, each with its epoch, as BLOCKED with a reason, or without
        one as RUNNING again. Returns those for which this is now so."""
        ...
