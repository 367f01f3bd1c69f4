"""The promises under failure: durable before visible, nothing lost, recorded once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.stores import FlakyStore, HeldStore
from tests.runtime.workflows import Chain, Crowd, Double, Hold, HoldTwo, Nap, Stage
from tests.store.rows import seen_workers
from waymark.authoring.registry import registry
from waymark.authoring.workflow import definition_of
from waymark.errors import RefusedData, StoppingError, StoreUnavailable
from waymark.runtime.clock import VirtualClock
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, Flush, RunState

pytestmark = pytest.mark.anyio

NewStore = Callable[[], Store]


def outcomes(database: MemoryDatabase, run_id: UUID) -> list[int]:
    """Effects with a recorded outcome, in order."""
    kinds = (EntryKind.RESULT, EntryKind.ERROR, EntryKind.CANCELLED)
    rows = database.journal.get(run_id, {})
    return [rows[seq].effect for seq in sorted(rows) if rows[seq].kind in kinds]


async def test_no_effect_starts_before_its_run_is_stored(stage: Stage) -> None:
    """Promise 1: while the submission's flush is under way, no action begins and the
    submitter is not told."""
    store = HeldStore()
    store.open_gate()
    async with serving(store) as runtime:
        assert await run(runtime, Double, 1) == 2  # The graph is stored by now.
        store.close_gate()
        store.asked_event.clear()
        submitting = asyncio.create_task(submit(runtime, Double, 5))
        await store.someone_waits()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not submitting.done()
        assert "double 5" not in stage.calls
        store.open_gate()
        assert await result(runtime, await submitting, Double) == 10


async def test_the_slot_of_an_interrupted_attempt_goes_to_who_waits_for_it(stage: Stage) -> None:
    """A run that was taken away leaves a slot behind, and no outcome that tells of it."""
    async with serving(MemoryStore(), concurrency=1) as runtime:
        taken = await submit(runtime, Hold, "a")
        await stage.begun.wait()
        waiting = asyncio.create_task(run(runtime, Double, 4))
        await until(lambda: bool(runtime._executor.ready))
        runtime._scheduler.forget(runtime._scheduler.runs[taken])
        async with asyncio.timeout(10):
            assert await waiting == 8


async def test_nobody_is_told_before_the_end_is_stored(stage: Stage) -> None:
    """Promise 1: the waiter of a run learns its result from a committed row, and the
    next action starts only after the outcome before it is committed."""
    store = HeldStore()
    store.open_gate()
    async with serving(store) as runtime:
        waiting = asyncio.create_task(run(runtime, HoldTwo))
        await stage.begun.wait()
        store.close_gate()
        store.asked_event.clear()
        stage.go.set()
        await store.someone_waits()
        for _ in range(20):
            await asyncio.sleep(0)
        assert "double 2" not in stage.calls
        assert not waiting.done()
        store.open_gate()
        assert await waiting == [2, "two", 4]


@pytest.mark.parametrize("losses", [["before", "after"], ["after", "before", "after", "after"]])
async def test_no_outcome_is_lost_over_lost_connections(losses: list[str], stage: Stage) -> None:
    """Promise 2 and 3: each flush in turn is lost before or after it arrived; every
    action is called once and recorded once."""
    store = FlakyStore(lanes=2)
    async with serving(store) as runtime:
        assert await run(runtime, Chain, 0) == 0
        stage.calls.clear()
        store.losses = losses * 30
        numbers = range(1, 6)
        ids = await asyncio.gather(
            *[submit(runtime, Chain, 100 * number + 1) for number in numbers]
        )
        results = await asyncio.gather(*[result(runtime, run_id, Chain) for run_id in ids])
        assert results == [16 * (100 * number + 1) for number in numbers]
        assert set(stage.calls.values()) == {1}
        for run_id in ids:
            effects = outcomes(store.database, run_id)
            assert len(effects) == len(set(effects)) == 4


async def test_a_worker_declared_dead_begins_anew(new_store: NewStore, stage: Stage) -> None:
    """Its runs are recovered under a new name, outcomes recorded once, and the
    waiter of before gets the result."""
    store = new_store()
    async with serving(store) as runtime:
        waiting = asyncio.create_task(run(runtime, HoldTwo))
        await stage.begun.wait()
        name = runtime.worker
        await store.remove_worker(name)
        stage.go.set()
        assert await waiting == [2, "two", 4]
        assert runtime.worker != name
        assert stage.calls["double 1"] == 1


async def test_stop_gives_runs_back(new_store: NewStore, stage: Stage) -> None:
    """A run whose action does not end in time goes on elsewhere at once; what was
    recorded is not done again."""
    runtime, ownership = await begin(new_store(), drain_seconds=0.0)
    run_id = await submit(runtime, HoldTwo)
    await stage.begun.wait()
    await ownership.end()
    looking = new_store()
    await looking.open()
    row = (await looking.read_runs([run_id]))[run_id]
    assert (row.owner, row.state) == (None, RunState.READY)
    assert await seen_workers(looking) == []
    await looking.close()
    stage.go.set()
    async with serving(new_store()) as other:
        await other.prepare(link=False)
        await other._programs.ensure(definition_of(HoldTwo))
        assert await result(other, run_id, HoldTwo) == [2, "two", 4]
    assert stage.calls["double 1"] == 1
    assert stage.calls["two"] == 2


async def test_stop_waits_for_running_attempts(new_store: NewStore, stage: Stage) -> None:
    """The drain lets an attempt finish and keeps its outcome; nothing new starts."""
    runtime, ownership = await begin(new_store())
    run_id = await submit(runtime, HoldTwo)
    await stage.begun.wait()
    ending = asyncio.create_task(ownership.end())
    await until(lambda: runtime._scheduler.draining)
    stage.go.set()
    await ending
    assert "double 2" not in stage.calls
    async with serving(new_store()) as other:
        assert await result(other, run_id, HoldTwo) == [2, "two", 4]
    assert stage.calls["two"] == 1


async def test_another_process_executes_and_this_one_is_told(
    new_store: NewStore, stage: Stage
) -> None:
    """A process without queues only submits; the result comes by hint or poll."""
    async with serving(new_store(), queues=()) as front, serving(new_store()) as back:
        assert back.worker != front.worker
        assert await run(front, Chain, 3) == 48
        run_id = await submit(front, Double, 2)
        assert await result(front, run_id, Double) == 4


async def test_runs_beyond_the_bound_are_left_for_whoever_has_room(
    new_store: NewStore, stage: Stage
) -> None:
    """Memory holds so many runs; the others wait in the database and all finish."""
    async with serving(new_store(), resident_runs_max=3) as runtime:
        results = await asyncio.gather(*[run(runtime, Double, number) for number in range(20)])
        assert results == [number * 2 for number in range(20)]


async def test_a_run_nobody_can_serve_is_blocked_by_name(stage: Stage) -> None:
    """It says what is missing, and goes on when something registers it."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database), drain_seconds=0.0) as runtime:
        run_id = await submit(runtime, Hold, "b")
        await stage.begun.wait()
    missing = registry._actions.pop("tests.runtime.workflows:held")
    registry.revision += 1
    stage.go.set()
    try:
        async with serving(MemoryStore(database)) as other:
            await until(lambda: database.runs[run_id].state == RunState.BLOCKED)
            status = await other.client.status(run_id)
            assert status.state == "blocked"
            assert "tests.runtime.workflows:held" in (status.reason or "")
            registry._actions["tests.runtime.workflows:held"] = missing
            registry.revision += 1
            assert await result(other, run_id, Hold) == "b!"
    finally:
        registry._actions["tests.runtime.workflows:held"] = missing
        registry.revision += 1


