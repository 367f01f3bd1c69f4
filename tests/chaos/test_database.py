"""What a database may do to those who rely on it, on a real server.

In each case the same is asked: the action that runs meanwhile goes on, and is not called
again; outcomes and submissions wait; all goes on by itself when the trouble is over; and
then nothing is lost, nothing doubled, nothing stuck.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from tests.chaos.load import Enduring, Load, TwoGates, calls, gates, loaded
from tests.database import execute
from tests.runtime.serving import result, serving, submit, until
from tests.server import Server, private_server
from waymark.errors import StoreUnavailable
from waymark.store.postgres import PostgresStore

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.chaos,
    pytest.mark.usefixtures("heard_in_vain"),
]

#: How long a trouble lasts that has no length of its own.
TROUBLE_SECONDS = 1.5

Trouble: TypeAlias = Callable[[Server], AbstractAsyncContextManager[None]]


@pytest.fixture
def server() -> Iterator[Server]:
    with private_server() as server:
        execute(server.url, "create role app login", "grant create on database postgres to app")
        yield server


def as_app(server: Server) -> str:
    """The URL of an ordinary user, for whom no connections are reserved."""
    return server.url.replace("postgres@", "app@")


async def admin(server: Server, *statements: str) -> None:
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute("set default_transaction_read_only = off")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


RELOAD = "select pg_reload_conf()"
TERMINATE = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'"


def restart(number: signal.Signals) -> Trouble:
    @asynccontextmanager
    async def trouble(server: Server) -> AsyncIterator[None]:
        await asyncio.to_thread(server.stop, number)
        yield
        await asyncio.to_thread(server.start)

    return trouble


@asynccontextmanager
async def read_only(server: Server) -> AsyncIterator[None]:
    """As during a failover, before the standby is promoted."""
    await admin(server, "alter system set default_transaction_read_only = on", RELOAD)
    yield
    await admin(server, "alter system reset default_transaction_read_only", RELOAD)


@asynccontextmanager
async def terminated(server: Server) -> AsyncIterator[None]:
    """All connections, again and again."""

    async def terminate() -> None:
        while True:
            await admin(server, TERMINATE)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(terminate())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def no_slots(server: Server) -> AsyncIterator[None]:
    """Others take every connection that there is."""
    async with AsyncExitStack() as stack:
        holder = await asyncpg.connect(server.url)
        stack.push_async_callback(holder.close)
        await holder.execute("create role greedy login")
        left = "select count(*) from pg_stat_activity where usename = 'app'"
        while await holder.fetchval(left):
            await holder.execute(TERMINATE)
            with suppress(asyncpg.TooManyConnectionsError):
                while True:
                    other = await asyncpg.connect(server.url.replace("postgres@", "greedy@"))
                    stack.push_async_callback(other.close)
        yield


@asynccontextmanager
async def statement_timeout(server: Server) -> AsyncIterator[None]:
    await admin(server, "alter role app set statement_timeout = '1ms'", TERMINATE)
    yield
    await admin(server, "alter role app reset statement_timeout")


@asynccontextmanager
async def lock_timeout(server: Server) -> AsyncIterator[None]:
    """Somebody holds a table for long, and waiting for locks is bounded."""
    await admin(server, "alter role app set lock_timeout = '50ms'", TERMINATE)
    connection = await asyncpg.connect(server.url)
    async with connection.transaction():
        await connection.execute("lock table waymark.journal in exclusive mode")
        yield
    await connection.close()


@asynccontextmanager
async def disk_full(server: Server) -> AsyncIterator[None]:
    """The journal's disk has no room; where nobody may mount one, its table says so."""
    place = server.folder.parent / "small"
    mounted = mount(place, server)
    if mounted:
        server.cleanups.append(lambda: unmount(place))
        await admin(server, f"create tablespace small location '{place}'", MOVE, FILLER, FILL)
    else:
        await admin(server, REFUSAL, REFUSE)
    yield
    await admin(
        server, "drop table filler" if mounted else "drop trigger full_disk on waymark.journal"
    )


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True)


MOVE = "alter table waymark.journal set tablespace small"
FILLER = "create table filler (filling text storage plain) tablespace small"
FILL = """do $$ begin
    loop
        begin
            insert into filler values (repeat('x', 7000));
        exception when disk_full then exit;
        end;
    end loop;
end $$"""
REFUSAL = """create function full_disk() returns trigger language plpgsql as $$ begin
    raise 'No space left on device' using errcode = 'disk_full';
end $$"""
REFUSE = """create trigger full_disk before insert on waymark.journal
    execute function full_disk()"""


def mount(place: Path, server: Server) -> bool:
    """Whether a small disk could be put there."""
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    size = f"size=16m,uid={server.account.uid},gid={server.account.gid},mode=700"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


TROUBLES: dict[str, Trouble] = {
    "fast restart": restart(signal.SIGINT),
    "immediate restart": restart(signal.SIGQUIT),
    "read-only": read_only,
    "terminated connections": terminated,
    "no connection slots": no_slots,
    "statement timeout": statement_timeout,
    "lock timeout": lock_timeout,
    "disk full": disk_full,
}


