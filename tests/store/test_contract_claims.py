"""How runs find an owner, on every store."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.store.conftest import Cluster
from tests.store.rows import (
    GRAPH,
    LEASE_SECONDS,
    OTHER_GRAPH,
    batch,
    entry,
    free_run,
    live_worker,
    owned_run,
    release,
    seen_workers,
    success,
)
from waymark.errors import Fenced
from waymark.store.memory import store as memory_store
from waymark.store.postgres import store as postgres_store
from waymark.store.protocol import Store
from waymark.store.records import ClaimedRun, RunEnd, RunState, SeenWorker

pytestmark = pytest.mark.anyio


async def test_a_claim_takes_a_free_run(store: Store, worker: UUID) -> None:
    """Claiming sets owner and state, raises the epoch, and hands over the run. Epoch 1 is
    its submitter's alone: who claims the row while his own submission of it is under way
    again must not take the one for the other."""
    run = free_run()
    await store.submit(run)
    claimed = await store.claim(worker, [GRAPH], ["default"], 5, 42)
    assert claimed == [ClaimedRun(run.id, run.workflow, GRAPH, "default", 2, 42, run.input)]
    read = (await store.read_runs([run.id]))[run.id]
    assert (read.owner, read.epoch, read.state) == (worker, 2, RunState.RUNNING)


async def test_what_rests_is_left_to_others(store: Store, worker: UUID) -> None:
    """It stands before nothing that comes after it, and another may take it."""
    first, second = free_run(), free_run()
    await store.submit(first)
    await store.submit(second)
    claimed = await store.claim(worker, [GRAPH], ["default"], 1, resting=[first.id])
    assert [run.id for run in claimed] == [second.id]
    assert await store.claim(worker, [GRAPH], ["default"], 1, resting=[first.id]) == []
    (claimed_first,) = await store.claim(await live_worker(store), [GRAPH], ["default"], 9)
    assert claimed_first.id == first.id


async def test_an_epoch_written_by_hand_stops_no_claim(store: Store, worker: UUID) -> None:
    """Beyond the largest number the epochs of claims begin again."""
    broken, sound = free_run()._replace(epoch=2**31 - 1), free_run()
    await store.submit(broken)
    await store.submit(sound)
    claimed = await store.claim(worker, [GRAPH], ["default"], 9)
    assert [(run.id, run.epoch) for run in claimed] == [(broken.id, 2), (sound.id, 2)]


async def test_the_first_claim_records_the_beginning(store: Store, worker: UUID) -> None:
    """The time at which a run begins is stored by its first claim, for ever."""
    run = free_run()
    await store.submit(run)
    await store.claim(worker, [GRAPH], ["default"], 1, 42)
    await store.remove_worker(worker)
    (claimed,) = await store.claim(await live_worker(store), [GRAPH], ["default"], 1, 99)
    assert (claimed.began_ns, claimed.epoch) == (42, 3)


async def test_runs_of_live_workers_are_left_alone(store: Store, worker: UUID) -> None:
    """Nobody takes a run from a live worker, however loaded it is."""
    await store.flush(0, batch(worker, runs=[owned_run(worker)]))
    assert await store.claim(await live_worker(store), [GRAPH], ["default"], 9) == []
    assert (await store.look(uuid4(), ["default"])).graphs == []


async def test_runs_of_dead_workers_are_found(store: Store, worker: UUID) -> None:
    """A run whose owner has no row is free, with the journal it had."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run], entries=[entry(run.id, 1)]))
    await store.remove_worker(worker)
    heir = await live_worker(store)
    assert (await store.look(uuid4(), ["default"])).graphs == [GRAPH]
    (claimed,) = await store.claim(heir, [GRAPH], ["default"], 9)
    assert (claimed.id, claimed.epoch, claimed.began_ns) == (run.id, 2, 1_000)
    assert await store.read_journal([run.id]) == {run.id: [entry(run.id, 1)]}
    assert await store.flush(0, batch(heir, entries=[entry(run.id, 2, epoch=2)])) == frozenset()


async def test_runs_of_several_dead_workers_are_found(store: Store) -> None:
    """The sweep sees the runs of every dead owner, and of none."""
    runs = [free_run()]
    await store.submit(runs[0])
    for _ in range(3):
        gone = await live_worker(store)
        run = owned_run(gone)
        await store.flush(0, batch(gone, runs=[run]))
        await store.remove_worker(gone)
        runs.append(run)
    alive = await live_worker(store)
    await store.flush(0, batch(alive, runs=[owned_run(alive)]))
    claimed = await store.claim(alive, [GRAPH], ["default"], 9)
    assert {run.id for run in claimed} == {run.id for run in runs}


