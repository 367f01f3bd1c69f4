"""Priority and delay of submissions, on every store."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from tests.store.rows import GRAPH, batch, free_run, live_worker, owned_run
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, Message, NewRun, RunState

pytestmark = pytest.mark.anyio

HOUR = 3600.0


def delayed(seconds: float) -> NewRun:
    """A run that nobody has begun, and that is due in so many seconds."""
    due_ns = time.time_ns() + int(seconds * 1e9)
    return free_run()._replace(state=RunState.WAITING, began_ns=due_ns)


async def test_the_urgent_are_claimed_first(store: Store, worker: UUID) -> None:
    """Then the oldest; also of what dead workers have left, and one at a time."""
    lost = await live_worker(store)
    left = [owned_run(lost)._replace(priority=priority) for priority in (-1, 7, 0)]
    await store.flush(0, batch(lost, runs=left[:2]))
    await store.flush(0, batch(lost, runs=left[2:]))
    free = [free_run()._replace(priority=priority) for priority in (0, 5, -32768, 32767, 5)]
    for run in free[:3]:
        await store.submit(run)
    for run in free[3:]:
        await store.flush(0, batch(worker, runs=[run]))
    await store.remove_worker(lost)
    expected = [free[3], left[1], free[1], free[4], left[2], free[0], left[0], free[2]]
    claimed = [run for _ in expected for run in await store.claim(worker, [GRAPH], ["default"], 1)]
    assert [run.priority for run in claimed] == [run.priority for run in expected]
    assert [run.id for run in claimed] == [run.id for run in expected]


@pytest.mark.parametrize("way", ["submit", "flush"])
async def test_a_delayed_run_is_claimed_when_it_is_near(
    store: Store, worker: UUID, way: str
) -> None:
    """Until then it is scheduled; whoever claims it is told when it begins."""
    run, later = delayed(30.0), delayed(HOUR)
    for each in (run, later):
        if way == "submit":
            await store.submit(each)
        else:
            await store.flush(0, batch(worker, runs=[each]))
    assert await store.claim(worker, [GRAPH], ["default"], 9, 42, ahead_seconds=2.0) == []
    assert (await store.look(worker, ["default"], 2.0)).graphs == []
    assert (await store.read_runs([run.id]))[run.id].state == RunState.SCHEDULED
    assert (await store.look(worker, ["default"], 60.0)).graphs == [GRAPH]
    (claimed,) = await store.claim(worker, [GRAPH], ["default"], 9, 42, ahead_seconds=60.0)
    assert (claimed.id, claimed.began_ns, claimed.epoch) == (run.id, run.began_ns, 2)
    assert (await store.read_runs([run.id]))[run.id].state == RunState.RUNNING


async def test_of_what_is_due_the_urgent_come_first(store: Store, worker: UUID) -> None:
    """Each kind in turn: what is free does not wait for all that is due."""
    due = [delayed(-3.0), delayed(-2.0)._replace(priority=1), delayed(-1.0)]
    free = [free_run(), free_run()]
    for run in (*due, *free):
        await store.submit(run)
    claimed = await store.claim(worker, [GRAPH], ["default"], 9)
    expected = [free[0], due[1], free[1], due[0], due[2]]
    assert [run.id for run in claimed] == [run.id for run in expected]


async def test_a_delayed_run_is_woken_by_a_cancellation_alone(store: Store, worker: UUID) -> None:
    """Events are for the run, once it has begun."""
    runs = [delayed(HOUR), delayed(HOUR)]
    for run in runs:
        await store.submit(run)
    event = Message(runs[0].id, uuid4().hex, EntryKind.EVENT, "word", b"1")
    cancel = Message(runs[1].id, uuid4().hex, EntryKind.CANCEL, "", b"")
    await store.send([event, cancel])
    (claimed,) = await store.claim(worker, [GRAPH], ["default"], 9)
    assert claimed.id == runs[1].id
    await store.send([event])
    assert await store.claim(worker, [GRAPH], ["default"], 9) == []
