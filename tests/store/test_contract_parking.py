"""Runs that sleep: nobody owns them, they wake in time, and nothing that may wake them is lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from tests.store.rows import GRAPH, batch, entry, free_run, live_worker, owned_run, success
from waymark.errors import Fenced
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, Message, NewRun, Park, RunEnd, RunState

pytestmark = pytest.mark.anyio

LONG_AGO = 10**18


def in_seconds(seconds: float) -> int:
    return time.time_ns() + round(seconds * 1e9)


async def asleep(
    store: Store, worker: UUID, wake_ns: int | None = None, children: Sequence[UUID] = ()
) -> NewRun:
    """A run that its owner has let sleep."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    parks = [Park(run.id, 1, wake_ns, tuple(children))]
    assert await store.park(0, worker, parks) == {run.id}
    return run


async def claimed(store: Store, worker: UUID, ahead_seconds: float = 0.0) -> list[UUID]:
    """What can be claimed now, which is what a look says."""
    graphs = (await store.look(worker, ["default"], ahead_seconds)).graphs
    found = await store.claim(worker, [GRAPH], ["default"], 100, 1, ahead_seconds=ahead_seconds)
    assert bool(found) == bool(graphs)
    return [run.id for run in found]


async def test_a_run_that_sleeps_is_nobodys_and_waits(store: Store, worker: UUID) -> None:
    """Its owner writes no more of it, and nobody takes it before its time."""
    run = await asleep(store, worker, in_seconds(3600))
    row = (await store.read_runs([run.id]))[run.id]
    assert (row.state, row.owner, row.epoch) == (RunState.WAITING, None, 1)
    assert await store.flush(0, batch(worker, entries=[entry(run.id, 1)])) == {run.id}
    assert await claimed(store, worker, 60.0) == []


async def test_a_run_that_is_due_is_claimed(store: Store, worker: UUID) -> None:
    """By anybody, some time ahead if asked for, and then it is like any other."""
    run = await asleep(store, worker, in_seconds(60))
    heir = await live_worker(store)
    assert await claimed(store, heir, 30.0) == []
    assert await claimed(store, heir, 90.0) == [run.id]
    assert await store.flush(0, batch(heir, entries=[entry(run.id, 1, epoch=2)])) == frozenset()
    assert await claimed(store, worker, 1e6) == []
    row = (await store.read_runs([run.id]))[run.id]
    assert (row.state, row.owner, row.epoch) == (RunState.RUNNING, heir, 2)
    await store.flush(0, batch(heir, ends=[success(run.id, epoch=2)]))
    assert (await store.read_runs([run.id]))[run.id].state == RunState.SUCCEEDED


async def test_only_the_owner_lets_a_run_sleep(store: Store, worker: UUID) -> None:
    """At its epoch, while the run is live, and while the owner is."""
    run, free, other = owned_run(worker), free_run(), owned_run(await live_worker(store))
    await store.flush(0, batch(worker, runs=[run]))
    await store.submit(free)
    await store.submit(other)
    wrong = [
        Park(run.id, 2, None, ()),
        Park(free.id, 0, None, ()),
        Park(other.id, 1, None, ()),
        Park(uuid4(), 1, None, ()),
    ]
    assert await store.park(0, worker, wrong) == frozenset()
    assert await store.park(0, worker, []) == frozenset()
    await store.flush(0, batch(worker, ends=[success(run.id)]))
    assert await store.park(0, worker, [Park(run.id, 1, None, ())]) == frozenset()
    await store.remove_worker(worker)
    with pytest.raises(Fenced):
        await store.park(0, worker, [Park(run.id, 1, None, ())])


