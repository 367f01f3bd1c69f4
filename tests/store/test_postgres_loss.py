"""Connections that break, at the worst moments."""

from __future__ import annotations

import asyncio

import asyncpg
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
from tests.store.sessions import backends, held_up, session, terminate, until_waiting
from waymark.errors import Fenced, StoreUnavailable
from waymark.store.postgres import PostgresStore
from waymark.store.records import RunState

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_statement")]


async def test_a_flush_that_dies_under_way_is_sent_again(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """A backend that is terminated in the middle of a flush has stored nothing; the
    store says so, and takes the same flush over a new connection."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    end = batch(worker, entries=[entry(run.id, 1)], ends=[success(run.id)])
    async with held_up(database_url, schema, run.id, 1):
        flush = asyncio.create_task(postgres.flush(0, end))
        await terminate(database_url, await until_waiting(database_url, "flush", schema))
        with pytest.raises(StoreUnavailable):
            await flush
    assert await postgres.arrived([run.id]) == {run.id: (0, RunState.RUNNING, 1, worker)}
    assert await postgres.flush(0, end) == frozenset()
    assert await postgres.arrived([run.id]) == {run.id: (1, RunState.SUCCEEDED, 1, None)}


async def test_a_flush_whose_answer_is_lost_is_waited_for(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """The client's end of the connection dies while the server still works: `arrived`
    waits for what that may yet write, so that nobody sends it a second time."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    async with held_up(database_url, schema, run.id, 1) as let_go:
        flush = asyncio.create_task(postgres.flush(0, batch(worker, entries=[entry(run.id, 1)])))
        await until_waiting(database_url, "flush", schema)
        connection = postgres._lanes[0]._connection
        assert connection is not None
        connection._transport.abort()
        with pytest.raises(StoreUnavailable):
            await flush
        asking = asyncio.create_task(postgres.arrived([run.id]))
        await until_waiting(database_url, "adopt_lane", schema)
        assert not asking.done()
        await let_go()
        assert await asking == {run.id: (1, RunState.RUNNING, 1, worker)}
    assert await postgres.flush(0, batch(worker, entries=[entry(run.id, 2)])) == frozenset()


async def test_what_an_old_connection_still_sends_is_fenced(postgres: PostgresStore) -> None:
    """A statement that was delayed on the way is refused once the lane was adopted
    by a new connection."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    old, old_number = postgres._lanes[0]._prepare, postgres._lanes[0]._number
    fresh = postgres._lanes[0].__class__(0, postgres._connector, postgres._statements)
    assert await fresh.flush(batch(worker, entries=[entry(run.id, 1)])) == frozenset()
    from waymark.store.postgres.columns import to_columns
    from waymark.store.postgres.single import to_single

    late = [
        batch(worker, runs=[owned_run(worker)]),
        batch(worker, entries=[entry(run.id, 2)]),
        batch(worker, entries=[entry(run.id, 2)], ends=[success(run.id)]),
    ]
    for rows in (*map(to_columns, late), *filter(None, map(to_single, late))):
        statement = await old(rows.statement)
        assert await statement(worker, 1, old_number, *rows.arguments) == []
    await fresh.close()
    assert await postgres.arrived([run.id]) == {run.id: (1, RunState.RUNNING, 1, worker)}


async def test_a_cancelled_flush_leaves_no_riddle(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """A flush whose task was cancelled counts as lost: `arrived` tells what it wrote."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    async with held_up(database_url, schema, run.id, 1) as let_go:
        flush = asyncio.create_task(postgres.flush(0, batch(worker, entries=[entry(run.id, 1)])))
        await until_waiting(database_url, "flush", schema)
        flush.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flush
        # The server may still work at it, so the lock has to go before one can tell.
        await let_go()
    ((seq, *_),) = (await postgres.arrived([run.id])).values()
    rest = [entry(run.id, number) for number in range(seq + 1, 3)]
    assert await postgres.flush(0, batch(worker, entries=rest)) == frozenset()
    assert [row.seq for row in (await postgres.read_journal([run.id]))[run.id]] == [1, 2]


async def test_every_call_recovers_from_a_lost_connection(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """After the server has ended all connections, each call fails once at most."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    await postgres.flush(1, batch(worker))
    await postgres.beat(worker, 30.0)
    ours = await backends(database_url, schema)
    assert len(ours) >= 3
    await terminate(database_url, ours)

    async def attempt(call: object) -> object:
        for _ in range(2):
            try:
                return await call()  # type: ignore[operator]
            except StoreUnavailable:
                continue
        pytest.fail("a call failed twice")

    assert await attempt(lambda: postgres.flush(0, batch(worker))) == frozenset()
    assert await attempt(lambda: postgres.flush(1, batch(worker))) == frozenset()
    assert await attempt(lambda: postgres.beat(worker, 30.0)) is True
    assert [seen.id for seen in await attempt(lambda: seen_workers(postgres))] == [worker]
    assert await attempt(lambda: postgres.arrived([run.id])) == {
        run.id: (0, RunState.RUNNING, 1, worker)
    }


async def test_a_claim_whose_commit_is_lost_is_not_forgotten(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run never stays owned by a live worker that does not know it: what a lost
    claim has taken is handed over by the next."""
    worker = await live_worker(postgres)
    run, later = free_run(), free_run()
    await postgres.submit(run)
    commit = asyncpg.transaction.Transaction._Transaction__commit

    async def lose_the_answer(transaction: asyncpg.transaction.Transaction) -> None:
        await commit(transaction)
        raise ConnectionResetError("the answer never came")

    with monkeypatch.context() as broken:
        broken.setattr(asyncpg.transaction.Transaction, "_Transaction__commit", lose_the_answer)
        with pytest.raises(StoreUnavailable):
            await postgres.claim(worker, [GRAPH], ["default"], 1)
    assert (await postgres.read_runs([run.id]))[run.id].owner == worker
    await postgres.submit(later)
    claimed = await postgres.claim(worker, [GRAPH], ["default"], 2)
    assert {found.id: found.epoch for found in claimed} == {run.id: 2, later.id: 2}
    assert await postgres.claim(worker, [GRAPH], ["default"], 2) == []


async def test_a_claim_that_never_committed_is_made_again(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that broke before its commit holds nothing, so it is made once more."""
    worker = await live_worker(postgres)
    run = free_run()
    await postgres.submit(run)
    rollback = asyncpg.transaction.Transaction._Transaction__rollback

    async def fail(transaction: asyncpg.transaction.Transaction) -> None:
        await rollback(transaction)
        raise ConnectionResetError("the commit was never sent")

    with monkeypatch.context() as broken:
        broken.setattr(asyncpg.transaction.Transaction, "_Transaction__commit", fail)
        with pytest.raises(StoreUnavailable):
            await postgres.claim(worker, [GRAPH], ["default"], 1)
    (claimed,) = await postgres.claim(worker, [GRAPH], ["default"], 1)
    assert (claimed.id, claimed.epoch) == (run.id, 2)


async def test_a_worker_that_died_meanwhile_learns_it(postgres: PostgresStore) -> None:
    """A connection that comes back to a dead worker is fenced, and `arrived` still
    answers."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    connection = postgres._lanes[0]._connection
    assert connection is not None
    connection.terminate()
    await postgres.reap_workers([worker])
    with pytest.raises(StoreUnavailable):
        await postgres.flush(0, batch(worker, entries=[entry(run.id, 1)]))
    with pytest.raises(Fenced):
        await postgres.flush(0, batch(worker, entries=[entry(run.id, 1)]))
    assert await postgres.arrived([run.id]) == {run.id: (0, RunState.RUNNING, 1, worker)}


async def test_a_connection_that_is_lost_while_idle_is_told(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """The next flush does not pass over it in silence: the server that answers now may
    lack what the last one acknowledged."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    connection = postgres._lanes[0]._connection
    assert connection is not None
    await terminate(database_url, [connection.get_server_pid()])
    async with asyncio.timeout(20):
        while not connection.is_closed():  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.001)
    with pytest.raises(StoreUnavailable, match="while it was idle"):
        await postgres.flush(0, batch(worker, entries=[entry(run.id, 1)]))
    assert await postgres.arrived([run.id]) == {run.id: (0, RunState.RUNNING, 1, worker)}
    assert await postgres.flush(0, batch(worker, entries=[entry(run.id, 1)])) == frozenset()


async def test_a_lane_serves_a_worker_that_registers_anew(postgres: PostgresStore) -> None:
    """After its death a process goes on under a new name over the same connection."""
    first = await live_worker(postgres)
    await postgres.flush(0, batch(first))
    await postgres.reap_workers([first])
    second = await live_worker(postgres)
    run = owned_run(second)
    assert await postgres.flush(0, batch(second, runs=[run])) == frozenset()
    with pytest.raises(Fenced):
        await postgres.flush(0, batch(first, entries=[entry(run.id, 1)]))
    assert await postgres.flush(0, batch(second, entries=[entry(run.id, 1)])) == frozenset()


async def test_connections_are_few(postgres: PostgresStore, database_url: str, schema: str) -> None:
    """One process opens seven connections at most, however much it asks at once."""
    postgres.listen(lambda topic: None)
    worker = await live_worker(postgres)
    for lane in range(postgres.lanes):
        await postgres.flush(lane, batch(worker))
    await postgres.beat(worker, 30.0)
    await asyncio.gather(*(postgres.submit(free_run()) for _ in range(50)))
    assert 4 <= len(await backends(database_url, schema)) <= 7


async def test_a_closed_store_is_unavailable(database_url: str, schema: str) -> None:
    """Asking a closed store is an error of its own, and closing twice is none."""
    store = PostgresStore(database_url, schema=schema)
    with pytest.raises(StoreUnavailable, match="not open"):
        await seen_workers(store)
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        await seen_workers(store)


async def test_a_beat_that_hangs_is_given_up_in_time(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """A beat that gets no answer fails within a part of its lease, and the next one
    goes over a new connection."""
    worker = await live_worker(postgres)
    async with session(database_url) as other, other.transaction():
        await other.execute(f'select from "{schema}".workers where id = $1 for update', worker)
        with pytest.raises(StoreUnavailable):
            await postgres.beat(worker, 0.1)
    assert await postgres.beat(worker, 30.0) is True


async def test_beats_come_from_a_thread_with_its_own_loop(postgres: PostgresStore) -> None:
    """The heartbeat's connection belongs to the loop that asks, and is closed with it;
    a later thread gets another."""
    worker = await live_worker(postgres)

    async def beat_twice() -> list[bool]:
        return [await postgres.beat(worker, 30.0), await postgres.beat(worker, 30.0)]

    for _ in range(2):
        assert await asyncio.to_thread(asyncio.run, beat_twice()) == [True, True]
    assert await postgres.beat(worker, 30.0) is True
