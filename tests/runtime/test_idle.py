"""A process with nothing to do asks the database next to nothing: counted by statements,
each transaction's beginning and end among them, not by time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.runtime.serving import result, serving, submit, until
from tests.runtime.workflows import Chain, Double, Nap, Stage
from waymark.runtime.runtime import Runtime
from waymark.settings import Settings
from waymark.store.postgres import PostgresStore

pytestmark = pytest.mark.anyio


class Counted:
    """Every statement that goes out of this process."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self._tasks: list[asyncio.Task[Any] | None] = []

    def add(self, query: str) -> None:
        self.statements.append(query)
        self._tasks.append(asyncio.current_task())

    def clear(self) -> None:
        self.statements.clear()
        self._tasks.clear()

    @property
    def of_this_task(self) -> list[str]:
        """Without those of the process's own looks: a late hint asks for one."""
        here = asyncio.current_task()
        asked = zip(self.statements, self._tasks, strict=True)
        return [statement for statement, task in asked if task is here]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    by_arguments = asyncpg.Connection._execute  # type: ignore[attr-defined]
    plain = asyncpg.Connection.execute

    async def _execute(self: Any, query: str, *args: Any, **options: Any) -> Any:
        counted.add(query)
        return await by_arguments(self, query, *args, **options)

    async def execute(self: Any, query: str, *args: Any, **options: Any) -> Any:
        if not args:
            counted.add(query)
        return await plain(self, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "_execute", _execute)
    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    return counted


@pytest.fixture
async def runtime(
    database_url: str, schema: str, counted: Counted, stage: Stage
) -> AsyncIterator[Runtime]:
    """A process whose looks the test makes itself, after it has done some work."""
    store = PostgresStore(database_url, schema=schema)
    async with serving(store, poll_seconds=3600.0) as runtime:
        assert await result(runtime, await submit(runtime, Double, 2), Double) == 4
        assert await result(runtime, await submit(runtime, Chain, 1), Chain) == 16
        await until(lambda: not runtime._scheduler.at_work())
        await runtime._sweep.look()
        counted.clear()
        yield runtime


async def test_a_look_that_finds_nothing_is_one_statement(
    runtime: Runtime, counted: Counted
) -> None:
    """With a poll each second and the beats of a lease that is less than two a second."""
    for _ in range(5):
        assert await runtime._sweep.look() == 0
    assert len(counted.of_this_task) == 5, counted.statements
    settings = Settings()
    looks = 1 / settings.poll_seconds
    beats = 4 / settings.lease_seconds
    removals = 1 / 60
    assert looks + beats + removals < 2


async def test_runs_that_sleep_do_not_make_it_more(runtime: Runtime, counted: Counted) -> None:
    """However many there are."""
    for _ in range(20):
        await submit(runtime, Nap, 3600.0)
    await until(lambda: not runtime._scheduler.at_work())
    await runtime._sweep.look()
    counted.clear()
    for _ in range(5):
        assert await runtime._sweep.look() == 0
    assert len(counted.of_this_task) == 5, counted.statements
