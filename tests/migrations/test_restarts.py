"""A server that falls while its schema is being made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from tests.runtime.serving import run, serving
from tests.runtime.workflows import Chain, Stage, current
from tests.server import Server, private_server
from waymark.errors import StoreError
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.migration import shipped_migrations

pytestmark = [pytest.mark.anyio, pytest.mark.chaos]


@pytest.fixture
def server() -> Iterator[Server]:
    with private_server() as server:
        yield server


async def opened(server: Server) -> None:
    """A process that starts until it can."""
    while True:
        store = PostgresStore(server.url)
        try:
            await store.open()
        except StoreError:
            await asyncio.sleep(0.02)
        else:
            await store.close()
            return


async def applied(server: Server) -> int:
    connection = await asyncpg.connect(server.url)
    try:
        return int(await connection.fetchval("select count(*) from waymark.migrations"))
    except asyncpg.UndefinedTableError:
        return 0
    finally:
        await connection.close()


@pytest.mark.parametrize("count", [0, 1, len(shipped_migrations()) // 2])
async def test_a_server_that_falls_within_a_migration(server: Server, count: int) -> None:
    """Three processes migrate, the server falls once so many steps were made, and in the end
    each step was made once and all of them work."""
    starting = [asyncio.create_task(opened(server)) for _ in range(3)]
    while await applied(server) < count:
        pass
    await asyncio.to_thread(server.restart)
    await asyncio.gather(*starting)
    assert await applied(server) == len(shipped_migrations())
    current.append(Stage())
    async with serving(PostgresStore(server.url)) as runtime:
        assert await run(runtime, Chain, 1) == 16