async def test_the_oldest_come_first(store: Store, worker: UUID) -> None:
    """Runs are claimed in order of submission, up to the limit, dead owners' as well."""
    gone = await live_worker(store)
    runs = [free_run(), owned_run(gone), free_run(graph=OTHER_GRAPH), free_run()]
    for run in runs:
        if run.owner is None:
            await store.submit(run)
        else:
            await store.flush(0, batch(gone, runs=[run]))
    await store.remove_worker(gone)
    graphs = [OTHER_GRAPH, GRAPH]
    first = await store.claim(worker, graphs, ["default"], 3)
    assert [run.id for run in first] == [run.id for run in runs[:3]]
    second = await store.claim(worker, graphs, ["default"], 3)
    assert [run.id for run in second] == [runs[3].id]


async def test_only_served_graphs_and_queues_are_claimed(store: Store, worker: UUID) -> None:
    """A process claims what it can serve and leaves the rest to others."""
    wanted = free_run(queue="gpu")
    others = [free_run(graph=OTHER_GRAPH, queue="gpu"), free_run(queue="default")]
    for run in (*others, wanted):
        await store.submit(run)
    (claimed,) = await store.claim(worker, [GRAPH], ["gpu"], 9)
    assert claimed.id == wanted.id
    assert await store.claim(worker, [], ["gpu", "default"], 9) == []
    assert await store.claim(worker, [GRAPH, OTHER_GRAPH], [], 9) == []
    assert await store.claim(worker, [GRAPH, OTHER_GRAPH], ["gpu", "default"], 0) == []


async def test_unserved_graphs_are_each_named_once(store: Store) -> None:
    """Whoever looks for work hears which graphs wait in its queues."""
    for run in (free_run(), free_run(), free_run(graph=OTHER_GRAPH), free_run(queue="gpu")):
        await store.submit(run)
    assert sorted((await store.look(uuid4(), ["default"])).graphs) == sorted([GRAPH, OTHER_GRAPH])
    assert (await store.look(uuid4(), ["gpu"])).graphs == [GRAPH]
    assert (await store.look(uuid4(), [])).graphs == []


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.QUARANTINED])
async def test_what_is_over_is_not_claimed(store: Store, worker: UUID, state: RunState) -> None:
    """Neither ended nor quarantined runs are swept up, dead owner or not."""
    run, born_over = owned_run(worker), owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    end = RunEnd(run.id, 1, state, 0, b"why")
    await store.flush(0, batch(worker, runs=[born_over], ends=[end, end._replace(id=born_over.id)]))
    await store.remove_worker(worker)
    assert (await store.look(uuid4(), ["default"])).graphs == []
    assert await store.claim(await live_worker(store), [GRAPH], ["default"], 9) == []


async def test_what_is_given_back_is_claimed(store: Store, worker: UUID) -> None:
    """A release is the owner's last word; anyone goes on, at the next epoch."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run], entries=[entry(run.id, 1)]))
    assert await store.flush(0, batch(worker, releases=[release(run.id)])) == frozenset()
    assert await store.flush(0, batch(worker, entries=[entry(run.id, 2)])) == {run.id}
    (claimed,) = await store.claim(await live_worker(store), [GRAPH], ["default"], 9)
    assert (claimed.id, claimed.epoch) == (run.id, 2)


async def test_a_blocked_run_says_why_and_goes_on_when_it_can(store: Store, worker: UUID) -> None:
    """Blocked is neither failed nor quarantined: who serves the graph claims it."""
    free, orphan, served, other = free_run(), owned_run(worker), free_run(), free_run()
    mine = await live_worker(store)
    await store.submit(free)
    await store.submit(served)
    await store.submit(other._replace(graph=OTHER_GRAPH))
    assert len(await store.claim(mine, [GRAPH], ["default"], 1)) == 1
    await store.flush(0, batch(worker, runs=[orphan]))
    await store.remove_worker(worker)

    await store.set_blocked(GRAPH, "no action \x00 app:send")
    read = await store.read_runs([free.id, orphan.id, served.id, other.id])
    assert [read[run.id].state for run in (free, orphan, served, other)] == [
        RunState.RUNNING,
        RunState.BLOCKED,
        RunState.BLOCKED,
        RunState.READY,
    ]
    assert read[orphan.id].reason == "no action \\x00 app:send"
    assert read[free.id].reason is None

    claimed = await store.claim(mine, [GRAPH], ["default"], 9)
    assert {run.id for run in claimed} == {orphan.id, served.id}
    read = await store.read_runs([orphan.id])
    assert (read[orphan.id].state, read[orphan.id].reason) == (RunState.RUNNING, None)


async def test_many_are_blocked_some_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait, no statement is long; also a new reason reaches them all."""
    for module in (memory_store, postgres_store):
        monkeypatch.setattr(module, "BLOCKED_MAX", 2)
    runs = [free_run() for _ in range(5)]
    for run in runs:
        await store.submit(run)
    for reason in ("no action app:send", "no class app:Mail"):
        counts: list[int] = []
        for _ in range(4):
            await store.set_blocked(GRAPH, reason)
            read = await store.read_runs([run.id for run in runs])
            counts.append(sum(row.reason == reason for row in read.values()))
        assert counts == [2, 4, 5, 5]


