"""Fence, epochs and claims where they matter: in statements that overlap."""

from __future__ import annotations

import asyncio

import pytest

from tests.store.rows import (
    GRAPH,
    batch,
    entry,
    free_run,
    live_worker,
    owned_run,
    seen_workers,
    success,
)
from tests.store.sessions import held_up, session, until_waiting
from waymark.errors import Fenced
from waymark.store.postgres import PostgresStore
from waymark.store.records import RunState

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_statement")]


async def test_a_flush_under_way_saves_its_worker_from_the_reaper(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """While a flush holds the fence, the reaper skips the worker's row, even when the
    lease has run out and death was proven; then the flush is stored."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    await postgres.register_worker(worker, -1.0, "{}")
    async with held_up(database_url, schema, run.id, 1) as let_go:
        flush = asyncio.create_task(postgres.flush(0, batch(worker, entries=[entry(run.id, 1)])))
        await until_waiting(database_url, "flush", schema)
        assert await postgres.reap_workers([worker]) == []
        assert [seen.id for seen in await seen_workers(postgres)] == [worker]
        await let_go()
        assert await flush == frozenset()
    assert await postgres.reap_workers() == [worker]


async def test_beats_do_not_wait_for_a_flush(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """A slow flush costs no lease."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    async with held_up(database_url, schema, run.id, 1) as let_go:
        whole = batch(worker, runs=[run], entries=[entry(run.id, 1)])
        flush = asyncio.create_task(postgres.flush(0, whole))
        await until_waiting(database_url, "flush", schema)
        async with asyncio.timeout(20):
            assert await postgres.beat(worker, 30.0) is True
        await let_go()
        assert await flush == frozenset()


@pytest.mark.parametrize("kind", ["run", "entry", "end"])
async def test_a_flush_that_meets_the_reaper_is_fenced(
    postgres: PostgresStore, database_url: str, schema: str, kind: str
) -> None:
    """A flush that waits for its fence while the worker is declared dead stores
    nothing, although its snapshot is older than the death."""
    worker = await live_worker(postgres)
    run, late = owned_run(worker), owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    written = batch(
        worker,
        runs=[late] if kind == "run" else [],
        entries=[entry(run.id, 1)] if kind != "run" else [],
        ends=[success(run.id)] if kind == "end" else [],
    )
    async with session(database_url) as reaper:
        reaping = reaper.transaction()
        await reaping.start()
        await reaper.execute(f'delete from "{schema}".workers where id = $1', worker)
        flush = asyncio.create_task(postgres.flush(0, written))
        await until_waiting(database_url, "flush", schema)
        await reaping.commit()
        with pytest.raises(Fenced):
            await flush
    assert await postgres.read_journal([run.id]) == {}
    assert await postgres.read_runs([late.id]) == {}
    heir = await live_worker(postgres)
    assert [found.id for found in await postgres.claim(heir, [GRAPH], ["default"], 9)] == [run.id]


async def test_two_lanes_flush_at_once(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """Lanes share the fence: one that is held up does not hold up the other."""
    worker = await live_worker(postgres)
    slow, quick = owned_run(worker), owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[slow]))
    await postgres.flush(1, batch(worker, runs=[quick]))
    async with session(database_url) as other, other.transaction():
        await other.execute(f'select from "{schema}".runs where id = $1 for update', slow.id)
        flush = asyncio.create_task(postgres.flush(0, batch(worker, ends=[success(slow.id)])))
        await until_waiting(database_url, "flush", schema)
        async with asyncio.timeout(20):
            assert await postgres.flush(1, batch(worker, ends=[success(quick.id)])) == frozenset()
        assert not flush.done()
        await other.execute("rollback")
        assert await flush == frozenset()


async def test_two_workers_that_claim_at_once_share_the_runs(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """Of two claims that overlap each run goes to one: the second passes over rows
    that the first holds."""
    runs = [free_run() for _ in range(6)]
    for run in runs:
        await postgres.submit(run)
    first, second = await live_worker(postgres), await live_worker(postgres)
    async with session(database_url) as other:
        held = other.transaction()
        await held.start()
        rows = await other.fetch(
            postgres._statements["claim"], first, [GRAPH], ["default"], 3, 1, 0, 0, 10, 0, []
        )
        async with asyncio.timeout(20):
            found = await postgres.claim(second, [GRAPH], ["default"], 3)
        await held.commit()
    taken = {row["id"] for row in rows}
    assert taken == {run.id for run in runs[:3]}
    assert {run.id for run in found} == {run.id for run in runs[3:]}


async def test_a_claim_on_an_old_snapshot_takes_nothing_from_a_live_worker(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """A claimer that saw a run as free, but comes to take it only after a worker that
    it has never heard of has done so, leaves it alone."""
    run = free_run()
    await postgres.submit(run)
    slow = await live_worker(postgres)
    async with session(database_url) as other:
        held = other.transaction()
        await held.start()
        await other.execute(f'select from "{schema}".workers where id = $1 for update', slow)
        claim = asyncio.create_task(postgres.claim(slow, [GRAPH], ["default"], 9))
        await until_waiting(database_url, "claim", schema)
        quick = await live_worker(postgres)
        quick_found = await postgres.claim(quick, [GRAPH], ["default"], 9)
        await held.rollback()
        slow_found = await claim
    assert [found.id for found in quick_found] == [run.id]
    assert slow_found == []
    assert (await postgres.read_runs([run.id]))[run.id].owner == quick


async def test_blocking_on_an_old_snapshot_spares_a_run_that_was_taken(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """Who says that nobody can serve a run, while somebody takes it, is overruled."""
    run = free_run()
    await postgres.submit(run)
    worker = await live_worker(postgres)
    text = postgres._statements["claim"]
    async with session(database_url) as other:
        claiming = other.transaction()
        await claiming.start()
        assert await other.fetch(text, worker, [GRAPH], ["default"], 9, 1, 0, 0, 10, 0, [])
        blocking = asyncio.create_task(postgres.set_blocked(GRAPH, "nobody serves it"))
        await until_waiting(database_url, "set_blocked", schema)
        await claiming.commit()
        await blocking
    read = (await postgres.read_runs([run.id]))[run.id]
    assert (read.owner, read.state, read.reason) == (worker, RunState.RUNNING, None)


async def test_many_claimers_take_each_run_once(postgres: PostgresStore) -> None:
    """A crowd that claims and loses its leases leaves one owner for each run, and an
    epoch for each change of hands."""
    runs = [free_run() for _ in range(60)]
    for run in runs:
        await postgres.submit(run)
    hands: dict[object, list[int]] = {run.id: [] for run in runs}

    async def claimer() -> None:
        for _ in range(6):
            worker = await live_worker(postgres)
            for claimed in await postgres.claim(worker, [GRAPH], ["default"], 10):
                hands[claimed.id].append(claimed.epoch)
            await postgres.remove_worker(worker)

    await asyncio.gather(*(claimer() for _ in range(5)))
    for epochs in hands.values():
        assert sorted(epochs) == list(range(2, len(epochs) + 2))
    read = await postgres.read_runs([run.id for run in runs])
    assert {id_: row.epoch for id_, row in read.items()} == {
        id_: len(epochs) + 1 if epochs else 0 for id_, epochs in hands.items()
    }
