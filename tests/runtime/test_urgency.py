"""Runs that begin later, and runs that go first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.runtime.families import Family
from tests.runtime.naps import HOUR_NS, MovedClock
from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.workflows import Crowd, Double, Hold, Stage
from waymark.authoring import Workflow, workflow
from waymark.authoring.options import RunOptions
from waymark.errors import RunCancelled
from waymark.runtime.runtime import Runtime
from waymark.store.memory import MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind

pytestmark = pytest.mark.anyio

IN_AN_HOUR = RunOptions(delay_seconds=3600.0)


@workflow
class Answered(Workflow):
    async def run(self) -> object:
        return await self.wait_for_event("answer", timeout=60)


async def turns() -> None:
    """Time for some looks of a sweep."""
    for _ in range(50):
        await asyncio.sleep(0.002)


async def test_a_delayed_run_begins_when_it_is_due(stage: Stage) -> None:
    """Not a moment before, though it is in memory by then; until it is near, it is a row."""
    clock = MovedClock()
    database = clock.database()
    async with serving(MemoryStore(database), clock, poll_seconds=0.05) as runtime:
        began_ns = clock.now_ns()
        run_id = await submit(runtime, Double, 3, options=IN_AN_HOUR)
        assert (await runtime.client.status(run_id)).state == "scheduled"
        ending = asyncio.create_task(result(runtime, run_id, Double))
        await turns()
        assert not runtime._scheduler.runs
        clock.move(HOUR_NS - 50_000_000)
        await until(lambda: run_id in runtime._scheduler.runs)
        await turns()
        clock.move(49_999_999)
        await turns()
        assert not stage.calls
        assert not ending.done()
        clock.move(1)
        assert await ending == 6
        assert database.runs[run_id].began_ns == began_ns + HOUR_NS
        first = database.journal[run_id][1]
        assert (first.kind, first.at_ns) == (EntryKind.CLAIM, began_ns + HOUR_NS)


async def test_a_delay_outlives_its_process(new_store: Callable[[], Store], stage: Stage) -> None:
    """Also one that has claimed the run early, and is stopped before it is due."""
    async with serving(new_store(), poll_seconds=5.0) as web:
        run_id = await submit(web, Double, 3, options=RunOptions(delay_seconds=2.0))
        await until(lambda: run_id in web._scheduler.runs)
    assert not stage.calls
    async with serving(new_store()) as worker:
        assert await result(worker, run_id, Double) == 6
        status = await worker.client.status(run_id)
    assert status.finished_at is not None
    # The delay counts from the call; `submitted_at` is its commit.
    assert (status.finished_at - status.submitted_at).total_seconds() >= 1.9


async def test_a_web_server_that_executes_nothing_delays(
    new_store: Callable[[], Store], stage: Stage
) -> None:
    """Whoever executes finds the run."""
    async with serving(new_store(), queues=()) as web, serving(new_store()):
        run_id = await submit(web, Double, 3, options=RunOptions(delay_seconds=0.1))
        assert await result(web, run_id, Double) == 6


@pytest.mark.parametrize("near", [False, True])
async def test_a_delayed_run_that_is_cancelled_never_begins(
    new_store: Callable[[], Store], stage: Stage, near: bool
) -> None:
    """Like a task that is cancelled before its first step."""
    async with serving(new_store(), poll_seconds=30.0 if near else 0.05) as runtime:
        run_id = await submit(runtime, Double, 3, options=RunOptions(delay_seconds=50.0))
        await until(lambda: (run_id in runtime._scheduler.runs) is near)
        await runtime.client.cancel(run_id)
        with pytest.raises(RunCancelled):
            await result(runtime, run_id, Double, timeout=20)
        assert (await runtime.client.status(run_id)).state == "cancelled"
        assert not runtime._scheduler.runs
        assert not runtime._delayed._begin
    assert not stage.calls


async def test_events_wait_until_a_run_begins(stage: Stage) -> None:
    """They neither begin it nor are lost."""
    clock = MovedClock()
    async with serving(MemoryStore(clock.database()), clock, poll_seconds=0.05) as runtime:
        run_id = await submit(runtime, Answered, options=IN_AN_HOUR)
        await runtime.client.send(run_id, "answer", 42, None)
        await turns()
        assert (await runtime.client.status(run_id)).state == "scheduled"
        clock.move(HOUR_NS - 50_000_000)
        await until(lambda: run_id in runtime._scheduler.runs)
        await runtime.client.send(run_id, "answer", 43, None)
        await turns()
        clock.move(50_000_000)
        assert await result(runtime, run_id, Answered) == 42


async def crowded(runtime: Runtime, stage: Stage) -> None:
    """Occupies the only slot."""
    await submit(runtime, Hold, "first")
    await stage.begun.wait()


async def test_calls_of_urgent_runs_go_first(new_store: Callable[[], Store], stage: Stage) -> None:
    """Of equals, the oldest; children are as urgent as their parents."""
    async with serving(new_store(), concurrency=1) as runtime:
        await crowded(runtime, stage)
        runs = [
            await submit(runtime, Double, number, options=RunOptions(priority=priority))
            for number, priority in [(1, 0), (2, -5), (3, 10), (4, 0), (5, 10)]
        ]
        runs.append(await submit(runtime, Family, 50, options=RunOptions(priority=11)))
        await until(lambda: len(runtime._executor.ready) == 6)
        stage.go.set()
        for run_id in runs:
            await result(runtime, run_id)
        expected = [f"double {number}" for number in (50, 3, 5, 1, 4, 2)]
        assert [name for name in stage.calls if name in expected] == expected


async def test_urgent_runs_are_claimed_first(new_store: Callable[[], Store], stage: Stage) -> None:
    """By a process that has no room for all."""
    async with serving(new_store(), queues=()) as web:
        runs = [
            await submit(web, Double, number, options=RunOptions(priority=number % 3))
            for number in range(6)
        ]
        _runtime, ownership = await begin(new_store(), resident_runs_max=1)
        try:
            for run_id in runs:
                await result(web, run_id, Double)
        finally:
            await ownership.end()
    assert list(stage.calls) == [f"double {number}" for number in (2, 5, 1, 4, 0, 3)]


async def test_the_wide_and_the_urgent_share_a_queue(stage: Stage) -> None:
    """An urgent run overtakes a fan-out that waits, and that goes on behind it."""
    async with serving(MemoryStore(), concurrency=1) as runtime:
        await crowded(runtime, stage)
        wide = await submit(runtime, Crowd, 200)
        await until(lambda: len(runtime._executor.ready) == 200)
        urgent = asyncio.create_task(run(runtime, Double, 3))
        await until(lambda: len(runtime._executor.ready) == 201)
        first = await submit(runtime, Double, 4, options=RunOptions(priority=1))
        await until(lambda: len(runtime._executor.ready) == 202)
        assert next(call[0].id for call in runtime._executor.ready) == first
        stage.go.set()
        assert await result(runtime, wide, Crowd) == sum(range(200))
        assert await urgent == 6