async def test_a_damaged_journal_quarantines_its_run_alone(stage: Stage) -> None:
    """A recovery that does not fit what was recorded stops, loudly, with the reason."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database), drain_seconds=0.0) as runtime:
        run_id = await submit(runtime, HoldTwo)
        await stage.begun.wait()
    stage.go.set()
    journal = database.journal[run_id]
    journal[1] = journal[1]._replace(digest=journal[1].digest + 1)
    async with serving(MemoryStore(database)) as other:
        await until(lambda: database.runs[run_id].state == RunState.QUARANTINED)
        assert "RecoveryMismatch" in (database.runs[run_id].reason or "")
        assert await run(other, Double, 1) == 2


@pytest.mark.parametrize("what", ["journal", "input"])
async def test_a_payload_that_is_no_json_quarantines_its_run_alone(stage: Stage, what: str) -> None:
    """No deploy mends it, so it does not wait for one; others of its graph go on at once."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database), drain_seconds=0.0) as runtime:
        run_id = await submit(runtime, HoldTwo)
        await stage.begun.wait()
        sound = await submit(runtime, HoldTwo)
    stage.go.set()
    if what == "journal":
        journal = database.journal[run_id]
        journal[1] = journal[1]._replace(payload=journal[1].payload + b'"')
    else:
        database.runs[run_id].input = b'{"damaged'
    async with serving(MemoryStore(database)) as other:
        await until(lambda: database.runs[run_id].state == RunState.QUARANTINED)
        assert "damaged" in (database.runs[run_id].reason or "")
        assert await result(other, sound, HoldTwo) == [2, "two", 4]


