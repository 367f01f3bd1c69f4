"""The table of tasks in PostgreSQL. See `store.tasks` for what it promises."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from uuid import UUID

from waymark.errors import Fenced
from waymark.store.reasons import readable_reason
from waymark.store.records import RunState
from waymark.store.tasks import (
    ClaimedTask,
    FinishedTask,
    HeldTask,
    OverTask,
    ReportedTask,
    TaskOffer,
    TaskOutcome,
    TaskRow,
)

#: Bytes of outcomes that are read at once.
OUTCOME_BYTES = 8 * 1024 * 1024


class PostgresTasks:
    """`fetch` runs a named statement over a connection of the store's pool."""

    def __init__(self, fetch: Callable[..., Awaitable[list[Any]]]) -> None:
        self._fetch = fetch

    async def offer(
        self, worker: UUID, offers: Sequence[TaskOffer], count_max: int
    ) -> tuple[int, list[UUID]]:
        columns = _columns(offers) if offers else [list[Any]() for _ in TaskOffer._fields]
        rows = await self._fetch("offer_tasks", worker, *columns, count_max)
        if not rows:
            raise _fenced(worker)
        return int(rows[0]["waiting"]), list(rows[0]["strangers"])

    async def claim(
        self,
        worker: UUID,
        actions: Sequence[str],
        queues: Sequence[str],
        limit: int,
        lost_max: int,
    ) -> tuple[list[ClaimedTask], int]:
        rows = await self._fetch(
            "claim_tasks", worker, list(actions), list(queues), limit, lost_max
        )
        if not rows:
            raise _fenced(worker)
        claimed = [ClaimedTask(*row[:9]) for row in rows if row["run_id"] is not None]
        return claimed, int(rows[0]["held"])

    async def held(self, worker: UUID) -> list[HeldTask]:
        return [HeldTask(*row) for row in await self._fetch("held_tasks", worker)]

    async def report(self, worker: UUID, tasks: Sequence[ReportedTask]) -> None:
        if tasks:
            await self._fetch("report_tasks", worker, *_columns(tasks))

    async def finish(self, worker: UUID, tasks: Sequence[FinishedTask]) -> None:
        if tasks and not await self._fetch("finish_tasks", worker, *_columns(tasks)):
            raise _fenced(worker)

    async def release(self, worker: UUID, tasks: Sequence[HeldTask]) -> None:
        if tasks:
            await self._fetch("release_tasks", worker, *_columns(tasks))

    async def outcomes(self, worker: UUID) -> list[TaskOutcome]:
        rows = await self._fetch("read_outcomes", worker, OUTCOME_BYTES)
        return [TaskOutcome(*row) for row in rows]

    async def read(self, runs: Sequence[UUID]) -> dict[UUID, list[TaskRow]]:
        found: dict[UUID, list[TaskRow]] = {}
        for row in await self._fetch("read_tasks", list(runs)):
            task = TaskRow(*row)
            found.setdefault(task.run_id, []).append(task)
        return found

    async def forget(self, tasks: Sequence[OverTask]) -> None:
        if tasks:
            await self._fetch("forget_tasks", *_columns(tasks))

    async def forget_orphaned(self) -> None:
        await self._fetch("forget_orphaned_tasks")

    async def served_queues(self, worker: UUID) -> list[list[str]]:
        return [read_queues(row["queues"]) for row in await self._fetch("served_queues", worker)]

    async def explain(
        self, worker: UUID, runs: Sequence[tuple[UUID, int]], reason: str | None
    ) -> list[UUID]:
        if not runs:
            return []
        state = RunState.RUNNING if reason is None else RunState.BLOCKED
        text = None if reason is None else readable_reason(reason)
        rows = await self._fetch("explain_runs", worker, *_columns(runs), int(state), text)
        return [row["id"] for row in rows]


def read_queues(text: str | None) -> list[str]:
    """The queues that a worker says it serves: JSON, an older one says nothing of them."""
    found: object = json.loads(text) if text else []
    if not isinstance(found, list):
        return []
    return [queue for queue in cast("list[object]", found) if isinstance(queue, str)]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _fenced(worker: UUID) -> Fenced:
    return Fenced(f"worker {worker} was declared dead; nothing is written for it")
