"""Runs that wait leave memory and come back: in time, on any process, and with nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from tests.runtime.naps import (
    HOUR_NS,
    Alarms,
    Limited,
    MovedClock,
    Overnight,
    Sleeping,
    Tidy,
    Waiting,
)
from tests.runtime.serving import begin, result, serving, submit, until
from tests.runtime.workflows import Hold, Stage
from waymark.errors import StoreUnavailable
from waymark.runtime.run_ids import child_id
from waymark.runtime.runtime import Runtime
from waymark.settings import Settings
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, Flush, Message, Park, RunRow, RunState

pytestmark = pytest.mark.anyio

SECOND_NS = 10**9


@asynccontextmanager
async def parking(clock: MovedClock, store: MemoryStore, **settings: Any) -> AsyncIterator[Runtime]:
    """A runtime that lets runs sleep which wait for more than a second, and for a child
    at once."""
    async with serving(store, clock, **{"park_after_seconds": 0.05, **settings}) as runtime:
        yield runtime


def state(database: MemoryDatabase, run_id: UUID) -> int:
    return database.runs[run_id].state


async def asleep(database: MemoryDatabase, run_id: UUID) -> None:
    await until(lambda: run_id in database.runs and state(database, run_id) == RunState.WAITING)


async def gone(runtime: Runtime, *runs: UUID) -> None:
    """Returns when nothing is left of these runs in memory."""
    scheduler = runtime._scheduler
    await until(lambda: not any(run in scheduler.runs for run in runs))
    await until(lambda: scheduler.parking.known <= set(scheduler.runs.values()))


async def test_a_run_that_sleeps_leaves_memory(stage: Stage) -> None:
    """It is a row, woken by nothing but its time, and goes on where it was."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Overnight, 3600.0)
        ending = asyncio.create_task(result(runtime, run_id, Overnight))
        await asleep(database, run_id)
        await gone(runtime, run_id)
        assert runtime._scheduler.held == 0
        assert database.runs[run_id].owner is None
        clock.move(HOUR_NS - SECOND_NS)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert (state(database, run_id), stage.calls["double 2"]) == (RunState.WAITING, 0)
        clock.move(SECOND_NS)
        assert await ending == [2, 4]
    assert stage.calls["double 1"] == stage.calls["double 2"] == 1


async def test_one_claimed_ahead_fires_at_its_deadline(stage: Stage) -> None:
    """It is in memory when its time comes, and does nothing before that."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database), poll_seconds=0.05) as runtime:
        run_id = await submit(runtime, Overnight, 3600.0)
        await asleep(database, run_id)
        clock.move(HOUR_NS - SECOND_NS // 20)
        await until(lambda: run_id in runtime._scheduler.runs)
        await until(lambda: runtime._scheduler.quiet is not None and runtime._writer.idle)
        clock.move(SECOND_NS // 20 - 1)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert (state(database, run_id), stage.calls["double 2"]) == (RunState.RUNNING, 0)
        clock.move(1)
        assert await result(runtime, run_id, Overnight) == [2, 4]


async def test_what_is_submitted_and_sleeps_at_once_takes_no_room() -> None:
    """Beyond the bound of runs in memory, too."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database), resident_runs_max=3) as runtime:
        runs = [await submit(runtime, Sleeping, 3600.0 + number) for number in range(20)]
        for run_id in runs:
            await asleep(database, run_id)
        await gone(runtime, *runs)
        clock.move(2 * HOUR_NS)
        for number, run_id in enumerate(runs):
            assert await result(runtime, run_id, Sleeping) == 3600.0 + number


async def test_a_deadline_survives_restarts(stage: Stage) -> None:
    """Who sleeps does not notice which process was there meanwhile."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Overnight, 3600.0)
        await asleep(database, run_id)
    async with parking(clock, MemoryStore(database)):
        clock.move(HOUR_NS // 2)
    async with parking(clock, MemoryStore(database)) as runtime:
        assert state(database, run_id) == RunState.WAITING
        clock.move(HOUR_NS // 2)
        assert await result(runtime, run_id, Overnight) == [2, 4]
    assert stage.calls["double 1"] == 1


async def test_the_first_of_several_timers_counts(stage: Stage) -> None:
    """And while one of them is near, or a child has not been waited for, the run stays."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Alarms, [0.01, 7200.0, 3600.0], "")
        near = runtime._scheduler.runs[run_id]
        await until(lambda: near in runtime._scheduler.parking.known)
        assert state(database, run_id) == RunState.RUNNING
        clock.move(SECOND_NS)
        await asleep(database, run_id)
        assert database.runs[run_id].wake_at == pytest.approx(clock.now_ns() / 1e9 + 3599)
        clock.move(HOUR_NS)
        await until(lambda: database.runs[run_id].wake_at != near)
        await until(lambda: EntryKind.TIMER in kinds(database, run_id)[-2:])
        await asleep(database, run_id)
        clock.move(HOUR_NS)
        assert await result(runtime, run_id, Alarms) == ["", 0.01, 7200.0, 3600.0]


