"""What a flush promises, on every store."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.store.conftest import Cluster
from tests.store.rows import (
    GRAPH,
    OTHER_GRAPH,
    batch,
    entry,
    free_run,
    live_worker,
    owned_run,
    release,
    success,
)
from waymark.errors import Fenced, RefusedData
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, JournalRow, RunEnd, RunState

pytestmark = pytest.mark.anyio


async def test_what_is_flushed_is_read_back(store: Store, worker: UUID) -> None:
    """Every column of a run and of an entry comes back as it was written."""
    run = owned_run(worker, queue="gpu")
    assert await store.flush(0, batch(worker, runs=[run])) == frozenset()
    rows = [
        JournalRow(run.id, 1, 1, EntryKind.TAPE, 2**31 - 1, -1, -(2**31), 2**62, b""),
        JournalRow(run.id, 2, 1, EntryKind.ERROR, 4, 9, 2**31 - 1, 0, b'{"e":"\xc3\xa4"}'),
    ]
    assert await store.flush(0, batch(worker, entries=rows)) == frozenset()

    read = (await store.read_runs([run.id]))[run.id]
    assert (read.workflow, read.state, read.owner, read.epoch) == (
        "app:Welcome",
        RunState.RUNNING,
        worker,
        1,
    )
    assert (read.result, read.reason, read.finished_at) == (None, None, None)
    assert read.submitted_at.tzinfo is not None
    assert await store.read_journal([run.id]) == {run.id: rows}


async def test_an_end_is_recorded(store: Store, worker: UUID) -> None:
    """A run's end carries its result, its state and its time, and frees its owner."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.flush(0, batch(worker, ends=[success(run.id, result=b'{"sent":3}')]))
    read = (await store.read_runs([run.id]))[run.id]
    assert (read.state, read.result, read.owner) == (RunState.SUCCEEDED, b'{"sent":3}', None)
    assert read.finished_at is not None
    assert read.finished_at >= read.submitted_at


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED, RunState.TERMINATED])
async def test_every_final_state_is_kept(store: Store, worker: UUID, state: RunState) -> None:
    """A failure's encoded exception is the run's result."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.flush(0, batch(worker, ends=[RunEnd(run.id, 1, state, 0, b'{"error":1}')]))
    read = (await store.read_runs([run.id]))[run.id]
    assert (read.state, read.result, read.reason) == (state, b'{"error":1}', None)


@pytest.mark.parametrize("state", [RunState.QUARANTINED, RunState.BLOCKED])
async def test_a_run_that_stands_still_says_why(
    store: Store, worker: UUID, state: RunState
) -> None:
    """A reason may hold anything; it is kept as text and has no result."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    reason = "argument \x00 is \ud800 odd".encode("utf-8", "surrogatepass") + b"\xff"
    await store.flush(0, batch(worker, ends=[RunEnd(run.id, 1, state, 0, reason)]))
    read = (await store.read_runs([run.id]))[run.id]
    assert (read.state, read.result, read.finished_at, read.owner) == (state, None, None, None)
    assert read.reason == "argument \\x00 is \\xed\\xa0\\x80 odd\\xff"


async def test_a_whole_life_fits_in_one_batch(store: Store, worker: UUID) -> None:
    """A run may be created, journaled and ended by one flush."""
    run, other = owned_run(worker), owned_run(worker)
    whole = batch(
        worker,
        runs=[other, run],
        entries=[entry(run.id, 1), entry(other.id, 1), entry(run.id, 2)],
        ends=[success(run.id)],
    )
    assert await store.flush(0, whole) == frozenset()
    read = await store.read_runs([run.id, other.id])
    assert (read[run.id].state, read[run.id].owner) == (RunState.SUCCEEDED, None)
    assert read[run.id].result == b'"ok"'
    assert read[run.id].finished_at is not None
    assert (read[other.id].state, read[other.id].owner) == (RunState.RUNNING, worker)
    journal = await store.read_journal([run.id, other.id])
    assert [row.seq for row in journal[run.id]] == [1, 2]
    assert [row.seq for row in journal[other.id]] == [1]


async def test_a_new_run_may_be_given_back_at_once(store: Store, worker: UUID) -> None:
    """A process that stops gives back what it has just accepted."""
    run = owned_run(worker)
    whole = batch(worker, runs=[run], releases=[release(run.id)])
    assert await store.flush(0, whole) == frozenset()
    read = (await store.read_runs([run.id]))[run.id]
    assert (read.state, read.owner, read.result) == (RunState.READY, None, None)


