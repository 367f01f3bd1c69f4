"""Finished runs are removed the moment they end, while everything else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from tests.chaos.census import read_effects
from tests.chaos.shapes import SHAPES, Family
from tests.runtime.serving import run, serving
from waymark.errors import RunNotFound
from waymark.runtime.runtime import Runtime
from waymark.store.postgres import PostgresStore

pytestmark = [pytest.mark.anyio, pytest.mark.chaos]

TABLES = ("runs", "journal", "inbox", "snapshots", "attempts", "tasks")
USERS, ROUNDS, DEATHS = 8, 6, 6


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def use(runtime: Runtime, user: int) -> int:
    """Families one after the other; returns how many results were told."""
    told = 0
    for number in range(user, user + ROUNDS):
        # Who is away when a run ends may find it removed.
        with suppress(RunNotFound):
            result = await run(runtime, Family, number)
            assert SHAPES["family"].fits(number, result)
            told += 1
    return told


async def test_what_ends_is_removed_under_the_feet_of_all(
    database_url: str, schema: str, effects: Path, admin: asyncpg.Connection
) -> None:
    """Children are removed only after their parents, also when workers are declared dead and
    their runs are recovered elsewhere: no child begins anew under its old id, no parent is
    left without an answer, and nothing of a removed run stays."""
    store = PostgresStore(database_url, schema=schema)
    beside = PostgresStore(database_url, schema=schema)
    async with serving(store) as first, serving(beside) as second:
        using = [asyncio.create_task(use((first, second)[n % 2], n)) for n in range(USERS)]
        removed = deaths = 0
        while not all(task.done() for task in using):
            gone, _ = await store.remove_finished(0.0, 300, 3000)
            removed += gone
            if removed > 20 * (deaths + 1) and deaths < DEATHS:
                deaths += 1
                await store.remove_worker((first, second)[deaths % 2].worker)
        assert sum(await asyncio.gather(*using)) > USERS
        assert deaths == DEATHS
        unfinished = f'select count(*) from "{schema}".runs where state < 10'
        while await admin.fetchval(unfinished):  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.01)
        for _ in range(3):  # Parents, then their children, then theirs.
            await store.remove_finished(0.0, 10_000, 1_000_000)
        rows = {t: await admin.fetchval(f'select count(*) from "{schema}".{t}') for t in TABLES}
    assert rows == dict.fromkeys(TABLES, 0)
    assert read_effects(effects)