async def test_a_submission_that_was_rejected_tells_its_caller(stage: Stage) -> None:
    """Nothing of it is stored and the next one works."""
    store = FlakyStore()
    async with serving(store) as runtime:
        await run(runtime, Double, 1)
        store.refuses = lambda batch: any(b"666" in new.input for new in batch.runs)
        before = len(store.database.runs)
        with pytest.raises(RefusedData, match="does not like"):
            await submit(runtime, Double, 666)
        with pytest.raises(RefusedData, match="does not like"):
            await run(runtime, Double, 666)
        assert len(store.database.runs) == before
        assert await run(runtime, Double, 2) == 4


async def test_nothing_starts_without_a_confirmed_lease(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that cannot prove that it is alive begins no attempt; a confirmed
    beat lets it go on."""
    async with serving(MemoryStore()) as runtime:
        await run(runtime, Double, 1)
        holds = False
        monkeypatch.setattr(runtime._scheduler, "lease_holds", lambda: holds)
        run_id = await submit(runtime, Double, 9)
        for _ in range(50):
            await asyncio.sleep(0)
        assert "double 9" not in stage.calls
        holds = True
        runtime._scheduler.wake()
        assert await result(runtime, run_id, Double) == 18


async def test_nothing_starts_while_too_much_is_unflushed(stage: Stage) -> None:
    """At the bound of unflushed rows attempts wait; no outcome is dropped."""
    store = HeldStore()
    store.open_gate()
    async with serving(store, unflushed_rows_max=20, concurrency=100) as runtime:
        await run(runtime, Crowd, 1)
        assert await run(runtime, Crowd, 200) == sum(range(200))
        peak = max(len(flush.entries) for flush in store.asked)
        assert peak <= 20 + 50


async def test_stop_ends_although_the_database_is_gone(stage: Stage) -> None:
    """Bounded, and who waits is told that nothing is known, or nothing was stored."""
    store = FlakyStore()
    runtime, ownership = await begin(store, drain_seconds=0.0)
    await run(runtime, Double, 1)
    store.losses = ["before"] * 1000
    store.arrived_fails = 1000
    submitting = asyncio.create_task(submit(runtime, Double, 2))
    await asyncio.sleep(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("waymark.runtime.drain.LAST_FLUSH_SECONDS", 0.05)
        await ownership.end()
    with pytest.raises(StoreUnavailable, match="whether it was is not known"):
        await submitting


async def test_stop_tells_who_submitted_for_others(stage: Stage) -> None:
    """Also a process that only submits leaves nobody waiting when it stops."""
    store = FlakyStore()
    runtime, ownership = await begin(store, drain_seconds=0.0, queues=())
    await submit(runtime, Double, 1)
    store.losses = ["before"] * 1000
    store.arrived_fails = 1000
    first = asyncio.create_task(submit(runtime, Double, 2))
    await until(lambda: bool(runtime._writer.in_doubt()))
    second = asyncio.create_task(run(runtime, Double, 3))
    await asyncio.sleep(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("waymark.runtime.drain.LAST_FLUSH_SECONDS", 0.05)
        await ownership.end()
    with pytest.raises(StoreUnavailable, match="whether it was is not known"):
        await first
    with pytest.raises(StoppingError, match="nothing of this submission was stored"):
        await second


async def test_sleeping_runs_survive_a_change_of_owner(stage: Stage) -> None:
    """A timer's deadline is the run's, not the process's."""
    database = MemoryDatabase()
    first, second = VirtualClock(now_ns=1), VirtualClock(now_ns=2)
    runtime, ownership = await begin(MemoryStore(database), first)
    run_id = await submit(runtime, Nap, 3600.0)
    await ownership.end()
    async with serving(MemoryStore(database), second) as other:
        assert await result(other, run_id, Nap) == 14
        assert second.now_ns() == 3_600_000_000_001


async def test_a_flush_is_never_both_reported_and_refused(stage: Stage) -> None:
    """What the store was asked to write is what it holds, whoever was told."""
    store = HeldStore(lanes=2)
    store.open_gate()
    async with serving(store) as runtime:
        ids = await asyncio.gather(*[submit(runtime, Chain, 1) for _ in range(30)])
        await asyncio.gather(*[result(runtime, run_id, Chain) for run_id in ids])
    asked: list[Flush] = store.asked
    seqs = [row[:2] for flush in asked for row in flush.entries]
    assert len(seqs) == len(set(seqs)) == 120
