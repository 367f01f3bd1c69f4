"""Parking in Postgres: whoever wakes a run and whoever lets it sleep see each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import pytest

from tests.store.rows import GRAPH, batch, entry, live_worker, owned_run, success
from tests.store.sessions import session, until_waiting
from waymark.errors import StoreUnavailable
from waymark.store.postgres import PostgresStore
from waymark.store.records import EntryKind, Message, Park, RunState

pytestmark = pytest.mark.anyio


@contextmanager
def held_commits() -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Transactions of ours stand before their commit until they are let go. Gives the
    event that one has come there, and the one that lets it go."""
    commit = asyncpg.transaction.Transaction._Transaction__commit
    came, go = asyncio.Event(), asyncio.Event()

    async def hold(transaction: asyncpg.transaction.Transaction) -> None:
        came.set()
        await go.wait()
        await commit(transaction)

    with pytest.MonkeyPatch.context() as held:
        held.setattr(asyncpg.transaction.Transaction, "_Transaction__commit", hold)
        yield came, go


def a_message(run: UUID) -> list[Message]:
    return [Message(run, "a", EntryKind.CANCEL, "", b"")]


async def test_who_sends_while_a_run_is_parked_wakes_it(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """The message waits until the parking is decided, and then makes the run due."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    with held_commits() as (came, go):
        parking = asyncio.create_task(postgres.park(0, worker, [Park(run.id, 1, None, ())]))
        await came.wait()
        sending = asyncio.create_task(postgres.send(a_message(run.id)))
        await until_waiting(database_url, "send", schema)
        go.set()
        assert await parking == {run.id}
        await sending
    found = await postgres.claim(worker, [GRAPH], ["default"], 9)
    assert [each.id for each in found] == [run.id]


async def test_who_parks_while_a_message_is_sent_keeps_the_run(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """The parking waits until the message is there, and sees it."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    async with session(database_url) as other:
        sending = other.transaction()
        await sending.start()
        columns = [list(column) for column in zip(*a_message(run.id), strict=True)]
        await other.execute(postgres._statements["send"], *columns)
        parking = asyncio.create_task(postgres.park(0, worker, [Park(run.id, 1, None, ())]))
        await until_waiting(database_url, "lock_runs", schema)
        await sending.commit()
        assert await parking == frozenset()


async def test_a_child_that_ends_while_its_parent_is_parked_wakes_it(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """Its end waits until the parking is decided; and the other way round the parking
    waits for the end."""
    worker = await live_worker(postgres)
    parents = [owned_run(worker) for _ in range(2)]
    children = [owned_run(worker)._replace(parent=parent.id) for parent in parents]
    await postgres.flush(0, batch(worker, runs=parents))
    await postgres.flush(1, batch(worker, runs=children))
    parks = [Park(p.id, 1, None, (c.id,)) for p, c in zip(parents, children, strict=True)]
    ends = [
        batch(worker, ends=[success(c.id)])._replace(wakes=[p.id])
        for p, c in zip(parents, children, strict=True)
    ]
    with held_commits() as (came, go):
        parking = asyncio.create_task(postgres.park(0, worker, parks[:1]))
        await came.wait()
        ending = asyncio.create_task(postgres.flush(1, ends[0]))
        await until_waiting(database_url, "wake", schema)
        go.set()
        assert await parking == {parents[0].id}
        assert await ending == frozenset()
    with held_commits() as (came, go):
        ending = asyncio.create_task(postgres.flush(1, ends[1]))
        await came.wait()
        parking = asyncio.create_task(postgres.park(0, worker, parks[1:]))
        await until_waiting(database_url, "lock_runs", schema)
        go.set()
        assert await ending == frozenset()
        assert await parking == frozenset()
    found = await postgres.claim(worker, [GRAPH], ["default"], 9)
    assert [each.id for each in found] == [parents[0].id]


async def test_a_parking_that_was_lost_is_not_carried_out_later(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """Its connection broke while it waited for a lock. Once somebody asked what has
    arrived, the run may go on, and nothing lets it sleep."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    async with session(database_url) as other:
        blocking = other.transaction()
        await blocking.start()
        await other.execute(f'select from "{schema}".runs where id = $1 for update', run.id)
        parking = asyncio.create_task(postgres.park(0, worker, [Park(run.id, 1, None, ())]))
        await until_waiting(database_url, "lock_runs", schema)
        connection = postgres._lanes[0]._connection
        assert connection is not None
        connection.terminate()
        with pytest.raises(StoreUnavailable):
            await parking
        arrived = await postgres.arrived([run.id])
        assert arrived[run.id][1:] == (RunState.RUNNING, 1, worker)
        await blocking.commit()
    assert await postgres.flush(0, batch(worker, entries=[entry(run.id, 1)])) == frozenset()
    assert (await postgres.arrived([run.id]))[run.id] == (1, RunState.RUNNING, 1, worker)


async def test_a_parking_whose_answer_was_lost_holds(postgres: PostgresStore) -> None:
    """It is found by whoever asks what has arrived."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    commit = asyncpg.transaction.Transaction._Transaction__commit

    async def lose_the_answer(transaction: asyncpg.transaction.Transaction) -> None:
        await commit(transaction)
        raise ConnectionResetError("the answer never came")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(asyncpg.transaction.Transaction, "_Transaction__commit", lose_the_answer)
        with pytest.raises(StoreUnavailable):
            await postgres.park(0, worker, [Park(run.id, 1, None, ())])
    assert (await postgres.arrived([run.id]))[run.id] == (0, RunState.WAITING, 1, None)
