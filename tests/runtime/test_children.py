"""Child runs: runs of their own, started once, whose ends come back whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.runtime.families import (
    Copying,
    Failing,
    Family,
    Forgiving,
    Giving,
    Heavy,
    Holding,
    Tree,
    Wide,
    family,
)
from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.stores import DyingStore
from tests.runtime.workflows import Hold, Stage
from waymark.errors import RunFailed
from waymark.runtime.run_ids import child_id
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.postgres import PostgresStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, RunState

pytestmark = pytest.mark.anyio

NewStore = Callable[[], Store]


async def test_children_are_runs_of_their_own(new_store: NewStore, stage: Stage) -> None:
    """Each with a row under the id that its parent's id and the effect give, and the
    parent's journal has one outcome for each."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Family, 3)
        assert await result(runtime, run_id, Family) == family(3)
        ids = [child_id(run_id, effect) for effect in range(4)]
        rows = await store.read_runs(ids)
        assert [rows[each].workflow.rpartition(":")[2] for each in ids] == [
            "Double",
            *["Chain"] * 3,
        ]
        assert {rows[each].state for each in ids} == {RunState.SUCCEEDED}
        entries = (await store.read_journal([run_id]))[run_id]
        assert sorted(entry.effect for entry in entries) == [0, 1, 2, 3, 4]


async def test_exceptions_of_children_keep_their_type(new_store: NewStore) -> None:
    """They are caught as the child's own, and come out of the parent as its own."""
    async with serving(new_store()) as runtime:
        caught = await run(runtime, Forgiving)
        assert caught[0] == "ValueError('broken')"
        assert "takes 1 positional argument but 3 were given" in caught[1]
        with pytest.raises(ValueError, match="worse") as raised:
            await run(runtime, Failing, "worse")
        assert isinstance(raised.value.__cause__, RunFailed)
        assert "Failing" in str(raised.value.__cause__)


async def test_what_goes_to_a_child_and_back_is_a_copy(new_store: NewStore) -> None:
    """Taken when the call expression is evaluated, as for actions."""
    async with serving(new_store()) as runtime:
        assert await run(runtime, Copying, [0]) == ([0, 1], [0, 2])


async def test_children_of_children(new_store: NewStore, stage: Stage) -> None:
    """A workflow may run itself."""
    async with serving(new_store()) as runtime:
        assert await run(runtime, Tree, 3) == 54
    assert stage.calls["double 1"] == 27


async def test_too_large_arguments_are_an_outcome(new_store: NewStore, stage: Stage) -> None:
    """Nothing is stored for the child, and the parent can catch it."""
    async with serving(new_store(), payload_bytes_max=10_000) as runtime:
        assert "more than payload_bytes_max" in await run(runtime, Heavy, 20_000)


@pytest.mark.parametrize("bound", [1, 2, 5])
async def test_parents_leave_room_for_their_children(
    new_store: NewStore, stage: Stage, bound: int
) -> None:
    """Whatever the bound of runs in memory, no parent waits for a child that waits for
    the parent's place."""
    async with serving(new_store(), resident_runs_max=bound) as runtime:
        results = await asyncio.gather(
            run(runtime, Wide, 20), run(runtime, Tree, 3), *[run(runtime, Family, 1)] * 3
        )
    assert results[:2] == [380, 54]


async def test_two_processes_share_a_family(new_store: NewStore, stage: Stage) -> None:
    """Children that the parent's process has no room for are executed elsewhere, and
    their results find the way back."""
    async with serving(new_store(), resident_runs_max=1) as one, serving(new_store()) as other:
        assert await run(one, Wide, 30) == 870
        assert await run(other, Tree, 2) == 18
        owners = {id(runtime._programs) for runtime in (one, other) if runtime._programs.served}
        assert len(owners) == 2


async def test_a_child_outlives_the_process_of_its_parent(
    new_store: NewStore, stage: Stage
) -> None:
    """Parent and child are taken up by another process; neither is begun anew."""
    runtime, ownership = await begin(new_store(), drain_seconds=0.0)
    run_id = await submit(runtime, Holding, "held")
    await stage.begun.wait()
    await ownership.end()
    stage.go.set()
    async with serving(new_store()) as other:
        assert await result(other, run_id, Holding) == "held!?"
    assert stage.calls["held"] == 2