def kinds(database: MemoryDatabase, run_id: UUID) -> list[int]:
    rows = database.journal.get(run_id, {})
    return [rows[seq].kind for seq in sorted(rows)]


async def test_a_run_with_work_stays(stage: Stage) -> None:
    """A timer that is far does not take a run away from its action."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Limited, "it", 3600.0)
        child = child_id(run_id, 0)
        await stage.begun.wait()
        await asleep(database, run_id)
        assert child in runtime._scheduler.runs
        assert state(database, child) == RunState.RUNNING
        stage.go.set()
        assert await result(runtime, run_id, Limited) == "it!"


async def test_the_end_of_a_child_wakes_its_parent(stage: Stage) -> None:
    """Of one that sleeps in the same process, which has forgotten it."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Waiting, 3600.0)
        for effect in range(2):
            await asleep(database, run_id)
            await asleep(database, child_id(run_id, effect))
            await gone(runtime, run_id, child_id(run_id, effect))
            assert not runtime._children.parents
            await until(lambda: not len(runtime._waiters))
            clock.move(HOUR_NS)
        assert await result(runtime, run_id, Waiting) == [3600.0, 3600.0]


async def test_the_end_of_a_child_elsewhere_wakes_its_parent(stage: Stage) -> None:
    """Whoever claimed it learned whose child it is."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Waiting, 3600.0)
        await asleep(database, child_id(run_id, 0))
        await asleep(database, run_id)
    clock.move(HOUR_NS)
    async with parking(clock, MemoryStore(database)), parking(clock, MemoryStore(database)) as two:
        await asleep(database, child_id(run_id, 1))
        clock.move(HOUR_NS)
        assert await result(two, run_id, Waiting) == [3600.0, 3600.0]


async def test_a_time_limit_ends_a_wait_in_ones_sleep(stage: Stage) -> None:
    """The parent wakes, asks its child to cancel itself, and stays until it has."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Limited, "it", 3600.0)
        await asleep(database, run_id)
        clock.move(HOUR_NS)
        assert await result(runtime, run_id, Limited) == "too late"


async def test_a_message_wakes_a_run(stage: Stage) -> None:
    """Soon, though it would sleep for long."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Tidy, 3600.0)
        await asleep(database, run_id)
        await MemoryStore(database).send([Message(run_id, "a", EntryKind.CANCEL, "", b"")])
        assert await result(runtime, run_id, Tidy) == "cleaned 8"
        await until(lambda: not database.inbox)


class SlowParks(MemoryStore):
    """Parkings wait at a gate, and are then carried out or lost, on either way."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.gate = asyncio.Event()
        self.asked: list[Sequence[Park]] = []
        self.losses: list[str] = []

    async def park(self, lane: int, worker: UUID, parks: Sequence[Park]) -> frozenset[UUID]:
        self.asked.append(parks)
        await self.gate.wait()
        loss = self.losses.pop(0) if self.losses else "fine"
        if loss == "before":
            raise StoreUnavailable("the connection was lost")
        asleep = await super().park(lane, worker, parks)
        if loss == "after":
            raise StoreUnavailable("the connection was lost")
        return asleep


@pytest.mark.parametrize("loss", ["before", "after"])
async def test_a_parking_that_is_lost_is_looked_up(stage: Stage, loss: str) -> None:
    """Whether it arrived or not, the run sleeps, and wakes once."""
    clock = MovedClock()
    store = SlowParks(clock.database())
    store.losses = [loss]
    store.gate.set()
    async with parking(clock, store) as runtime:
        run_id = await submit(runtime, Overnight, 3600.0)
        await asleep(store.database, run_id)
        await gone(runtime, run_id)
        clock.move(HOUR_NS)
        assert await result(runtime, run_id, Overnight) == [2, 4]
    assert len(store.asked) == (2 if loss == "before" else 1)


async def test_what_a_run_takes_in_while_it_is_parked_is_not_lost(stage: Stage) -> None:
    """Its timer rings between the asking and the answer: the one who claims it hears it."""
    clock = MovedClock()
    store = SlowParks(clock.database())
    async with parking(clock, store) as runtime:
        run_id = await submit(runtime, Overnight, 3600.0)
        await until(lambda: bool(store.asked))
        clock.move(HOUR_NS)
        await until(lambda: not runtime._scheduler.has_inputs)
        store.gate.set()
        assert await result(runtime, run_id, Overnight) == [2, 4]
    assert store.database.runs[run_id].epoch == 2
    assert stage.calls["double 2"] == 1