async def test_different_runs_travel_together(store: Store, worker: UUID) -> None:
    """Runs of several workflows, queues and owners keep what is theirs."""
    runs = [
        owned_run(worker),
        owned_run(worker, graph=OTHER_GRAPH, queue="gpu"),
        free_run(),
        owned_run(worker)._replace(workflow="app:Other", input=b"", began_ns=2**62),
    ]
    assert await store.flush(0, batch(worker, runs=runs)) == frozenset()
    read = await store.read_runs([run.id for run in runs])
    assert [read[run.id].owner for run in runs] == [worker, worker, None, worker]
    assert [read[run.id].epoch for run in runs] == [1, 1, 0, 1]
    assert read[runs[3].id].workflow == "app:Other"
    await store.remove_worker(worker)
    heir = await live_worker(store)
    claimed = {
        run.id: run for run in await store.claim(heir, [GRAPH, OTHER_GRAPH], ["default", "gpu"], 9)
    }
    assert [claimed[run.id].input for run in runs] == [run.input for run in runs]
    assert [claimed[run.id].began_ns for run in runs] == [run.began_ns for run in runs]
    assert claimed[runs[1].id].queue == "gpu"
    assert claimed[runs[1].id].graph == OTHER_GRAPH


async def test_an_empty_batch_is_a_sign_of_life(store: Store, worker: UUID) -> None:
    """A flush of nothing still asks the fence."""
    assert await store.flush(0, batch(worker)) == frozenset()


async def test_a_fan_out_travels_in_one_batch(store: Store, worker: UUID) -> None:
    """Hundreds of entries of one run, of different lengths, each keep their own payload."""
    run, quiet = owned_run(worker), owned_run(worker)
    await store.flush(0, batch(worker, runs=[run, quiet]))
    rows = [entry(run.id, seq, payload=b"x" * (seq % 7), effect=seq * 3) for seq in range(1, 301)]
    await store.flush(0, batch(worker, entries=[entry(quiet.id, 1), *rows]))
    assert (await store.read_journal([run.id, quiet.id]))[run.id] == rows


# The fence


async def test_a_dead_worker_writes_nothing(cluster: Cluster, store: Store, worker: UUID) -> None:
    """Once another has declared a worker dead, none of its flush is stored."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await (await cluster.open()).reap_workers([worker])
    late = owned_run(worker)
    whole = batch(worker, runs=[late], entries=[entry(run.id, 1)], ends=[success(run.id)])
    with pytest.raises(Fenced, match=str(worker)):
        await store.flush(0, whole)
    assert await store.read_journal([run.id]) == {}
    assert set(await store.read_runs([run.id, late.id])) == {run.id}
    assert (await store.read_runs([run.id]))[run.id].state == RunState.RUNNING


async def test_an_unknown_worker_is_a_dead_one(store: Store) -> None:
    """Dead and unknown are one case."""
    stranger = uuid4()
    with pytest.raises(Fenced):
        await store.flush(0, batch(stranger, runs=[owned_run(stranger)]))


# Owner and epoch


async def test_a_run_that_was_taken_is_refused_alone(
    cluster: Cluster, store: Store, worker: UUID
) -> None:
    """Entries, ends and releases of an old epoch are left out and named; the others
    of the batch are written."""
    taken, ended, given, kept = (owned_run(worker) for _ in range(4))
    await store.flush(0, batch(worker, runs=[taken, ended, given, kept]))
    await store.flush(0, batch(worker, releases=[release(r.id) for r in (taken, ended, given)]))
    heir = await live_worker(store)
    other = await cluster.open()
    assert len(await other.claim(heir, [GRAPH], ["default"], 9)) == 3

    new = owned_run(worker)
    refused = await store.flush(
        0,
        batch(
            worker,
            runs=[new],
            entries=[entry(taken.id, 1), entry(kept.id, 1), entry(ended.id, 1), entry(new.id, 1)],
            ends=[success(ended.id), success(kept.id)],
            releases=[release(given.id)],
        ),
    )
    assert refused == {taken.id, ended.id, given.id}
    assert set(await store.read_journal([taken.id, ended.id, kept.id, new.id])) == {
        kept.id,
        new.id,
    }
    read = await store.read_runs([taken.id, ended.id, given.id, kept.id])
    assert read[kept.id].state == RunState.SUCCEEDED
    for run in (taken, ended, given):
        assert (read[run.id].owner, read[run.id].epoch) == (heir, 2)
        assert read[run.id].state == RunState.RUNNING


async def test_an_old_epoch_of_the_same_owner_is_refused(store: Store, worker: UUID) -> None:
    """A worker that took its own run again cannot be overtaken by its former self."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.flush(0, batch(worker, releases=[release(run.id)]))
    (claimed,) = await store.claim(worker, [GRAPH], ["default"], 1)
    assert claimed.epoch == 2
    assert await store.flush(0, batch(worker, entries=[entry(run.id, 1)])) == {run.id}
    assert await store.flush(0, batch(worker, ends=[success(run.id)])) == {run.id}
    both = batch(worker, entries=[entry(run.id, 1)], ends=[success(run.id)])
    assert await store.flush(0, both) == {run.id}
    assert await store.flush(0, batch(worker, entries=[entry(run.id, 1, epoch=2)])) == frozenset()
    assert await store.flush(0, batch(worker, ends=[success(run.id, epoch=2)])) == frozenset()