async def test_a_message_wakes_a_run(store: Store, worker: UUID) -> None:
    """One that waits already keeps it awake, one that comes later makes it due."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    message = Message(run.id, "a", EntryKind.CANCEL, "", b"")
    await store.send([message])
    park = Park(run.id, 1, None, ())
    assert await store.park(0, worker, [park]) == frozenset()
    await store.forget_messages([message])
    assert await store.park(0, worker, [park]) == {run.id}
    assert await claimed(store, worker) == []
    await store.send([message, message._replace(key="b")])
    assert not (await store.look(worker, ["default"])).mail
    assert await claimed(store, worker) == [run.id]
    assert (await store.look(worker, ["default"])).mail


async def test_the_end_of_a_child_wakes_its_parent(store: Store, worker: UUID) -> None:
    """One that has ended keeps the parent awake, one that ends makes it due."""
    parent = owned_run(worker)
    child, other = (owned_run(worker)._replace(parent=parent.id) for _ in range(2))
    await store.flush(0, batch(worker, runs=[parent, child, other]))
    park = Park(parent.id, 1, None, (child.id, other.id))
    await store.flush(0, batch(worker, ends=[success(other.id)]))
    assert await store.park(0, worker, [park]) == frozenset()
    park = park._replace(children=(child.id,))
    assert await store.park(0, worker, [park]) == {parent.id}
    assert await claimed(store, worker, 1e9) == []
    end = batch(worker, ends=[success(child.id)])._replace(wakes=[parent.id, uuid4(), parent.id])
    assert await store.flush(0, end) == frozenset()
    assert await claimed(store, worker) == [parent.id]


async def test_nobody_sleeps_for_a_child_that_would_not_wake_it(store: Store, worker: UUID) -> None:
    """Neither for one that is not stored, nor for one that does not know its parent, nor
    for another's."""
    parent, alone, theirs = owned_run(worker), owned_run(worker), owned_run(worker)
    theirs = theirs._replace(parent=alone.id)
    await store.flush(0, batch(worker, runs=[parent, alone, theirs]))
    for child in (uuid4(), alone.id, theirs.id):
        park = Park(parent.id, 1, in_seconds(60), (child,))
        assert await store.park(0, worker, [park]) == frozenset()
    assert await store.park(0, worker, [park, Park(alone.id, 1, None, (theirs.id,))]) == {alone.id}


async def test_a_child_knows_its_parent(store: Store, worker: UUID) -> None:
    """However it was stored, whoever claims it learns whose child it is."""
    mother = uuid4()
    runs = [free_run()._replace(parent=mother), free_run()._replace(parent=mother), free_run()]
    await store.submit(runs[0])
    await store.flush(0, batch(worker, runs=runs[1:]))
    found = await store.claim(worker, [GRAPH], ["default"], 9)
    assert {run.id: run.parent for run in found} == {run.id: run.parent for run in runs}


async def test_to_wake_one_that_is_awake_changes_nothing(store: Store, worker: UUID) -> None:
    """Be it running, free or over."""
    run, free = owned_run(worker), free_run()
    await store.flush(0, batch(worker, runs=[run]))
    await store.submit(free)
    ended = owned_run(worker)
    end = batch(worker, runs=[ended], ends=[success(ended.id)])
    await store.flush(0, end._replace(wakes=[run.id, free.id, ended.id]))
    assert await claimed(store, worker) == [free.id]
    assert await store.park(0, worker, [Park(run.id, 1, None, ())]) == {run.id}
    assert await claimed(store, worker) == []


async def test_those_that_wake_and_those_that_are_new_take_turns(
    store: Store, worker: UUID
) -> None:
    """However many there are of one kind, it does not hold up the other."""
    due = [await asleep(store, worker, LONG_AGO + 10**9 * place) for place in (2, 0, 1, 3)]
    fresh = [free_run() for _ in range(3)]
    for run in fresh:
        await store.submit(run)
    wanted = [fresh[0], due[1], fresh[1], due[2], fresh[2], due[0], due[3]]
    for part in (wanted[:4], wanted[4:]):
        found = await store.claim(worker, [GRAPH], ["default"], 4)
        assert [run.id for run in found] == [run.id for run in part]


async def test_what_sleeps_is_blocked_when_it_is_due(store: Store, worker: UUID) -> None:
    """Who could serve it is asked when it matters."""
    later = await asleep(store, worker, in_seconds(3600))
    due = await asleep(store, worker, LONG_AGO)
    await store.set_blocked(GRAPH, "nobody serves it")
    rows = await store.read_runs([later.id, due.id])
    assert (rows[later.id].state, rows[due.id].state) == (RunState.WAITING, RunState.BLOCKED)
    assert await claimed(store, worker) == [due.id]


async def test_a_look_tells_the_time_and_who_lives(store: Store, worker: UUID) -> None:
    """And whether a lease has run out, or messages wait."""
    other = await live_worker(store)
    told = await store.register_worker(worker, 3600.0, "{}")
    sight = await store.look(worker, ["default"])
    assert abs(sight.now_ns - time.time_ns()) < 60 * 10**9
    assert 0 <= sight.now_ns - told < 60 * 10**9
    assert {seen.id for seen in sight.workers if not seen.expired} == {worker, other}
    assert (sight.mail, sight.graphs) == (False, [])
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.send([Message(run.id, "a", EntryKind.CANCEL, "", b"")])
    assert (await store.look(worker, ["default"])).mail
    assert not (await store.look(other, ["default"])).mail
    await store.flush(0, batch(worker, ends=[RunEnd(run.id, 1, RunState.SUCCEEDED, 0, b"1")]))
    assert (await store.look(other, ["default"])).mail
    await store.register_worker(other, -1.0, "{}")
    workers = (await store.look(worker, ["default"])).workers
    assert [seen.id for seen in workers if seen.expired] == [other]
