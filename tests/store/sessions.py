"""A second pair of hands in the test's database: open transactions, broken connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg


@asynccontextmanager
async def session(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        connection.terminate()


@asynccontextmanager
async def held_up(
    url: str, schema: str, run: UUID, seq: int
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Whoever writes this journal entry meanwhile waits in the middle of the
    statement, behind its fence. Yields what lets go before the end."""
    async with session(url) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            f'insert into "{schema}".journal'
            " (run_id, seq, epoch, kind, effect, node, digest, at_ns, payload)"
            " values ($1, $2, 0, 1, 0, 0, 0, 0, '')",
            run,
            seq,
        )
        yield transaction.rollback


async def until_waiting(url: str, statement: str, schema: str) -> list[int]:
    """Backends that wait for a lock in a statement whose name begins so, once there is
    one. Looks from a session of its own: within a transaction the view does not change."""
    async with asyncio.timeout(20), session(url) as connection:
        while True:
            rows = await connection.fetch(
                "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like $1",
                f'%waymark {statement}%"{schema}"%',
            )
            if rows:
                return [row["pid"] for row in rows]


async def terminate(url: str, pids: list[int]) -> None:
    """End backends, and return once they are gone."""
    async with asyncio.timeout(20), session(url) as connection:
        for pid in pids:
            await connection.fetchval("select pg_terminate_backend($1)", pid)
        while await connection.fetchval(
            "select exists (select from pg_stat_activity where pid = any ($1::int[]))", pids
        ):
            pass


async def backends(url: str, schema: str) -> list[int]:
    """Backends of Waymark that have last spoken of `schema`."""
    async with session(url) as connection:
        rows = await connection.fetch(
            "select pid from pg_stat_activity"
            " where application_name like 'waymark %' and query like $1",
            f"%{schema}%",
        )
        return [row["pid"] for row in rows]