async def test_a_child_of_another_workflow_is_not_taken_for_the_one_asked_for(
    stage: Stage,
) -> None:
    """What a failover that lost commits may leave; the parent stands still, and says why."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database), drain_seconds=0.0) as runtime:
        run_id = await submit(runtime, Holding, "held")
        await stage.begun.wait()
    child = child_id(run_id, 0)
    database.runs[child].workflow = "elsewhere:Other"
    stage.go.set()
    async with serving(MemoryStore(database)) as other:
        await until(lambda: database.runs[run_id].state == RunState.QUARANTINED)
        reason = database.runs[run_id].reason or ""
        assert f"the run {child} that bears its id is of elsewhere:Other" in reason
        await until(lambda: database.runs[child].state == RunState.SUCCEEDED)
        assert await run(other, Family, 1) == family(1)


async def test_a_cancelled_child_cleans_up_before_its_parent_goes_on(
    new_store: NewStore, stage: Stage
) -> None:
    """So do its own children; all of them end as cancelled, and by their own entries."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Giving, "held")
        assert await result(runtime, run_id, Giving) == ["cancelled", True, 6]
        child = child_id(run_id, 1)  # The first effect looks whether the child has begun.
        grandchild = child_id(child, 0)
        rows = await store.read_runs([child, grandchild])
        assert {row.state for row in rows.values()} == {RunState.CANCELLED}
        assert len(rows) == 2
        journals = await store.read_journal([child, grandchild])
        for journal in journals.values():
            assert sum(entry.kind == EntryKind.CANCEL for entry in journal) == 1
    assert stage.calls["double 4"] == 1


@pytest.mark.parametrize("bounds", [(1, 1000), (1, 1), (1000, 1)])
async def test_a_cancellation_reaches_a_child_in_another_process(
    new_store: NewStore, stage: Stage, bounds: tuple[int, int]
) -> None:
    """Through its inbox, which is empty in the end."""
    store = new_store()
    one = serving(store, resident_runs_max=bounds[0])
    other = serving(new_store(), resident_runs_max=bounds[1])
    async with one as first, other as second:
        ids = [await submit(first, Giving, f"held{'!' * number}") for number in range(4)]
        for run_id in ids:
            assert await result(first, run_id, Giving) == ["cancelled", True, 6]
        await submit(second, Hold, "keeps the second at work")
        await submit(first, Hold, "keeps the first at work")
        while await messages(store):  # noqa: ASYNC110  # the store tells nobody
            await asyncio.sleep(0.01)
        stage.go.set()


async def messages(store: Store) -> int:
    if isinstance(store, MemoryStore):
        return len(store.database.inbox)
    assert isinstance(store, PostgresStore)
    schema = store._statements.schema
    async with store._connected() as connection:
        found: int = await connection.fetchval(f'select count(*) from "{schema}".inbox')
    return found


async def test_a_crash_after_each_flush_loses_no_cancellation(stage: Stage) -> None:
    """Whichever flush was the last, the child hears it once and cleans up."""
    flushes = 0
    while True:
        flushes += 1
        stage.calls.clear()
        database = MemoryDatabase()
        store = DyingStore(database, flushes)
        runtime, ownership = await begin(store)
        waiting = asyncio.create_task(submit(runtime, Giving, "held"))
        await asyncio.wait(
            [asyncio.create_task(store.dead.wait()), asyncio.create_task(ended(database))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        died = store.dead.is_set()
        waiting.cancel()
        await ownership.abandon()
        if not died:
            break
        (run_id,) = [
            found for found, row in database.runs.items() if row.workflow.endswith("Giving")
        ]
        async with serving(MemoryStore(database)) as other:
            expected = ["cancelled", True, 6]
            assert await result(other, run_id, Giving) == expected, f"after flush {flushes}"
        assert len(database.runs) == 3
        check_outcomes(database)
        for found, journal in database.journal.items():
            heard = sum(row.kind == EntryKind.CANCEL for row in journal.values())
            assert heard == (found != run_id)
    assert flushes > 5


async def test_a_crash_after_each_flush_starts_no_child_twice(stage: Stage) -> None:
    """Promise 2 and 3 for a family: after each flush in turn its process dies, and
    another finishes: the same result, one row for each child, one outcome each."""
    flushes = 0
    while True:
        flushes += 1
        database = MemoryDatabase()
        store = DyingStore(database, flushes)
        runtime, ownership = await begin(store)
        waiting = asyncio.create_task(submit(runtime, Family, 2))
        await asyncio.wait(
            [asyncio.create_task(store.dead.wait()), asyncio.create_task(ended(database))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        died = store.dead.is_set()
        waiting.cancel()
        await ownership.abandon()
        if not died:
            break
        (run_id,) = [
            found for found, row in database.runs.items() if row.workflow.endswith("Family")
        ]
        async with serving(MemoryStore(database)) as other:
            assert await result(other, run_id, Family) == family(2), f"after flush {flushes}"
        assert len(database.runs) == 5
        check_outcomes(database)
    assert flushes > 5


async def ended(database: MemoryDatabase) -> None:
    await until(lambda: bool(database.runs) and not database.live)


def check_outcomes(database: MemoryDatabase) -> None:
    for journal in database.journal.values():
        kinds = (EntryKind.RESULT, EntryKind.ERROR, EntryKind.CANCELLED)
        effects = [row.effect for row in journal.values() if row.kind in kinds]
        assert len(effects) == len(set(effects))
