"""A real server that cuts connections: nothing is lost, nothing is recorded twice."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.runtime.serving import result, serving, submit
from tests.runtime.workflows import Chain, Stage
from waymark.store.open import open_store

pytestmark = pytest.mark.anyio

CUT = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where pid <> pg_backend_pid() and application_name like 'waymark%'
"""
RECORDED = """
    select count(*), count(distinct (run_id, effect)) from "{schema}".journal where kind in (1, 2)
"""


async def test_terminated_connections_lose_nothing(
    database_url: str, schema: str, stage: Stage
) -> None:
    """All connections are terminated again and again under load: each run ends with
    its result, and each call has exactly one recorded outcome."""
    admin = await asyncpg.connect(database_url)
    try:
        async with serving(open_store(database_url, schema=schema)) as runtime:
            numbers = range(1, 61)
            ids = []
            for number in numbers:
                ids.append(await submit(runtime, Chain, number))
                if number % 10 == 0:
                    assert await admin.fetchval(CUT) > 0
            waiting = [asyncio.create_task(result(runtime, run_id, Chain)) for run_id in ids]
            await admin.fetchval(CUT)
            assert await asyncio.gather(*waiting) == [16 * number for number in numbers]
            rows, distinct = await admin.fetchrow(RECORDED.format(schema=schema))
            assert rows == distinct == 4 * len(numbers)
    finally:
        await admin.close()
