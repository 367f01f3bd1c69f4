"""Who is alive: heartbeats off the loop, and taking over from the dead."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.workflows import Double, HoldTwo, Stage
from waymark.app import Ownership
from waymark.errors import StoreUnavailable
from waymark.runtime import leases
from waymark.runtime.backing import Backing
from waymark.runtime.clock import WallClock
from waymark.runtime.deaths import GRACE_SECONDS
from waymark.runtime.leases import Heartbeat, in_thread
from waymark.settings import Settings
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.records import Flush

pytestmark = pytest.mark.anyio


class BeatenStore(MemoryStore):
    """Counts beats; the first `fails` of them fail."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database)
        self.beats = threading.Semaphore(0)
        self.asked = 0
        self.fails = 0

    async def beat(
        self, worker: UUID, lease_seconds: float, broken: Callable[[], None] | None = None
    ) -> bool:
        self.asked += 1
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("away")
        alive = await super().beat(worker, lease_seconds, broken)
        self.beats.release()
        return alive


def nothing(*_: object) -> None:
    pass


async def test_a_blocked_loop_does_not_cost_the_lease() -> None:
    """Beats go on while the app's code holds up the loop."""
    store, worker = BeatenStore(), uuid4()
    await store.register_worker(worker, 0.04, "{}")
    heartbeat = Heartbeat(store, worker, 0.04, nothing, nothing, WallClock(), in_thread)
    heartbeat.start()
    for _ in range(5):
        assert store.beats.acquire(timeout=10)  # holds up the loop: the point
    heartbeat.stop()


async def test_a_lost_row_is_told_to_the_loop() -> None:
    """Whoever was declared dead learns it, once, with the name that is dead."""
    store, worker = BeatenStore(), uuid4()
    lost: asyncio.Queue[UUID] = asyncio.Queue()
    heartbeat = Heartbeat(store, worker, 0.04, nothing, lost.put_nowait, WallClock(), in_thread)
    heartbeat.start()
    assert await lost.get() == worker
    heartbeat.stop()
    assert lost.empty()


async def test_beats_that_fail_are_tried_again() -> None:
    """And the confirmed ones carry the time at which they were sent."""
    store, worker = BeatenStore(), uuid4()
    store.fails = 3
    await store.register_worker(worker, 0.04, "{}")
    confirmed: asyncio.Queue[float] = asyncio.Queue()
    heartbeat = Heartbeat(
        store, worker, 0.04, confirmed.put_nowait, nothing, WallClock(), in_thread
    )
    heartbeat.start()
    first, second = await confirmed.get(), await confirmed.get()
    assert first < second
    heartbeat.stop()


