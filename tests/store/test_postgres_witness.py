"""The lock of a heartbeat's session says when its process is gone, and never too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from tests.store.rows import live_worker, seen_workers
from tests.store.sessions import session, terminate
from waymark.store.postgres import PostgresStore

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(database_url: str, schema: str) -> AsyncIterator[PostgresStore]:
    """Another process, which looks."""
    store = PostgresStore(database_url, schema=schema)
    await store.open()
    yield store
    await store.close()


async def silent(store: PostgresStore) -> list[UUID]:
    return [worker.id for worker in await seen_workers(store) if worker.silent]


async def end_heartbeat(url: str, worker: UUID) -> None:
    """What the kernel does for a process that dies: its session ends."""
    async with session(url) as connection:
        pids = await connection.fetch(
            "select pid from pg_locks where locktype = 'advisory' and "
            "(classid::bigint << 32 | objid::bigint)"
            " = hashtextextended('waymark.worker.' || $1::text, 0)",
            str(worker),
        )
    assert len(pids) == 1
    await terminate(url, [pids[0]["pid"]])


async def test_a_worker_whose_session_ended_is_silent(
    postgres: PostgresStore, other: PostgresStore, database_url: str
) -> None:
    """Before its first beat nothing is proven of a worker; then its session is the proof."""
    worker, quiet = await live_worker(postgres), await live_worker(postgres)
    assert await silent(other) == []
    broken = asyncio.Event()
    assert await postgres.beat(worker, 30.0, broken.set)
    assert await silent(other) == []
    await end_heartbeat(database_url, worker)
    assert await silent(other) == [worker]
    await broken.wait()
    assert {seen.id for seen in await seen_workers(other)} == {worker, quiet}


async def test_the_next_beat_proves_life_again(
    postgres: PostgresStore, other: PostgresStore, database_url: str
) -> None:
    """A process that lost its session is told, and its next beat, over a new connection,
    succeeds at once."""
    worker = await live_worker(postgres)
    for _ in range(3):
        broken = asyncio.Event()
        assert await postgres.beat(worker, 30.0, broken.set)
        assert await silent(other) == []
        await end_heartbeat(database_url, worker)
        await broken.wait()
    assert await postgres.beat(worker, 30.0)
    assert await silent(other) == []


async def test_another_server_proves_nothing(
    postgres: PostgresStore, other: PostgresStore, database_url: str, schema: str
) -> None:
    """After a restart or a failover no lock is there, and nobody is dead for that."""
    worker = await live_worker(postgres)
    assert await postgres.beat(worker, 30.0)
    await end_heartbeat(database_url, worker)
    async with session(database_url) as connection:
        await connection.execute(
            f"update \"{schema}\".workers set witnessed = witnessed - interval '1 second'"
        )
    assert await silent(other) == []


@pytest.mark.parametrize("told", [True, False])
async def test_behind_a_pooler_nothing_is_proven(
    database_url: str,
    schema: str,
    other: PostgresStore,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There the session is the pooler's, and ends when that likes; also where nobody said
    that there is one, since the server's process is another than the client was told of."""
    store = PostgresStore(database_url, schema=schema, pooler=told)
    await store.open()
    worker = await live_worker(store)
    if not told:
        monkeypatch.setattr(asyncpg.Connection, "get_server_pid", lambda self: 1)
    assert await store.beat(worker, 30.0)
    async with session(database_url) as connection:
        assert await connection.fetchval(
            f'select witnessed is null from "{schema}".workers where id = $1', worker
        )
    assert await silent(other) == []
    await store.close()


async def test_a_new_name_is_witnessed_by_the_same_session(
    postgres: PostgresStore, other: PostgresStore, database_url: str
) -> None:
    """A process that takes a new name proves that one."""
    first, second = await live_worker(postgres), await live_worker(postgres)
    assert await postgres.beat(first, 30.0)
    assert await postgres.beat(second, 30.0)
    await end_heartbeat(database_url, second)
    assert sorted(await silent(other)) == sorted([first, second])
