"""Runs that change hands: none is forgotten on the way, or taken up twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from tests.runtime.serving import result, serving, submit
from waymark import Workflow, workflow
from waymark.runtime.clock import VirtualClock
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.records import NO_ENTRIES, EntryKind, JournalRow

pytestmark = pytest.mark.anyio


@workflow
class Stamped(Workflow):
    """Its first step makes recorded calls."""

    async def run(self) -> list[str]:
        token = f"{uuid4()} {datetime.now().isoformat()}"
        return [token, token]


async def test_a_run_that_another_process_begins_may_start_with_recorded_calls() -> None:
    """A process that only submits leaves the first step to whoever claims the run;
    what that step records is the beginning of the journal."""
    database = MemoryDatabase()
    async with (
        serving(MemoryStore(database), queues=()) as front,
        serving(MemoryStore(database)) as back,
    ):
        run_id = await submit(front, Stamped)
        first, second = await result(back, run_id, Stamped)
    assert first == second
    kinds = [row.kind for _, row in sorted(database.journal[run_id].items())]
    assert sorted(kinds) == [EntryKind.TAPE, EntryKind.CLAIM]


async def test_a_run_whose_first_owner_dies_at_once_begins_when_it_began() -> None:
    """The first claim says when the run began, although its owner recorded nothing
    more before it died; the second owner begins it at that time."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database), queues=()) as front:
        run_id = await submit(front, Stamped)
        store = MemoryStore(database)
        await store.open()
        dead = uuid4()
        await store.register_worker(dead, 3600.0, "{}")
        graphs = (await store.look(dead, ["default"])).graphs
        assert [run.id for run in await store.claim(dead, graphs, ["default"], 9, 77)] == [run_id]
        await store.remove_worker(dead)
        async with serving(MemoryStore(database)) as back:
            first, second = await result(back, run_id, Stamped)
    assert first == second
    assert database.runs[run_id].began_ns == 77


@workflow
class Timed(Workflow):
    """What it hands to its action is the time since its beginning."""

    async def run(self) -> float:
        waited = time.monotonic()
        await asyncio.sleep(3600)
        return time.monotonic() - waited


async def test_a_claimed_run_begins_at_the_time_that_is_stored() -> None:
    """Time passes between a claim and the first step; the run's clock starts with the
    claim, since that is what a later owner will read."""
    database = MemoryDatabase()
    clock = VirtualClock(now_ns=1_000)

    class SlowStore(MemoryStore):
        """Time passes while it reads."""

        async def read_journal(
            self, runs: Sequence[UUID], after: Mapping[UUID, int] = NO_ENTRIES
        ) -> dict[UUID, list[JournalRow]]:
            clock._now_ns += 5_000_000_000
            return await super().read_journal(runs, after)

    async with serving(MemoryStore(database), queues=()) as front:
        run_id = await submit(front, Timed)
        async with serving(SlowStore(database), clock) as back:
            await result(back, run_id, Timed)
    assert database.runs[run_id].began_ns == 1_000
    claim, timer = (database.journal[run_id][seq] for seq in (1, 2))
    assert (claim.kind, claim.at_ns) == (EntryKind.CLAIM, 5_000_001_000)
    assert (timer.kind, timer.at_ns) == (EntryKind.TIMER, 3_600_000_001_000)