@pytest.mark.parametrize("kind", TROUBLES)
async def test_work_survives(kind: str, server: Server, effects: Path) -> None:
    async with loaded(as_app(server), server.url, submit_timeout_seconds=60.0) as load:
        async with TROUBLES[kind](server):
            gates[-1].set()
            await asyncio.sleep(TROUBLE_SECONDS)
        await load.progress()
        assert await load.endured() == 3
        await hold_to_the_promises(load, effects)


async def hold_to_the_promises(load: Load, effects: Path) -> None:
    await load.end()
    census = await load.count(effects)
    assert census.clean, census.examples
    assert census.runs >= len(load.acked) > 20


async def test_a_role_that_is_serializable_works_behind_a_pooler(
    server: Server, effects: Path
) -> None:
    """Where sessions keep no settings, statements run at the level of the role; what cannot
    be serialized is done again."""
    execute(server.url, "alter role app set default_transaction_isolation = serializable")
    async with loaded(as_app(server), server.url, pooler=True, lease_seconds=1.0) as load:
        await load.progress(60)
        gates[-1].set()
        assert await load.endured() == 3
        await hold_to_the_promises(load, effects)


async def test_a_standby_takes_over(server: Server, effects: Path) -> None:
    """The primary falls and its standby, which has all that was acknowledged, is promoted:
    work goes on there, by a URL that names both."""
    server.stop(signal.SIGINT)
    standby = server.copy("standby")
    standby.follow(server)
    server.start()
    standby.start()
    await admin(server, "alter system set synchronous_standby_names = '*'", RELOAD)
    both = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
    url = f"postgresql://app@{both}/postgres?target_session_attrs=read-write"
    try:
        async with loaded(url, standby.url, submit_timeout_seconds=60.0) as load:
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            gates[-1].set()
            promoted = await asyncpg.connect(standby.url)
            assert await promoted.fetchval("select pg_promote()")
            await promoted.execute("alter system reset synchronous_standby_names")
            await promoted.execute(RELOAD)
            await promoted.close()
            await load.progress()
            assert await load.endured() == 3
            await hold_to_the_promises(load, effects)
    finally:
        standby.stop()


async def test_a_standby_that_lagged_takes_over(server: Server, effects: Path) -> None:
    """A real one, which has not heard of the last runs, and two processes that have."""
    server.stop(signal.SIGINT)
    standby = server.copy("standby")
    standby.follow(server)
    server.start()
    standby.start()
    both = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
    url = f"postgresql://app@{both}/postgres?target_session_attrs=read-write"
    try:
        async with (
            loaded(url, standby.url, submit_timeout_seconds=60.0) as load,
            serving(PostgresStore(url), poll_seconds=0.1),
        ):
            await load.progress(60)
            await admin(standby, "alter system set primary_conninfo = ''", RELOAD)
            await load.progress(60)
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            gates[-1].set()
            await admin(standby, "select pg_promote()")
            await load.progress()
            await load.end()
            census = await load.count(effects)
            assert {*census.broken} <= {"lost", "early", "orphan"}, census.examples
            assert census.broken["lost"]
    finally:
        standby.stop()


async def test_an_older_copy_takes_over(server: Server, effects: Path) -> None:
    """The server comes back as it was some time ago, as after a failover to a standby that
    lagged far behind: what it does not have is forgotten, what it has goes on from there,
    without gaps, and to its right end."""
    gates.append(asyncio.Event())
    async with loaded(as_app(server), server.url, submit_timeout_seconds=60.0) as load:
        idle = await submit(load.runtime, TwoGates)
        await until(lambda: -2 in calls)
        await asyncio.to_thread(server.stop)
        older = await asyncio.to_thread(server.copy, "older")
        await asyncio.to_thread(server.start)
        gates[-2].set()
        await until(lambda: -1 in calls)  # So the outcome of the first is acknowledged.
        await load.progress(60)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.replace_by, older)
        await asyncio.to_thread(server.start)
        await load.progress()
        gates[-1].set()
        assert await result(load.runtime, idle, TwoGates) == [2, 1]
        assert sorted(calls) == [-2, -2, -1, -1, 1]
        await load.end()
        census = await load.count(effects)
        # What happened in the lost time happened to the world, too; and a child whose row
        # was under way may be stored without the parent that asked for it.
        assert {*census.broken} <= {"lost", "early", "orphan"}, census.examples


async def test_a_submission_fails_clearly_in_the_end(server: Server, effects: Path) -> None:
    """It waits for its time and then says what is known. Nothing is there of what was
    never sent, and the process works on when the server is back."""
    async with loaded(as_app(server), server.url, submit_timeout_seconds=0.5) as load:
        await asyncio.to_thread(server.stop)
        with pytest.raises(StoreUnavailable, match=r"has not answered for 0\.5 seconds"):
            await submit(load.runtime, Enduring, 5)
        await asyncio.to_thread(server.start)
        gates[-1].set()
        await load.progress()
        assert await load.endured() == 3