async def test_what_has_ended_stays_as_it_is(store: Store, worker: UUID) -> None:
    """Nothing is written to a run after its end, not even by its last owner."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.flush(0, batch(worker, ends=[success(run.id)]))
    again = batch(worker, entries=[entry(run.id, 1)], ends=[success(run.id, result=b'"other"')])
    assert await store.flush(0, again) == {run.id}
    assert (await store.read_runs([run.id]))[run.id].result == b'"ok"'
    assert await store.read_journal([run.id]) == {}


async def test_nobody_writes_to_a_run_that_is_not_there(store: Store, worker: UUID) -> None:
    """Entries and ends of an unknown run are refused."""
    ghost, phantom = uuid4(), uuid4()
    whole = batch(worker, entries=[entry(ghost, 1)], ends=[success(phantom)])
    assert await store.flush(0, whole) == {ghost, phantom}


async def test_who_submits_without_owning_does_not_write(store: Store, worker: UUID) -> None:
    """A run that is submitted for others is nobody's, also within its own batch."""
    run = free_run()
    whole = batch(worker, runs=[run], entries=[entry(run.id, 1, epoch=0)])
    assert await store.flush(0, whole) == {run.id}
    assert await store.read_journal([run.id]) == {}
    assert (await store.read_runs([run.id]))[run.id].state == RunState.READY


# Refused data


async def test_no_outcome_is_recorded_twice(store: Store, worker: UUID) -> None:
    """An entry that is there already refuses the batch, and nothing of it is stored."""
    run, other = owned_run(worker), owned_run(worker)
    await store.flush(0, batch(worker, runs=[run, other], entries=[entry(run.id, 1)]))
    whole = batch(
        worker,
        entries=[entry(other.id, 1), entry(run.id, 1, payload=b'"other"')],
        ends=[success(other.id)],
    )
    with pytest.raises(RefusedData):
        await store.flush(0, whole)
    assert await store.read_journal([run.id, other.id]) == {run.id: [entry(run.id, 1)]}
    assert (await store.read_runs([other.id]))[other.id].state == RunState.RUNNING


async def test_no_run_is_created_twice(store: Store, worker: UUID) -> None:
    """A new run whose id is taken refuses the batch."""
    run, other = owned_run(worker), owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    with pytest.raises(RefusedData):
        await store.flush(0, batch(worker, runs=[other, run]))
    assert set(await store.read_runs([run.id, other.id])) == {run.id}


async def test_a_lane_goes_on_after_refused_data(store: Store, worker: UUID) -> None:
    """Refused data costs one batch, not the lane."""
    run = owned_run(worker)
    await store.flush(1, batch(worker, runs=[run], entries=[entry(run.id, 1)]))
    with pytest.raises(RefusedData):
        await store.flush(1, batch(worker, entries=[entry(run.id, 1)]))
    assert await store.flush(1, batch(worker, entries=[entry(run.id, 2)])) == frozenset()


# What arrived


async def test_arrived_tells_how_far_each_run_is(store: Store, worker: UUID) -> None:
    """Highest entry, state, epoch and owner of the runs that exist."""
    fresh, going, ended = (owned_run(worker) for _ in range(3))
    await store.flush(0, batch(worker, runs=[fresh, going, ended]))
    rows = [entry(going.id, 1), entry(going.id, 2), entry(ended.id, 1)]
    await store.flush(0, batch(worker, entries=rows, ends=[success(ended.id)]))
    assert await store.arrived([fresh.id, going.id, ended.id, uuid4()]) == {
        fresh.id: (0, RunState.RUNNING, 1, worker),
        going.id: (2, RunState.RUNNING, 1, worker),
        ended.id: (1, RunState.SUCCEEDED, 1, None),
    }


async def test_a_submission_is_stored_once(store: Store) -> None:
    """The primary key is the idempotency key: the second of one id is told so."""
    run = free_run()
    assert await store.submit(run) is True
    assert await store.submit(run._replace(input=b"other")) is False
    assert (await store.read_runs([run.id]))[run.id].state == RunState.READY
