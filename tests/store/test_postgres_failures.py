"""What a failure of the driver means for callers: wait, leave a run out, or give up."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from waymark.errors import Fenced, RefusedData, StoreError, StoreUnavailable
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.failures import FAILURES, translate


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.CrashShutdownError("terminating connection"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.TooManyConnectionsError("sorry, too many clients"),
        asyncpg.DiskFullError("No space left on device"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        asyncpg.QueryCanceledError("canceling statement"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        asyncpg.InvalidPasswordError("changed a moment ago"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        ConnectionRefusedError(111, "refused"),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        EOFError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_is_worth_another_try(error: Exception) -> None:
    """The database is away, busy or moving: the runtime waits and tries again."""
    assert isinstance(error, FAILURES)
    assert isinstance(translate(error), StoreUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DataError("invalid input for query argument"),
        asyncpg.UniqueViolationError("duplicate key value"),
        asyncpg.CheckViolationError("violates check constraint"),
        asyncpg.NotNullViolationError("null value"),
        asyncpg.CharacterNotInRepertoireError("invalid byte sequence"),
        asyncpg.NumericValueOutOfRangeError("integer out of range"),
        asyncpg.InvalidTextRepresentationError("invalid input syntax"),
        asyncpg.ProgramLimitExceededError("array size exceeds the maximum"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        OverflowError("value out of int64 range"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refused_value_concerns_one_run(error: Exception) -> None:
    """No later try would fare better: the writer looks for the run that carries it."""
    assert isinstance(error, FAILURES)
    assert isinstance(translate(error), RefusedData)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UndefinedTableError('relation "waymark.runs" does not exist'),
        asyncpg.InsufficientPrivilegeError("permission denied"),
        asyncpg.PostgresSyntaxError("syntax error"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_anything_else_is_said_plainly(error: Exception) -> None:
    """Neither waiting nor leaving a run out mends it, so it is neither of these."""
    failure = translate(error)
    assert isinstance(failure, StoreError)
    assert not isinstance(failure, (StoreUnavailable, RefusedData, Fenced))
    assert str(error) in str(failure)


async def _interrupted(store: PostgresStore, entered: asyncio.Event) -> None:
    """Lose the connection in the course of a cancellation."""
    async with store._connected():
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise asyncpg.InterfaceError("cannot roll back: the connection is gone")  # noqa: B904


@pytest.mark.anyio
async def test_a_cancellation_survives_what_fails_in_its_course(postgres: PostgresStore) -> None:
    """Who cancels a task need not do so again because its connection broke at that moment."""
    entered = asyncio.Event()
    task = asyncio.create_task(_interrupted(postgres, entered))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _cleaning_up(store: PostgresStore) -> None:
    """Lose the connection while a cancellation is being handled."""
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        async with store._connected():
            raise asyncpg.InterfaceError("the connection is gone")  # noqa: B904


@pytest.mark.anyio
async def test_a_failure_while_cleaning_up_is_a_failure(postgres: PostgresStore) -> None:
    """A cancellation that is being handled already is not the failure's reason."""
    with pytest.raises(StoreUnavailable, match="gone"):
        await _cleaning_up(postgres)


@contextmanager
def loop_errors(told: list[dict[str, Any]]) -> Iterator[None]:
    """What would be logged of tasks that nobody awaits comes into `told`."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(before)


@pytest.mark.anyio
async def test_nobody_is_told_of_a_connection_that_breaks_as_it_is_replaced(
    postgres: PostgresStore,
) -> None:
    """The pool replaces its connections once one was lost, and closes the old ones in tasks
    that nobody awaits: one that turns out to be broken as well is no error in the host's log."""
    told: list[dict[str, Any]] = []
    with loop_errors(told):
        async with postgres._connected() as connection:
            old = connection._transport.get_extra_info("socket")
        assert postgres._pool is not None
        await postgres._pool.expire_connections()
        with socket.socket(fileno=os.dup(old.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
        async with postgres._connected() as connection:
            assert connection._transport.get_extra_info("socket") is not old
        del old, connection
        gc.collect()
        await asyncio.sleep(0)
    assert told == []
