"""Snapshots: the newest of each run, from its owner alone, of what is committed."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.store.conftest import Cluster
from tests.store.rows import GRAPH, batch, entry, live_worker, owned_run, success
from waymark.store.protocol import Store
from waymark.store.records import SnapshotRow

pytestmark = pytest.mark.anyio


def snapshot(run: UUID, seq: int, *, epoch: int = 1, payload: bytes = b"\x00{}") -> SnapshotRow:
    return SnapshotRow(run, seq, epoch, GRAPH, "1 cpython 3.11", -5, payload)


async def test_the_newest_is_kept(store: Store, worker: UUID) -> None:
    """The others are gone with it; written again it stays as it is."""
    run, other = owned_run(worker), owned_run(worker)
    entries = [entry(run.id, 1), entry(run.id, 2), entry(other.id, 1)]
    await store.flush(0, batch(worker, runs=[run, other], entries=entries))
    assert await store.read_snapshots([run.id]) == {}
    assert await store.put_snapshot(worker, snapshot(run.id, 1, payload=b"one"))
    assert await store.put_snapshot(worker, snapshot(other.id, 1))
    newest = snapshot(run.id, 2, payload=b"two")
    assert await store.put_snapshot(worker, newest)
    assert await store.put_snapshot(worker, newest._replace(payload=b"again"))
    found = await store.read_snapshots([run.id, other.id])
    assert found == {run.id: newest, other.id: snapshot(other.id, 1)}


async def test_only_the_owner_at_its_epoch_writes_one(cluster: Cluster) -> None:
    """And nobody of a run that is not there."""
    one, other = await cluster.open(), await cluster.open()
    mine, theirs = await live_worker(one), await live_worker(other)
    run = owned_run(mine)
    await one.flush(0, batch(mine, runs=[run], entries=[entry(run.id, 1)]))
    assert not await other.put_snapshot(theirs, snapshot(run.id, 1))
    assert not await one.put_snapshot(mine, snapshot(run.id, 1, epoch=2))
    assert not await one.put_snapshot(mine, snapshot(UUID(int=1), 1))
    await one.remove_worker(mine)
    assert not await one.put_snapshot(mine, snapshot(run.id, 1))
    await other.claim(theirs, [run.graph], [run.queue], 1)
    assert not await one.put_snapshot(mine, snapshot(run.id, 1))
    assert await other.put_snapshot(theirs, snapshot(run.id, 1, epoch=2))
    assert (await one.read_snapshots([run.id]))[run.id].epoch == 2


async def test_none_is_kept_of_an_entry_that_is_not_committed(store: Store, worker: UUID) -> None:
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run], entries=[entry(run.id, 1)]))
    assert not await store.put_snapshot(worker, snapshot(run.id, 2))
    assert await store.read_snapshots([run.id]) == {}


async def test_a_journal_is_read_from_an_entry_on(store: Store, worker: UUID) -> None:
    """Of each run from its own; a run with nothing behind it is not in the answer."""
    runs = [owned_run(worker) for _ in range(3)]
    entries = [entry(run.id, seq) for run in runs for seq in (1, 2, 3)]
    await store.flush(0, batch(worker, runs=runs, entries=entries))
    ids = [run.id for run in runs]
    found = await store.read_journal(ids, {ids[0]: 2, ids[1]: 3})
    assert {run_id: [row.seq for row in rows] for run_id, rows in found.items()} == {
        ids[0]: [3],
        ids[2]: [1, 2, 3],
    }


async def test_those_of_ended_runs_are_forgotten(store: Store, worker: UUID) -> None:
    """By whoever asks; those of others stay. Retention removes what is left."""
    runs = [owned_run(worker) for _ in range(3)]
    ids = [run.id for run in runs]
    await store.flush(0, batch(worker, runs=runs, entries=[entry(run, 1) for run in ids]))
    for run in ids:
        assert await store.put_snapshot(worker, snapshot(run, 1))
    await store.flush(0, batch(worker, ends=[success(ids[0]), success(ids[1])]))
    await store.forget_snapshots([ids[0], ids[2]])
    assert set(await store.read_snapshots(ids)) == {ids[1], ids[2]}
    await store.remove_finished(-1.0, 10, 10)
    assert set(await store.read_snapshots(ids)) == {ids[2]}
