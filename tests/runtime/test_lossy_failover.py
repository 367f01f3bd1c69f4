"""A server that comes back without the last that it had acknowledged."""

from __future__ import annotations

import asyncio
import copy

import pytest

from tests.runtime.families import Holding
from tests.runtime.serving import result, run, serving, submit, until
from tests.runtime.stores import FlakyStore
from tests.runtime.workflows import Double, HoldTwo, Stage
from waymark.runtime.run_ids import is_child
from waymark.store.records import RunState

pytestmark = pytest.mark.anyio


class LaggingStore(FlakyStore):
    """Falls back to what `remember` copied."""

    def remember(self) -> None:
        database = self.database
        self._kept = copy.deepcopy((database.runs, database.live, database.journal))
        self._graphs = dict(database.graphs)

    def fall_back(self) -> None:
        database = self.database
        database.runs, database.live, database.journal = self._kept
        database.graphs = self._graphs
        self.losses = ["before"] * 2


async def test_a_run_whose_end_was_lost_ends_again(stage: Stage) -> None:
    """The database says that it is ours and we have closed it: nobody else would look for
    it. What was recorded before is not done again."""
    store = LaggingStore()
    async with serving(store, poll_seconds=0.02) as runtime:
        run_id = await submit(runtime, HoldTwo)
        await stage.begun.wait()
        store.remember()
        stage.go.set()
        assert await result(runtime, run_id, HoldTwo) == [2, "two", 4]
        store.fall_back()
        assert await run(runtime, Double, 7) == 14
        await until(lambda: store.database.runs[run_id].state == RunState.SUCCEEDED)
        assert stage.calls["double 1"] == 1
        assert stage.calls["two"] == 2


async def test_a_graph_that_was_lost_is_stored_again(stage: Stage) -> None:
    """Before any run that needs it is."""
    store = LaggingStore()
    async with serving(store, poll_seconds=0.02) as runtime:
        store.remember()
        assert await run(runtime, Double, 1) == 2
        graphs = dict(store.database.graphs)
        assert graphs
        store.fall_back()
        assert await run(runtime, Double, 2) == 4
        assert store.database.graphs == graphs


async def test_a_child_that_was_lost_is_begun_again(stage: Stage) -> None:
    """Its parent, of which the database has all, is recovered and asks for it once more,
    instead of failing over a run that nobody finds."""
    store = LaggingStore()
    async with serving(store, poll_seconds=0.02) as runtime:
        parent = await submit(runtime, Holding, "a")
        await until(lambda: parent in store.database.runs)
        store.remember()
        for table in store._kept[:2]:
            for run_id in [run_id for run_id in table if is_child(run_id)]:
                del table[run_id]
        await stage.begun.wait()
        store.fall_back()
        stage.go.set()
        async with asyncio.timeout(30):
            await result(runtime, parent, Holding)
        assert store.database.runs[parent].state == RunState.SUCCEEDED
