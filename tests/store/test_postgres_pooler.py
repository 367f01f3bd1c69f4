"""Behind PgBouncer and its like: nothing that belongs to a session is used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from tests.pooling import pooler
from tests.server import Server, private_server
from tests.store.rows import GRAPH, batch, entry, free_run, live_worker, owned_run, seen_workers
from tests.store.sessions import session
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.connecting import PINNED_PLANS

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with private_server() as server:
        yield server


#: A PgBouncer as it comes, and one whose owner had it swallow what it does not know.
IGNORED = (
    "extra_float_digits",
    ", ".join(
        ("idle_in_transaction_session_timeout", "default_transaction_isolation", *PINNED_PLANS)
    ),
)


@pytest.mark.parametrize("ignored", IGNORED, ids=["as it comes", "swallowing settings"])
async def test_a_pooler_is_noticed(server: Server, ignored: str) -> None:
    """No setting has to say that PgBouncer stands in between: the store finds out, leaves
    no prepared statement behind, and everything goes."""
    with pooler(server, ignored=ignored) as url:
        stores = [PostgresStore(url), PostgresStore(url)]
        await asyncio.gather(*(store.open() for store in stores))
        store = stores[0]
        try:
            assert all(store._connector.pooler for store in stores)
            worker = await live_worker(store)
            first, free = owned_run(worker), free_run()
            assert await store.flush(0, batch(worker, runs=[first])) == frozenset()
            assert await store.flush(1, batch(worker, entries=[entry(first.id, 1)])) == frozenset()
            assert await store.submit(free)
            claimed = await store.claim(worker, [GRAPH], ["default"], 9)
            assert [found.id for found in claimed] == [free.id]
            assert await store.beat(worker, 30.0)
            store.listen(lambda topic: None)
            assert store._hints._listening is None
            store.hint("runs")
            for _ in range(20):
                rows = await seen_workers(store)
            assert rows
            through = await asyncpg.connect(url, statement_cache_size=0)
            for _ in range(20):
                prepared = "select count(*) from pg_prepared_statements"
                assert await through.fetchval(prepared) == 0
            await through.close()
        finally:
            for store in stores:
                await store.close()


async def test_a_store_behind_a_pooler_works(database_url: str, schema: str) -> None:
    """Without prepared statements, startup settings and LISTEN everything still goes."""
    store = PostgresStore(database_url, schema=schema, pooler=True)
    await store.open()
    try:
        worker = await live_worker(store)
        run, free = owned_run(worker), free_run()
        assert await store.flush(0, batch(worker, runs=[run])) == frozenset()
        assert await store.flush(0, batch(worker, entries=[entry(run.id, 1)])) == frozenset()
        assert await store.submit(free)
        assert [found.id for found in await store.claim(worker, [GRAPH], ["default"], 9)] == [
            free.id
        ]
        assert await store.beat(worker, 30.0)
        store.listen(lambda topic: None)
        assert store._hints._listening is None
        connection = store._lanes[0]._connection
        assert connection is not None
        assert await connection.fetchval("select count(*) from pg_prepared_statements") == 0
        assert await connection.fetchval("show enable_seqscan") == "on"
    finally:
        await store.close()


async def test_without_a_pooler_plans_are_pinned(
    postgres: PostgresStore, database_url: str
) -> None:
    """The writer's connections carry the settings that the flush is measured with."""
    worker = await live_worker(postgres)
    await postgres.flush(0, batch(worker))
    assert not postgres._connector.pooler
    connection = postgres._lanes[0]._connection
    assert connection is not None
    assert await connection.fetchval("show plan_cache_mode") == "force_generic_plan"
    for setting in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit"):
        assert await connection.fetchval(f"show {setting}") == "off"
    async with session(database_url) as other:
        names = await other.fetch(
            "select application_name from pg_stat_activity where application_name like 'waymark %'"
        )
    assert "waymark writer 1" in {row["application_name"] for row in names}
