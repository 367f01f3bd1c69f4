"""How connections are made: their settings in one place, and their failures told
apart without ever showing a password.

Connections of one process: the writer's (one for each lane, two by default), at
most three for everything else, one for the heartbeat, one that listens for hints.
So seven, most of them opened when first needed.

Poolers. Something that hands a connection of the server to another client between two
transactions (PgBouncer, in transaction mode) can keep nothing that belongs to a session:
settings, prepared statements, LISTEN. It shows itself, so no setting has to name it: it
refuses the settings in the startup message, or else it greets with a process number that
is not that of the server's process.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from waymark.errors import DatabaseTooOld, DatabaseUnreachable, StoreError, StoreUnavailable

from .address import Address
from .failures import FAILURES, translate

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection

#: The bound of the pool that serves all but flushes, beats and hints.
POOL_CONNECTIONS_MAX = 3

#: How long a connection may take to say goodbye.
CLOSE_SECONDS = 2.0

#: The oldest server that has what the statements need.
OLDEST_MAJOR = 13

#: Settings that pin the plans. Every statement of ours reaches its rows through an
#: index; a planner that sees fresh, unanalysed or fast growing tables would guess
#: otherwise now and then, and halve the throughput. They travel in the startup
#: message, which PgBouncer refuses: behind a pooler they are left out.
PINNED_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}

#: Statements are written for this level, whatever the default of the database is. At a
#: stricter one a flush that meets a beat would fail.
ISOLATION = {"default_transaction_isolation": "read committed"}


#: The purpose of the first connection.
START = "start"

#: What PgBouncer says to settings in the startup message (no SQLSTATE is its own).
_REFUSES_SETTINGS = "unsupported startup parameter"


class PooledConnection(_Connection):
    """Nothing of ours stays in a session of the pool: no locks, no settings, no LISTEN, no
    cursors. So nothing is cleared when a connection comes back, which would be a statement
    after each statement. (Transactions that were left open are ended all the same.)"""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""

    async def close(self, *, timeout: float | None = None) -> None:
        """Close the connection; never raises. The pool closes connections that it replaces in
        tasks that nobody awaits, where a failure would only frighten the host."""
        with suppress(*FAILURES):
            await super().close(timeout=CLOSE_SECONDS if timeout is None else timeout)


@dataclass(slots=True)
class Connector:
    """Makes connections to one database. `timeout_seconds` bounds connecting,
    `statement_timeout_seconds` each statement: a network that swallows packets
    must not hold anybody up for ever. `idle_transaction_seconds` is when the server
    ends a transaction whose client has fallen silent: a process that is stopped within
    a claim would else hold its own worker's row, so that it could never be declared
    dead, for as long as it is stopped. `pooler` says that PgBouncer or the like
    stands in between: nothing that belongs to a session is used then. `first_connection`
    finds it out."""

    address: Address
    timeout_seconds: float = 10.0
    statement_timeout_seconds: float = 60.0
    idle_transaction_seconds: float = 10.0
    pooler: bool = False

    @property
    def idle_transaction_milliseconds(self) -> str:
        return str(round(self.idle_transaction_seconds * 1000))

    async def connect(self, purpose: str) -> asyncpg.Connection[asyncpg.Record]:
        """A new connection. Raises `StoreUnavailable`."""
        failure: StoreError
        try:
            return await asyncpg.connect(
                self.address.url,
                timeout=self.timeout_seconds,
                command_timeout=self.statement_timeout_seconds,
                statement_cache_size=self._statements_kept(purpose),
                server_settings=self.server_settings(purpose),
            )
        except (*FAILURES, ValueError) as error:
            refuses = purpose == START and _REFUSES_SETTINGS in str(error)
            failure = StoreUnavailable(self._explain(error))
        if refuses and not self.pooler:
            self.pooler = True
            return await self.connect(purpose)
        # Raised out here, so that no driver's message hangs on it as its context.
        raise failure

    async def first_connection(self, process: str) -> asyncpg.Connection[asyncpg.Record]:
        """A connection to a server that is new enough. `process` is the statement that
        asks for its process. Raises `DatabaseUnreachable` and `DatabaseTooOld`."""
        try:
            connection = await self._connect_or_notice_pooler(process)
        except StoreUnavailable as error:
            failure = DatabaseUnreachable(str(error))
        else:
            try:
                check_version(connection.get_server_version().major)
            except DatabaseTooOld:
                connection.terminate()
                raise
            return connection
        raise failure

    async def _connect_or_notice_pooler(self, process: str) -> asyncpg.Connection[asyncpg.Record]:
        connection = await self.connect(START)
        try:
            direct = await connection.fetchval(process) == connection.get_server_pid()
        except FAILURES as error:
            connection.terminate()
            raise translate(error) from error
        if direct or self.pooler:
            return connection
        connection.terminate()
        self.pooler = True
        return await self.connect(START)

    def _statements_kept(self, purpose: str) -> int:
        """How many prepared statements a connection keeps; none while nobody knows whether
        they would be left behind for other clients of a pooler."""
        return 0 if self.pooler or purpose == START else 100

    def create_pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """A small pool that connects when first used."""
        return asyncpg.create_pool(
            self.address.url,
            min_size=0,
            max_size=POOL_CONNECTIONS_MAX,
            timeout=self.timeout_seconds,
            command_timeout=self.statement_timeout_seconds,
            statement_cache_size=self._statements_kept("pool"),
            server_settings=self.server_settings("pool"),
            connection_class=PooledConnection,
        )

    def server_settings(self, purpose: str) -> dict[str, str]:
        if self.pooler:
            return {}
        return {
            "application_name": f"waymark {purpose}",
            "idle_in_transaction_session_timeout": self.idle_transaction_milliseconds,
            **ISOLATION,
            **PINNED_PLANS,
        }

    def _explain(self, error: BaseException) -> str:
        return f"cannot connect to PostgreSQL {self.address.described}: {_advice(error)}"


async def close_quietly(
    open_end: asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record],
) -> None:
    """Close a connection or a pool whose server may be gone. Gives it `CLOSE_SECONDS`."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await open_end.close()
    except FAILURES:
        open_end.terminate()


def check_version(major: int) -> None:
    """Raise `DatabaseTooOld` for a server that lacks what the statements need."""
    if major < OLDEST_MAJOR:
        raise DatabaseTooOld(
            f"the server is PostgreSQL {major}; Waymark needs {OLDEST_MAJOR} or newer. Upgrade it,"
            " or point WAYMARK_DATABASE_URL at another server"
        )


def _advice(error: BaseException) -> str:
    """What happened and what to do. Quotes only errors that cannot hold a secret:
    those of the server, and those of the operating system."""
    match error:
        case asyncpg.InvalidPasswordError():
            return (
                "the server refused the password; set the right one in WAYMARK_DATABASE_URL,"
                " percent-encoded"
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"the server refused the login ({error}); check the user in WAYMARK_DATABASE_URL"
        case asyncpg.InvalidCatalogNameError():
            return f"{error}; create it, or correct the name in WAYMARK_DATABASE_URL"
        case asyncpg.PostgresError():
            return str(error)
        case TimeoutError() | asyncio.CancelledError():
            return "no answer in time; check host, port and firewall in WAYMARK_DATABASE_URL"
        case OSError():
            reason = error.strerror or type(error).__name__
            return f"{reason}; is the server running, and are host and port right?"
        case _:
            return (
                f"the driver gave up ({type(error).__name__}); check the form of"
                " WAYMARK_DATABASE_URL and the TLS settings"
            )
