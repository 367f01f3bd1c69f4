"""What a person reads whose database cannot be had."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.database import execute
from waymark.errors import DatabaseTooOld, DatabaseUnreachable, StoreUnavailable
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.connecting import check_version

pytestmark = pytest.mark.anyio

SECRET = "hunter2"


def everything_about(error: BaseException) -> str:
    """All that a log could show of an error, hidden contexts included."""
    shown = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        shown += f"{seen!r}{vars(seen)}"
        seen = seen.__cause__ or seen.__context__
    return shown


async def refusal(url: str, **settings: float) -> DatabaseUnreachable:
    store = PostgresStore(url, **settings)  # type: ignore[arg-type]
    with pytest.raises(DatabaseUnreachable) as caught:
        await store.open()
    assert SECRET not in everything_about(caught.value)
    await store.close()
    return caught.value


async def test_nobody_listens() -> None:
    """The message names host, port, database and user, says what to check, and keeps
    the password to itself."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = await refusal(f"postgresql://ada:{SECRET}@127.0.0.1:{port}/app")
    message = str(error)
    for part in (f"127.0.0.1:{port}", "'app'", "'ada'", "is the server running"):
        assert part in message


@asynccontextmanager
async def listener(greeting: bytes) -> AsyncIterator[int]:
    """The port of a server that greets whoever comes, and says nothing more."""
    ended = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        if not greeting:
            await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await ended.wait()


async def test_a_server_that_never_answers_is_given_up() -> None:
    """Connecting is bounded: a port that accepts and then says nothing is no server."""
    async with listener(b"") as port:
        url = f"postgresql://ada:{SECRET}@127.0.0.1:{port}/app?sslmode=disable"
        error = await refusal(url, connect_timeout_seconds=0.2)
    assert "no answer in time" in str(error)


async def test_something_else_listens() -> None:
    """A web server under the port of a database is a clear error too."""
    async with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        await refusal(f"postgresql://ada:{SECRET}@127.0.0.1:{port}/app", connect_timeout_seconds=2)


async def test_an_unknown_host() -> None:
    """A name that does not resolve."""
    error = await refusal(f"postgresql://ada:{SECRET}@nowhere.invalid/app")
    assert "nowhere.invalid" in str(error)


async def test_a_wrong_password() -> None:
    """The server's refusal is told, and what to do; the password is not."""
    fields = b'SFATAL\0C28P01\0Mpassword authentication failed for user "ada"\0\0'
    async with listener(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields) as port:
        error = await refusal(f"postgresql://ada:{SECRET}@127.0.0.1:{port}/app?sslmode=disable")
    for part in (f"127.0.0.1:{port}", "'ada'", "refused the password", "WAYMARK_DATABASE_URL"):
        assert part in str(error)


async def test_a_role_that_may_not_log_in(database_url: str) -> None:
    """A refused login is told apart from a refused password."""
    execute(database_url, 'create role "waymark_locked_out" nologin')
    try:
        parts = urlsplit(database_url)
        host = parts.netloc.rpartition("@")[2]
        locked_out = parts._replace(netloc=f"waymark_locked_out:{SECRET}@{host}")
        error = await refusal(locked_out.geturl())
    finally:
        execute(database_url, 'drop role "waymark_locked_out"')
    assert "'waymark_locked_out'" in str(error)
    assert "WAYMARK_DATABASE_URL" in str(error)


async def test_a_missing_database(database_url: str) -> None:
    """A database that is not there is named."""
    parts = urlsplit(database_url)
    error = await refusal(parts._replace(path="/no_such_database").geturl())
    assert "no_such_database" in str(error)
    assert "create it" in str(error)


def test_an_old_server_is_refused() -> None:
    """PostgreSQL 13 is the oldest that will do."""
    check_version(13)
    with pytest.raises(DatabaseTooOld, match=r"PostgreSQL 12; Waymark needs 13"):
        check_version(12)


async def test_an_old_server_is_refused_at_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is asked before anything is stored."""
    monkeypatch.setattr("waymark.store.postgres.connecting.OLDEST_MAJOR", 99)
    with pytest.raises(DatabaseTooOld, match="99"):
        await PostgresStore(database_url, schema="never_made").open()


async def test_a_server_that_goes_away_later_is_unavailable(
    database_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a good start the same failure is one that passes: the runtime retries."""
    store = PostgresStore(database_url, schema=schema)
    await store.open()
    try:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            address = store._connector.address.__class__(
                f"postgresql://ada:{SECRET}@127.0.0.1:{port}/app", f"127.0.0.1:{port}", "app", "ada"
            )
            connector = store._connector.__class__(address)
            with pytest.raises(StoreUnavailable) as caught:
                await connector.connect("test")
        assert SECRET not in everything_about(caught.value)
    finally:
        await store.close()
