"""The connection of the heartbeat, which lives in another thread's loop.

Its session holds an advisory lock for as long as it lasts, the worker's witness. The
kernel ends the session of a process that dies, and with it the lock, long before the
lease has run out. A held lock proves nothing (a process that stands still holds it, too);
a missing one does, where it was taken straight from the server that still runs: hence the
row says under which start of the server that was, and says nothing behind a pooler.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING
from uuid import UUID

from .connecting import Connector
from .failures import FAILURES, translate
from .statements import Statements

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

    def __init__(self, connector: Connector, statements: Statements) -> None:
        self._connector = connector
        self._statements = statements
        #: The worker whose lock the session holds.
        self._witnessed: UUID | None = None
        self._direct = False
        self._broken: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holder: AsyncGenerator[asyncpg.Connection[asyncpg.Record], None] | None = None

    async def beat(
        self, worker: UUID, lease_seconds: float, broken: Callable[[], None] | None
    ) -> bool:
        """Prolong the lease. Raises `StoreUnavailable`, in time for another try: a
        network that swallows packets must not use up the lease."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._holder = loop, None
        self._broken = broken
        if self._holder is None:
            self._holder = self._hold()
        holder = self._holder
        try:
            async with asyncio.timeout(max(lease_seconds / TRIES_PER_LEASE, 1.0)):
                connection = await anext(holder)
                await self._witness(connection, worker)
                found = await connection.fetchval(
                    self._statements["beat"], worker, lease_seconds, self._direct
                )
            return found is not None
        except BaseException as error:
            self._holder = None
            await holder.aclose()
            if isinstance(error, FAILURES):
                raise translate(error) from error
            raise

    async def _hold(self) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record], None]:
        while True:
            connection = await self._connector.connect("heartbeat")
            self._witnessed = None
            connection.add_termination_listener(self._ended)
            try:
                while not connection.is_closed():
                    yield connection
            finally:
                connection.remove_termination_listener(self._ended)
                connection.terminate()

    async def _witness(self, connection: asyncpg.Connection[asyncpg.Record], worker: UUID) -> None:
        """Let this session hold the worker's lock, before the row says so."""
        if self._witnessed == worker:
            return
        self._direct = not self._connector.pooler and bool(
            await connection.fetchval(
                self._statements["witness"], worker, connection.get_server_pid()
            )
        )
        self._witnessed = worker

    def _ended(self, _connection: object) -> None:
        """The session is gone, and with it the lock: without another one soon, this
        process counts as dead."""
        if self._broken is not None:
            self._broken()
