"""The table of tasks in memory. See `store.tasks` for what it promises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
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

from .database import MemoryDatabase, MemoryTask

#: How many outcomes are read at once.
OUTCOMES = 500

#: What its column holds; a row damaged by hand may have reached it.
CLAIM_MAX = 2**31 - 1


class MemoryTasks:
    """One process's view of the tasks of a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def _check(self, worker: UUID) -> None:
        if worker not in self._database.workers:
            raise Fenced(f"worker {worker} was declared dead; nothing is written for it")

    def _live(self, run_id: UUID) -> bool:
        run = self._database.runs.get(run_id)
        return run is not None and run.state < RunState.QUARANTINED

    async def offer(
        self, worker: UUID, offers: Sequence[TaskOffer], count_max: int
    ) -> tuple[int, list[UUID]]:
        await asyncio.sleep(0)
        self._check(worker)
        tasks, runs = self._database.tasks, self._database.runs
        strangers: dict[UUID, None] = {}
        for offer in offers:
            run, key = runs.get(offer.run_id), (offer.run_id, offer.effect)
            there = tasks.get(key)
            if run is None or run.owner != worker or run.epoch != offer.epoch:
                strangers[offer.run_id] = None
                continue
            if there is None:
                tasks[key] = MemoryTask(offer, 0)
            elif there.offer.attempt < offer.attempt:
                # Deleted first, so that it stands behind what was offered before.
                del tasks[key]
                tasks[key] = MemoryTask(offer, there.claim + 1)
        free = (task for task in tasks.values() if task.verdict is None and task.claimer is None)
        return sum(1 for _ in islice(free, count_max)), list(strangers)

    async def claim(
        self,
        worker: UUID,
        actions: Sequence[str],
        queues: Sequence[str],
        limit: int,
        lost_max: int,
    ) -> tuple[list[ClaimedTask], int]:
        await asyncio.sleep(0)
        self._check(worker)
        workers, claimed = self._database.workers, list[ClaimedTask]()
        held = len(self._held_by(worker))
        suspected = any(
            task.claimer == worker and task.verdict is None and task.lost > 1
            for task in self._database.tasks.values()
        )
        for task in self._database.tasks.values():
            offer = task.offer
            if len(claimed) >= limit:
                break
            if task.verdict is not None or task.claimer in workers or task.lost >= lost_max:
                continue
            suspect = task.lost > 1
            if suspect and suspected:
                continue
            served = offer.action in actions and offer.queue in queues
            if served and self._live(offer.run_id):
                suspected = suspected or suspect
                task.lost += task.claimer is not None
                task.claimer = worker
                task.claim = task.claim + 1 if task.claim < CLAIM_MAX else 1
                claimed.append(_claimed(task))
        return claimed, held

    def _held(self, worker: UUID, held: tuple[UUID, int, int]) -> MemoryTask | None:
        run_id, effect, claim = held
        task = self._database.tasks.get((run_id, effect))
        if task is None or task.verdict is not None:
            return None
        return task if (task.claimer, task.claim) == (worker, claim) else None

    async def held(self, worker: UUID) -> list[HeldTask]:
        await asyncio.sleep(0)
        return self._held_by(worker)

    def _held_by(self, worker: UUID) -> list[HeldTask]:
        return [
            HeldTask(*key, task.claim)
            for key, task in self._database.tasks.items()
            if task.claimer == worker and task.verdict is None
        ]

    async def report(self, worker: UUID, tasks: Sequence[ReportedTask]) -> None:
        await asyncio.sleep(0)
        for said in tasks:
            task = self._held(worker, said[:3])
            if task is not None:
                task.report = said.report

    async def finish(self, worker: UUID, tasks: Sequence[FinishedTask]) -> None:
        await asyncio.sleep(0)
        if tasks:
            self._check(worker)
        for done in tasks:
            task = self._held(worker, done[:3])
            if task is not None:
                task.verdict = done.verdict
                task.pause_seconds = done.pause_seconds
                task.outcome = done.outcome
                task.report = done.report or task.report

    async def release(self, worker: UUID, tasks: Sequence[HeldTask]) -> None:
        await asyncio.sleep(0)
        for held in tasks:
            task = self._held(worker, held)
            if task is not None:
                task.claimer = None

    async def outcomes(self, worker: UUID) -> list[TaskOutcome]:
        await asyncio.sleep(0)
        found: list[TaskOutcome] = []
        for (run_id, effect), task in sorted(self._database.tasks.items()):
            run = self._database.runs.get(run_id)
            if task.verdict is not None and run is not None and run.owner == worker:
                found.append(
                    TaskOutcome(
                        run_id,
                        effect,
                        task.offer.attempt,
                        task.verdict,
                        task.pause_seconds,
                        task.outcome,
                        task.report,
                    )
                )
        return found[:OUTCOMES]

    async def read(self, runs: Sequence[UUID]) -> dict[UUID, list[TaskRow]]:
        await asyncio.sleep(0)
        asked, found = set(runs), dict[UUID, list[TaskRow]]()
        for (run_id, effect), task in sorted(self._database.tasks.items()):
            if run_id in asked:
                done = task.verdict is not None
                offer = task.offer
                row = TaskRow(
                    *(run_id, effect, offer.attempt, task.claimer, task.lost, done),
                    *(offer.action, sha256(offer.arguments).digest()),
                )
                found.setdefault(run_id, []).append(row)
        return found

    async def forget(self, tasks: Sequence[OverTask]) -> None:
        await asyncio.sleep(0)
        for over in tasks:
            task = self._database.tasks.get(over[:2])
            if task is not None and task.offer.attempt <= over.attempt:
                del self._database.tasks[over[:2]]

    async def forget_orphaned(self) -> None:
        await asyncio.sleep(0)
        tasks = self._database.tasks
        for key in [key for key in tasks if not self._live(key[0])]:
            del tasks[key]

    async def served_queues(self, worker: UUID) -> list[list[str]]:
        await asyncio.sleep(0)
        abouts = self._database.abouts
        return [
            list(json.loads(abouts.get(other, "{}")).get("queues", ()))
            for other in self._database.workers
            if other != worker
        ]

    async def explain(
        self, worker: UUID, runs: Sequence[tuple[UUID, int]], reason: str | None
    ) -> list[UUID]:
        await asyncio.sleep(0)
        explained: list[UUID] = []
        for run_id, epoch in runs:
            run = self._database.runs.get(run_id)
            if run is None or (run.owner, run.epoch) != (worker, epoch):
                continue
            run.state = RunState.RUNNING if reason is None else RunState.BLOCKED
            run.reason = None if reason is None else readable_reason(reason)
            explained.append(run_id)
        return explained


def _claimed(task: MemoryTask) -> ClaimedTask:
    offer = task.offer
    return ClaimedTask(
        offer.run_id,
        offer.effect,
        offer.attempt,
        task.claim,
        offer.workflow,
        offer.action,
        offer.options,
        offer.arguments,
        task.report,
    )