async def test_a_stuck_app_loses_its_lease(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop that has not turned for a long time must not keep its runs."""
    monkeypatch.setattr(leases, "STUCK_SECONDS", -1.0)
    store, worker = BeatenStore(), uuid4()
    with caplog.at_level(logging.ERROR, "waymark.leases"):
        heartbeat = Heartbeat(store, worker, 0.04, nothing, nothing, WallClock(), in_thread)
        heartbeat.start()
        await until(lambda: "no more beats" in caplog.text)
    heartbeat.stop()
    assert store.asked == 0


class MortalStore(MemoryStore):
    """After `die`, nothing of this process reaches the database any more."""

    dead = False

    def die(self) -> None:
        self.dead = True

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        if self.dead:
            await asyncio.Event().wait()
        return await super().flush(lane, batch)

    async def remove_worker(self, worker: UUID) -> None:
        if not self.dead:
            await super().remove_worker(worker)

    async def beat(
        self, worker: UUID, lease_seconds: float, broken: Callable[[], None] | None = None
    ) -> bool:
        if self.dead:
            raise StoreUnavailable("dead")
        return await super().beat(worker, lease_seconds, broken)


class Monotonic(WallClock):
    """Leases are measured by seconds that the test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


async def killed(database: MemoryDatabase, stage: Stage) -> tuple[UUID, UUID]:
    """A run begun by a process that died; returns the run and the dead worker."""
    store = MortalStore(database)
    runtime, ownership = await begin(store)
    run_id = await submit(runtime, HoldTwo)
    await stage.begun.wait()
    store.die()
    ownership.cancel()
    await until(lambda: ownership.over)
    stage.go.set()
    assert database.runs[run_id].owner == runtime.worker
    return run_id, runtime.worker


async def test_an_expired_lease_frees_its_runs(stage: Stage) -> None:
    """Nobody takes a run from a live worker; once the lease is over another goes on
    where the dead one stopped."""
    now = [1000.0]
    database = MemoryDatabase(lambda: now[0])
    run_id, dead = await killed(database, stage)
    async with serving(MemoryStore(database)) as other:
        assert await run(other, Double, 5) == 10
        assert database.runs[run_id].owner == dead
        now[0] += 31
        database.workers[other.worker] = now[0] + 1000
        assert await result(other, run_id, HoldTwo) == [2, "two", 4]
    assert stage.calls["double 1"] == 1
    assert stage.calls["two"] == 2


class Flocks:
    """An embedded server that knows by its locks who is dead."""

    def __init__(self, dead: UUID) -> None:
        self.dead = dead
        self.locked: set[UUID] = set()
        self.closed = False

    def dsn(self) -> str:
        return "memory://"

    def lock_worker(self, worker: UUID) -> None:
        self.locked.add(worker)

    def unlock_worker(self, worker: UUID) -> None:
        self.locked.discard(worker)

    def dead_workers(self, workers: Sequence[UUID]) -> list[UUID]:
        return [worker for worker in workers if worker == self.dead]

    def close(self) -> None:
        self.closed = True


async def test_a_proven_death_needs_no_lease_to_end(stage: Stage) -> None:
    """On the embedded server the locks of the processes say at once who is gone."""
    database = MemoryDatabase()
    run_id, dead = await killed(database, stage)
    server = Flocks(dead)
    backing = Backing(MemoryStore(database), "memory://", server)
    await backing.store.open()
    ownership = Ownership(Settings(), backing=backing, link=False)
    runtime = await ownership.begin()
    await runtime._programs.ensure(HoldTwo.__waymark__)
    assert server.locked == {runtime.worker}
    assert await result(runtime, run_id, HoldTwo) == [2, "two", 4]
    await ownership.end()
    assert server.locked == set()
    assert server.closed


async def test_a_worker_that_stays_silent_is_dead(stage: Stage) -> None:
    """A missing proof of life counts when it is missing still after a while: until then
    the process may be about to connect anew."""
    database = MemoryDatabase()
    run_id, dead = await killed(database, stage)
    clock = Monotonic()
    database.silent.add(dead)
    async with serving(MemoryStore(database), clock) as other:
        sweep = other._sweep
        await until(lambda: sweep._deaths.suspected)
        assert await run(other, Double, 5) == 10
        assert database.runs[run_id].owner == dead
        database.silent.discard(dead)
        await until(lambda: not sweep._deaths.suspected)
        clock.seconds += 2 * GRACE_SECONDS
        database.silent.add(dead)
        await until(lambda: sweep._deaths.suspected)
        assert dead in database.workers
        clock.seconds += GRACE_SECONDS
        assert await result(other, run_id, HoldTwo) == [2, "two", 4]
    assert dead not in database.workers


async def test_the_loop_turns_while_much_is_submitted(stage: Stage) -> None:
    """However many submissions come at once, each turn of the loop begins a bounded
    number of runs."""
    async with serving(MemoryStore()) as runtime:
        await run(runtime, Double, 0)
        scheduler = runtime._scheduler
        begun: list[int] = []
        begin_run = scheduler._begin
        turns = [0]

        def counted(*args: object) -> None:
            begun.append(turns[0])
            begin_run(*args)  # type: ignore[arg-type]

        async def turn() -> None:
            while True:
                turns[0] += 1
                await asyncio.sleep(0)

        scheduler._begin = counted  # type: ignore[method-assign]
        turning = asyncio.create_task(turn())
        await asyncio.gather(*[run(runtime, Double, number) for number in range(400)])
        turning.cancel()
        assert len(begun) == 400
        assert max(begun.count(number) for number in set(begun)) <= 100


async def test_a_beat_counts_from_when_it_was_sent(stage: Stage) -> None:
    """An answer that took longer than the lease proves nothing: no attempt starts on it."""
    clock = Monotonic()
    async with serving(MemoryStore(), clock) as runtime:
        assert await run(runtime, Double, 1) == 2
        assert runtime._scheduler.may_start()
        sent_at = clock.seconds
        clock.seconds += runtime.settings.lease_seconds + 1
        assert not runtime._scheduler.may_start()
        runtime._confirmed(sent_at)
        assert not runtime._scheduler.may_start()
        runtime._confirmed(clock.seconds - 1)
        assert runtime._scheduler.may_start()
        runtime._confirmed(sent_at)  # Nor does an old one take back what a later one proved.
        assert runtime._scheduler.may_start()