class SlowChildren(SlowParks):
    """Nobody learns of children, nor are ends written, before their gates open."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.reads, self.ends = asyncio.Event(), asyncio.Event()
        self.ending: list[Flush] = []

    async def read_runs(self, ids: Sequence[UUID]) -> dict[UUID, RunRow]:
        await self.reads.wait()
        return await super().read_runs(ids)

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        if batch.ends:
            self.ending.append(batch)
            await self.ends.wait()
        return await super().flush(lane, batch)


async def test_a_child_that_begins_while_its_parent_is_parked_wakes_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked for before a crash, and was never stored; its end is on its way when the
    parent is parked."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Limited, "it", 3600.0)
        await stage.begun.wait()
        await asleep(database, run_id)
    child = database.runs.pop(child_id(run_id, 0))
    database.journal.pop(child.id, None)
    database.wake([run_id])
    store = SlowChildren(database)
    async with parking(clock, store) as runtime:
        await until(lambda: bool(store.asked))
        monkeypatch.setattr(runtime._writer, "lane", lambda: 1)  # Not its parent's.
        store.reads.set()
        stage.go.set()
        await until(lambda: bool(store.ending))
        store.gate.set()
        await until(lambda: state(database, run_id) == RunState.WAITING)
        store.ends.set()
        assert await result(runtime, run_id, Limited) == "it!"


async def test_a_message_that_comes_first_keeps_a_run_awake(stage: Stage) -> None:
    """The parking is refused, and the run hears the message where it is."""
    clock = MovedClock()
    store = SlowParks(clock.database())
    async with parking(clock, store) as runtime:
        run_id = await submit(runtime, Tidy, 3600.0)
        await until(lambda: bool(store.asked))
        await store.send([Message(run_id, "a", EntryKind.CANCEL, "", b"")])
        store.gate.set()
        assert await result(runtime, run_id, Tidy) == "cleaned 8"
    assert store.database.runs[run_id].epoch == 1


async def test_a_stop_does_not_wait_for_those_that_sleep(stage: Stage) -> None:
    """Nor does one that comes while a parking is under way lose the run."""
    clock = MovedClock()
    store = SlowParks(clock.database())
    runtime, ownership = await begin(store, clock, park_after_seconds=0.05)
    run_id = await submit(runtime, Overnight, 3600.0)
    await until(lambda: bool(store.asked))
    ending = asyncio.create_task(ownership.end())
    await until(lambda: runtime._scheduler.draining)
    store.gate.set()
    await ending
    assert store.database.runs[run_id].owner is None
    async with parking(clock, MemoryStore(store.database)) as runtime:
        clock.move(HOUR_NS)
        assert await result(runtime, run_id, Overnight) == [2, 4]


async def test_a_million_that_are_due_are_taken_in_pieces(stage: Stage) -> None:
    """No more than there is room for, and each goes on."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        runs = [await submit(runtime, Sleeping, 3600.0) for _ in range(50)]
        for run_id in runs:
            await asleep(database, run_id)
    clock.move(2 * HOUR_NS)
    most = 0
    async with parking(clock, MemoryStore(database), resident_runs_max=7) as runtime:
        for run_id in runs:
            most = max(most, len(runtime._scheduler.runs))
            assert await result(runtime, run_id, Sleeping) == 3600.0
    assert most <= 7


async def test_idle_costs_one_question_per_look(new_store: Callable[[], Store]) -> None:
    """A process without work asks the store one thing each time it looks."""
    store = new_store()
    asked: list[str] = []
    async with serving(store, poll_seconds=0.02) as runtime:
        look = runtime._sweep.look

        async def counted() -> int:
            asked.append("look")
            return await look()

        runtime._sweep.look = counted  # type: ignore[method-assign]
        for name in ("claim", "read_inbox", "reap_workers", "read_journal", "read_runs"):
            assert callable(getattr(store, name))

            async def unasked(*_: object, name: str = name) -> None:
                asked.append(name)

            setattr(store, name, unasked)
        await until(lambda: len(asked) > 5)
    assert set(asked) == {"look"}


def test_the_default_leaves_short_waits_in_memory() -> None:
    assert Settings().park_after_seconds == 30.0
    assert Settings().park_after_seconds > 3 * Settings().poll_seconds


async def test_a_run_that_is_held_is_not_parked(stage: Stage) -> None:
    """An action that runs keeps its run where it is."""
    clock = MovedClock()
    database = clock.database()
    async with parking(clock, MemoryStore(database)) as runtime:
        run_id = await submit(runtime, Hold, "it")
        await stage.begun.wait()
        clock.move(HOUR_NS)
        assert state(database, run_id) == RunState.RUNNING
        stage.go.set()
        assert await result(runtime, run_id, Hold) == "it!"
