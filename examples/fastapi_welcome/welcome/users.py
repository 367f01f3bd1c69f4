"""The table of users: the app's own, in the same Postgres that Waymark uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from .models import User

CREATE = """
    -- Two processes may start at once.
    SELECT pg_advisory_xact_lock(hashtext('users'));
    CREATE TABLE IF NOT EXISTS users (
        id     text PRIMARY KEY,
        email  text NOT NULL,
        active boolean NOT NULL DEFAULT true
    )
"""
SAVE = """
    INSERT INTO users (id, email, active)
    SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[])
    ON CONFLICT (id) DO UPDATE SET email = excluded.email, active = excluded.active
"""
FETCH = "SELECT id, email, active FROM users WHERE id = ANY($1::text[]) ORDER BY id"


class UserTable:
    """Reads and writes users over a pool of connections."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def fetch(self, user_ids: Sequence[str]) -> list[User]:
        """The users with these ids, by id. Ids that nobody has are left out."""
        rows = await self._pool.fetch(FETCH, user_ids)
        return [User(**row) for row in rows]

    async def save(self, users: Sequence[User]) -> None:
        """Insert these users, or bring them up to date."""
        columns = zip(*[(user.id, user.email, user.active) for user in users], strict=True)
        await self._pool.execute(SAVE, *map(list, columns))


class Users:
    """Where the app and its actions find the table.

    A run that was cut short goes on as soon as Waymark has started, which may be a moment before
    the app has opened its table: `table` waits for it.
    """

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._table: UserTable | None = None

    @asynccontextmanager
    async def open(self, database_url: str) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, min_size=1, max_size=5) as pool:
            await pool.execute(CREATE)
            self._table = UserTable(pool)
            self._opened.set()
            try:
                yield
            finally:
                self._opened.clear()

    async def table(self) -> UserTable:
        await self._opened.wait()
        assert self._table is not None
        return self._table


users = Users()


async def user_table() -> UserTable:
    """The dependency of endpoints and actions alike. Tests put another object into `users`."""
    return await users.table()
