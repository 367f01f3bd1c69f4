"""Promises 2 and 3 among faults that a seed decides: several runtimes on one database,
whose calls are slow or lost, which are declared dead, cut off, and stopped at any time."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.chaos.census import judge, read_effects
from tests.chaos.faults import FaultyStore
from tests.chaos.shapes import SHAPES
from tests.runtime.serving import begin, serving, submit, until
from waymark.errors import StoppingError, StoreUnavailable
from waymark.runtime.runtime import Runtime
from waymark.store.memory import MemoryDatabase, MemoryStore

pytestmark = pytest.mark.anyio

RUNTIMES = 3
LIVES = 3
USERS = 4


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop on a store that is cut off waits no longer than it must."""
    monkeypatch.setattr("waymark.runtime.drain.LAST_FLUSH_SECONDS", 0.1)
    monkeypatch.setattr("waymark.runtime.runtime.LEAVE_SECONDS", 0.1)


async def use(runtime: Runtime, chance: random.Random, acked: dict[UUID, tuple[str, int]]) -> None:
    """Submit one run after the other, and wait for some of them."""
    while True:
        name, number = chance.choice(list(SHAPES)), chance.randrange(1000)
        try:
            run_id = await submit(runtime, SHAPES[name].workflow, number)
            acked[run_id] = (name, number)
            if chance.random() < 0.5:
                result = await runtime.client.result(run_id, None, None)
                assert SHAPES[name].fits(number, result), (name, number, result)
        except StoreUnavailable:
            continue
        except StoppingError:
            return


async def live(
    database: MemoryDatabase, chance: random.Random, acked: dict[UUID, tuple[str, int]]
) -> None:
    """One process, from its start to its end, of whatever kind."""
    store = FaultyStore(database, random.Random(chance.random()), 0.0)
    runtime, ownership = await begin(
        store,
        poll_seconds=0.01,
        drain_seconds=chance.choice([0.0, 0.05]),
        resident_runs_max=chance.choice([2, 10, 1000]),
        flush_rows_max=chance.choice([1, 5, 500]),
        queues=chance.choice([("default",), ("default",), ()]),
    )
    store._fault_rate = chance.choice([0.0, 0.02, 0.2])
    users = [
        asyncio.create_task(use(runtime, random.Random(chance.random()), acked))
        for _ in range(USERS)
    ]
    for _ in range(chance.randrange(4)):
        await asyncio.sleep(chance.uniform(0.0, 0.05))
        if chance.random() < 0.7:
            await MemoryStore.remove_worker(store, runtime.worker)
        elif runtime._group is not None:
            runtime._group.start_soon(break_down)
    await asyncio.sleep(chance.uniform(0.0, 0.05))
    if chance.random() < 0.5:
        store.cut = True
        await MemoryStore.remove_worker(store, runtime.worker)
    await ownership.end()
    for user in users:
        user.cancel()
    for outcome in await asyncio.gather(*users, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def break_down() -> None:
    raise RuntimeError("a bug of ours")


async def ordeal(seed: int, database: MemoryDatabase) -> dict[UUID, tuple[str, int]]:
    """Everything that happens by one seed; returns what was submitted. One runtime lives
    through it all, and has to finish what the others leave, without forgetting anything
    that it has taken."""
    chance = random.Random(seed)
    acked: dict[UUID, tuple[str, int]] = {}

    async def lives(chance: random.Random) -> None:
        for _ in range(LIVES):
            await live(database, chance, acked)

    steady = FaultyStore(database, random.Random(chance.random()), 0.0)
    async with serving(steady, poll_seconds=0.01) as runtime:
        steady._fault_rate = 0.2
        await asyncio.gather(*[lives(random.Random(chance.random())) for _ in range(RUNTIMES)])
        steady._fault_rate = 0.0
        # Who was cut off could not leave: in the end the lease says so.
        for worker in database.workers.keys() - {runtime.worker}:
            del database.workers[worker]
        await until(lambda: not database.live)
    return acked


@pytest.mark.parametrize("seed", range(6))
async def test_promises_hold_among_faults(seed: int, effects: Path) -> None:
    """Everything submitted ends with its result, each call with one outcome."""
    database = MemoryDatabase()
    async with asyncio.timeout(60):
        acked = await ordeal(seed, database)
    rows: list[Any] = [
        {name: getattr(run, name) for name in run.__slots__} for run in database.runs.values()
    ]
    entries = [row._asdict() for rows in database.journal.values() for row in rows.values()]
    entries.sort(key=lambda row: row["seq"])
    census = judge(rows, entries, acked, read_effects(effects), zombies=True)
    assert census.clean, census.examples
    assert census.runs >= len(acked) > RUNTIMES
