"""Whole runs through PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.pooling import pooler
from tests.runtime.serving import run, serving
from tests.runtime.workflows import Chain, Stage
from tests.server import private_server
from waymark.store.postgres import PostgresStore

pytestmark = pytest.mark.anyio


async def test_runs_finish_through_a_pooler(stage: Stage) -> None:
    """More lanes and pools than the pooler has connections to the server, which are
    terminated meanwhile: each run ends with its result."""
    with private_server() as server, pooler(server) as url:
        admin = await asyncpg.connect(server.url)
        async with (
            serving(PostgresStore(url, schema="through")) as first,
            serving(PostgresStore(url, schema="through")) as second,
        ):
            assert [await run(one, Chain, 0) for one in (first, second)] == [0, 0]
            numbers = range(1, 41)
            waiting = [
                asyncio.create_task(run((first, second)[number % 2], Chain, number))
                for number in numbers
            ]
            for _ in range(3):
                await asyncio.sleep(0.05)
                await admin.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and backend_type = 'client backend'"
                )
            assert await asyncio.gather(*waiting) == [16 * number for number in numbers]
            recorded = await admin.fetchrow(
                "select count(*), count(distinct (run_id, effect)) from through.journal"
                " where kind in (1, 2)"
            )
            assert tuple(recorded) == (168, 168)
        await admin.close()
