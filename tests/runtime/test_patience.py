"""Submissions while the database does not answer: they wait, and then fail clearly."""

from __future__ import annotations

import asyncio

import pytest

from tests.runtime.families import Tree
from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.stores import FlakyStore
from tests.runtime.workflows import Double, HoldTwo, Stage
from waymark.errors import StoreUnavailable
from waymark.runtime.run_ids import is_child
from waymark.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

FOR_EVER = 1_000_000


class AwayStore(FlakyStore):
    """Its server goes away and comes back."""

    def go(self) -> None:
        self.losses, self.arrived_fails = ["before"] * FOR_EVER, FOR_EVER

    def return_(self) -> None:
        self.losses, self.arrived_fails = [], 0


async def test_a_submission_waits_for_a_short_outage(stage: Stage) -> None:
    """Nobody notices that the database was away."""
    store = AwayStore()
    async with serving(store, submit_timeout_seconds=60.0) as runtime:
        await run(runtime, Double, 1)
        store.go()
        submitting = asyncio.create_task(submit(runtime, Double, 2))
        waiting = asyncio.create_task(run(runtime, Double, 3))
        await until(lambda: store.arrived_fails < FOR_EVER - 2)
        assert not submitting.done()
        store.return_()
        assert await result(runtime, await submitting, Double) == 4
        assert await waiting == 6


async def test_a_submission_fails_clearly_after_its_time(stage: Stage) -> None:
    """What was sent says that nobody knows, and is there when the database is back; what
    was never sent says so and leaves nothing behind, in the store as in memory. Outcomes
    of what runs are kept however long it takes."""
    store = AwayStore()
    async with serving(store, submit_timeout_seconds=0.2) as runtime:
        await run(runtime, Double, 1)
        running = asyncio.create_task(run(runtime, HoldTwo))
        await stage.begun.wait()
        store.go()
        stage.go.set()
        sent = asyncio.create_task(submit(runtime, Double, 2))
        await until(lambda: all(lane.sending for lane in runtime._writer.lanes))
        queued = [asyncio.create_task(submit(runtime, Double, number)) for number in range(3, 9)]
        queued += [asyncio.create_task(run(runtime, Double, number)) for number in range(9, 12)]
        with pytest.raises(StoreUnavailable, match=r"0\.2 seconds; whether run .* not known"):
            await sent
        for task in queued:
            with pytest.raises(StoreUnavailable, match="nothing of this submission is stored"):
                await task
        assert len(runtime._scheduler.runs) == 2
        assert not any(lane.queue for lane in runtime._writer.lanes)
        store.return_()
        assert await running == [2, "two", 4]
        await until(lambda: not runtime._scheduler.runs)
        assert runtime._writer.unflushed_rows == runtime._writer.unflushed_bytes == 0
        assert len(store.database.runs) == 3
        assert stage.calls["double 3"] == stage.calls["double 9"] == 0
        assert stage.calls["double 2"] == 2  # Its own, and the second of `HoldTwo`.


async def test_what_nobody_submitted_here_waits_without_end(stage: Stage) -> None:
    """Time limits are for callers: a child run is asked for by its parent."""
    store = AwayStore()
    async with serving(store, submit_timeout_seconds=0.1) as runtime:
        assert await run(runtime, Tree, 0) == await run(runtime, Tree, 0)
        parent = await submit(runtime, Tree, 1)
        store.go()
        lanes = runtime._writer.lanes
        await until(lambda: any(is_child(c.run.id) for lane in lanes for c in lane.queue))
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await submit(runtime, Double, 1)  # It waited for less long than the children.
        store.return_()
        assert isinstance(await result(runtime, parent, Tree), int)


class SlowToStart(MemoryStore):
    """Graphs cannot be stored at first."""

    failures = 3

    async def put_graph(self, hash: bytes, workflow: str, document: str) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the server is starting up")
        await super().put_graph(hash, workflow, document)


async def test_the_first_submission_of_a_workflow_waits_too(stage: Stage) -> None:
    """Its graph has to be stored first."""
    store = SlowToStart()
    runtime, ownership = await begin(store)
    assert await run(runtime, Double, 2) == 4
    await ownership.end()


async def test_the_first_submission_of_a_workflow_gives_up_too(stage: Stage) -> None:
    store = SlowToStart()
    store.failures = FOR_EVER
    async with serving(store, submit_timeout_seconds=0.2) as runtime:
        with pytest.raises(StoreUnavailable, match="starting up"):
            await run(runtime, Double, 2)
