"""The connection of the heartbeat, which lives in another thread's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING
from uuid import UUID

from .connecting import Connector
from .failures import FAILURES, translate

if TYPE_CHECKING:
    import asyncpg

#: How many beats that hang fit into a lease.
TRIES_PER_LEASE = 4


class Heartbeat:
    """Sends beats over a connection of the loop that asks for them.

    The connection is held by an asynchronous generator. So its loop closes it at
    its own end (`shutdown_asyncgens`), which is the only place where a connection
    of that loop can be closed properly.
    """

    def __init__(self, connector: Connector, statement: str) -> None:
        self._connector = connector
        self._statement = statement
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holder: AsyncGenerator[asyncpg.Connection[asyncpg.Record], None] | None = None

    async def beat(self, worker: UUID, lease_seconds: float) -> bool:
        """Prolong the lease. Raises `StoreUnavailable`, in time for another try: a
        network that swallows packets must not use up the lease."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._holder = loop, None
        if self._holder is None:
            self._holder = self._hold()
        holder = self._holder
        try:
            async with asyncio.timeout(max(lease_seconds / TRIES_PER_LEASE, 1.0)):
                connection = await anext(holder)
                found = await connection.fetchval(self._statement, worker, lease_seconds)
            return found is not None
        except BaseException as error:
            self._holder = None
            await holder.aclose()
            if isinstance(error, FAILURES):
                raise translate(error) from error
            raise

    async def _hold(self) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record], None]:
        connection = await self._connector.connect("heartbeat")
        try:
            while True:
                yield connection
        finally:
            connection.terminate()
