"""Users of a runtime in this process, and one action that runs through it all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from tests.chaos.census import Census, judge, read_effects
from tests.chaos.shapes import SHAPES
from tests.runtime.serving import result, serving, submit, until
from waymark import Workflow, action, workflow
from waymark.errors import RunNotFound, StoreUnavailable
from waymark.runtime.runtime import Runtime
from waymark.store.postgres import PostgresStore

USERS = 6

#: What lets `enduring` end, and how often it was called; set anew by each load.
gates: list[asyncio.Event] = []
calls: list[int] = []


@action
async def enduring(number: int) -> int:
    calls.append(number)
    await gates[-1].wait()
    return number + 1


@action
async def gated(gate: int) -> int:
    """Waits for the gate of that place, counted from the end."""
    calls.append(-gate)
    await gates[-gate].wait()
    return gate


@workflow
class TwoGates(Workflow):
    async def run(self) -> list[int]:
        return [await gated(2), await gated(1)]


@workflow
class Enduring(Workflow):
    """Its first action runs while the database is in trouble."""

    async def run(self, number: int) -> int:
        return await enduring(number) + 1


class Load:
    """Submits one run after the other until it is over. `told` counts results."""

    def __init__(self, runtime: Runtime, url: str) -> None:
        self.runtime = runtime
        self.url = url
        self.acked: dict[UUID, tuple[str, int]] = {}
        self.told = 0
        self._users: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        gates.append(asyncio.Event())
        calls.clear()
        self._users = [
            asyncio.create_task(self._use(random.Random(place))) for place in range(USERS)
        ]
        self._enduring = await submit(self.runtime, Enduring, 1)
        await self.progress()
        await until(lambda: bool(calls))

    async def progress(self, count: int = 20) -> None:
        """Returns when so many results more were told."""
        wanted = self.told + count
        while self.told < wanted:
            for user in self._users:
                if user.done():
                    user.result()
            await asyncio.sleep(0.001)

    async def endured(self) -> int:
        """The result of the action that ran meanwhile: it was called once."""
        assert calls == [1]
        return int(await result(self.runtime, self._enduring, Enduring))

    async def _use(self, chance: random.Random) -> None:
        names = [name for name in SHAPES if name != "family"]
        while True:
            name, number = chance.choice(names), chance.randrange(1000)
            try:
                run_id = await submit(self.runtime, SHAPES[name].workflow, number)
                self.acked[run_id] = (name, number)
                outcome = await result(self.runtime, run_id, SHAPES[name].workflow)
            except (StoreUnavailable, RunNotFound):
                continue
            assert SHAPES[name].fits(number, outcome), (name, number, outcome)
            self.told += 1

    async def end(self) -> None:
        """Submit no more, and return when all has ended. A child that was stored without the
        parent which was to cancel it may sleep for a day."""
        for user in self._users:
            user.cancel()
        await asyncio.gather(*self._users, return_exceptions=True)
        connection = await asyncpg.connect(self.url)
        try:
            unfinished = (
                "select count(*) from waymark.runs where state < 10"
                " and (parent is null or parent in (select id from waymark.runs))"
            )
            while await connection.fetchval(unfinished):  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.01)
        finally:
            await connection.close()

    async def count(self, effects: Path) -> Census:
        connection = await asyncpg.connect(self.url)
        try:
            name = "tests.chaos.load:%"
            of_shapes = "workflow not like $1"
            runs: list[Any] = await connection.fetch(
                f"select * from waymark.runs where {of_shapes}", name
            )
            journal: list[Any] = await connection.fetch(
                "select journal.* from waymark.journal join waymark.runs on run_id = id"
                f" where {of_shapes} order by run_id, seq",
                name,
            )
        finally:
            await connection.close()
        return judge(runs, journal, self.acked, read_effects(effects), zombies=True)


@asynccontextmanager
async def loaded(url: str, admin: str, **settings: Any) -> AsyncIterator[Load]:
    """A runtime on `url` with users; `admin` is asked what became of their runs."""
    store = PostgresStore(url, pooler=settings.pop("pooler", False))
    async with serving(store, poll_seconds=0.1, **settings) as runtime:
        load = Load(runtime, admin)
        await load.begin()
        yield load