async def test_a_released_run_may_say_that_it_is_blocked(store: Store, worker: UUID) -> None:
    """An owner that cannot continue gives back and says what is missing."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    whole = batch(worker, releases=[release(run.id, state=RunState.BLOCKED, reason="no app:send")])
    await store.flush(0, whole)
    read = (await store.read_runs([run.id]))[run.id]
    assert (read.state, read.reason, read.result) == (RunState.BLOCKED, "no app:send", None)


async def test_each_run_is_claimed_once(cluster: Cluster, store: Store) -> None:
    """However many processes look at the same time, a run has one owner."""
    for _ in range(20):
        await store.submit(free_run())
    claimed: list[UUID] = []
    for _ in range(4):
        other = await cluster.open()
        found = await other.claim(await live_worker(other), [GRAPH], ["default"], 7)
        claimed.extend(run.id for run in found)
    assert len(claimed) == len(set(claimed)) == 20


async def test_a_dead_worker_claims_nothing(store: Store, worker: UUID) -> None:
    """A process that was declared dead must not take runs that nobody would find."""
    run = free_run()
    await store.submit(run)
    await store.remove_worker(worker)
    with pytest.raises(Fenced):
        await store.claim(worker, [GRAPH], ["default"], 1)
    assert (await store.read_runs([run.id]))[run.id].owner is None


# Workers


async def test_a_lease_that_ran_out_is_reaped(cluster: Cluster, store: Store) -> None:
    """Declaring death deletes the row; a worker with time left stays."""
    alive = await live_worker(store)
    late, proven = uuid4(), uuid4()
    await store.register_worker(late, -1.0, "{}")
    await store.register_worker(proven, LEASE_SECONDS, "{}")
    other = await cluster.open()
    expired = {seen.id: seen.expired for seen in await seen_workers(other)}
    assert expired == {alive: False, late: True, proven: False}
    assert set(await other.reap_workers([proven, uuid4()])) == {late, proven}
    assert await other.reap_workers([proven]) == []
    assert await seen_workers(store) == [SeenWorker(alive, expired=False, silent=False)]


async def test_a_beat_prolongs_the_lease(store: Store) -> None:
    """A beat saves a worker whose lease has run out but who was not declared dead."""
    worker = uuid4()
    await store.register_worker(worker, -1.0, "{}")
    assert await store.beat(worker, LEASE_SECONDS) is True
    assert await store.reap_workers() == []


async def test_a_beat_of_the_dead_is_told_so(store: Store, worker: UUID) -> None:
    """A worker learns from its beat that it was declared dead, and stays dead."""
    await store.reap_workers([worker])
    assert await store.beat(worker, LEASE_SECONDS) is False
    assert await seen_workers(store) == []


# Graphs and reading


async def test_an_owner_gives_back_what_it_does_not_know(store: Store, worker: UUID) -> None:
    """Only its own and unfinished ones; they can be claimed again."""
    mine, ended, taken, free = owned_run(worker), owned_run(worker), free_run(), free_run()
    await store.flush(0, batch(worker, runs=[mine, ended], ends=[success(ended.id)]))
    await store.submit(taken)
    other = await live_worker(store)
    await store.claim(other, [GRAPH], ["default"], 1)
    await store.submit(free)
    assert await store.owned_runs(worker) == [mine.id]
    await store.free_runs(worker, [mine.id, ended.id, taken.id, free.id])
    assert await store.owned_runs(worker) == []
    assert await store.owned_runs(other) == [taken.id]
    read = await store.read_runs([mine.id, ended.id])
    assert (read[mine.id].owner, read[mine.id].state) == (None, RunState.READY)
    assert read[ended.id].state == RunState.SUCCEEDED
    found = await store.claim(other, [GRAPH], ["default"], 9)
    assert {run.id: run.epoch for run in found} == {mine.id: 2, free.id: 2}


async def test_a_graph_is_kept_as_it_was_written(cluster: Cluster, store: Store) -> None:
    """The document comes back character for character, and the first one stays."""
    document = '{"b": 1,  "a": [1e5, "\\u0000 \\ud800"], "b": 2}'
    await store.put_graph(GRAPH, "app:Welcome", document)
    await store.put_graph(GRAPH, "app:Welcome", "{}")
    assert await (await cluster.open()).get_graph(GRAPH) == document
    assert await store.get_graph(OTHER_GRAPH) is None


async def test_reading_leaves_out_what_is_not_there(store: Store, worker: UUID) -> None:
    """Unknown runs are absent from answers, and runs without entries from journals."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run], ends=[success(run.id)]))
    assert set(await store.read_runs([run.id, uuid4()])) == {run.id}
    assert await store.read_journal([run.id, uuid4()]) == {}
    assert await store.read_runs([]) == {}
    assert await store.arrived([]) == {}
