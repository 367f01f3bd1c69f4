"""A process whose name the database has declared dead, or cannot register."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.stores import HeldStore
from tests.store.rows import free_run, seen_workers
from waymark import Workflow, action, workflow
from waymark.app import Ownership
from waymark.errors import StoreUnavailable, WaymarkBug
from waymark.runtime.backing import Backing
from waymark.settings import Settings
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.records import NO_ENTRIES, ClaimedRun, JournalRow, RunState

pytestmark = pytest.mark.anyio

#: What lets `held` go on; set anew by each test that uses it.
gates: list[asyncio.Event] = []


@action
async def double(number: int) -> int:
    return number * 2


@action
async def held(number: int) -> int:
    await gates[-1].wait()
    return number


@workflow
class Double(Workflow):
    async def run(self, number: int) -> int:
        return await double(number)


@workflow
class Hold(Workflow):
    async def run(self, number: int) -> int:
        return await held(number)


class RenamingStore(MemoryStore):
    """Registrations wait for a gate, and fail as often as `failures` says."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database, lanes=2)
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[UUID] = []
        self.failures = 0

    async def register_worker(self, worker: UUID, lease_seconds: float, about: str) -> int:
        self.asked.append(worker)
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the server is starting up")
        return await super().register_worker(worker, lease_seconds, about)


async def test_a_name_counts_only_once_it_is_registered() -> None:
    """What is submitted while a new name is being registered waits for it: the process
    does not take its own unborn name for dead, and changes it once."""
    store = RenamingStore()
    async with serving(store) as runtime:
        assert await run(runtime, Double, 1) == 2
        store.gate.clear()
        await store.remove_worker(runtime.worker)
        first = asyncio.create_task(run(runtime, Double, 2))
        await until(lambda: len(store.asked) == 2)
        others = [asyncio.create_task(run(runtime, Double, number)) for number in range(3, 9)]
        for _ in range(50):
            await asyncio.sleep(0)
        store.gate.set()
        assert await asyncio.gather(first, *others) == [4, 6, 8, 10, 12, 14, 16]
        assert len(set(store.asked)) == 2
        workers = [worker.id for worker in await seen_workers(store)]
        assert workers == [runtime.worker] == store.asked[-1:]


class OneLock:
    """An embedded server that only keeps locks, and is as strict as the real one."""

    def __init__(self) -> None:
        self.held: set[UUID] = set()

    def dsn(self) -> str:
        return "memory://"

    def lock_worker(self, worker: UUID) -> None:
        if worker in self.held:
            raise WaymarkBug(f"worker {worker} is already locked")
        self.held.add(worker)

    def unlock_worker(self, worker: UUID) -> None:
        self.held.discard(worker)

    def dead_workers(self, workers: Sequence[UUID]) -> list[UUID]:
        return [worker for worker in workers if worker not in self.held]

    def ensure_running(self) -> None:
        pass

    def close(self) -> None:
        self.held.clear()


async def test_a_name_whose_registration_fails_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On the embedded server, where each name is locked before it is registered, a
    database that stays away for a while costs no restart of the runtime."""
    store, server = RenamingStore(), OneLock()
    await store.open()
    backing = Backing(store, store.label, server)
    ownership = Ownership(Settings(poll_seconds=0.02), backing=backing, link=False)
    runtime = await ownership.begin()
    try:
        assert await run(runtime, Double, 1) == 2
        store.failures = 3
        await store.remove_worker(runtime.worker)
        assert await run(runtime, Double, 2) == 4
        assert server.held == {runtime.worker}
        assert "starts again" not in caplog.text
    finally:
        await ownership.end()


class ForgetfulStore(MemoryStore):
    """Its reads of journals fail as often as `failures` says."""

    failures = 0

    async def read_journal(
        self, runs: Sequence[UUID], after: Mapping[UUID, int] = NO_ENTRIES
    ) -> dict[UUID, list[JournalRow]]:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the connection was lost")
        return await super().read_journal(runs, after)


async def test_a_claim_whose_journal_cannot_be_read_is_not_forgotten() -> None:
    """A run never stays owned by a live worker that does not execute it: what was
    claimed is recovered as soon as its journal can be read."""
    database = MemoryDatabase()
    store = ForgetfulStore(database)
    async with serving(MemoryStore(database), queues=()) as front, serving(store) as back:
        assert await run(front, Double, 1) == 2
        store.failures = 2
        run_id = await submit(front, Double, 4)
        async with asyncio.timeout(20):
            assert await result(front, run_id, Double) == 8
        assert store.failures == 0
        # Claimed once: epoch 1 is a submitter's own.
        assert database.runs[run_id].epoch == 2
        assert back.worker in [worker.id for worker in await seen_workers(store)]


async def test_a_flush_that_a_dead_name_wrote_gives_its_runs_up() -> None:
    """A flush commits, its worker is declared dead, and only then its answer comes: the
    run belongs to whoever claims it, and its caller is told by them."""
    gates.append(asyncio.Event())
    database = MemoryDatabase()

    class LateStore(HeldStore):
        """Answers wait at the gate, not the flushes themselves."""

        late = False

        async def flush(self, lane: int, batch: object) -> frozenset[UUID]:
            if not self.late:
                return await MemoryStore.flush(self, lane, batch)  # type: ignore[arg-type]
            refused = await MemoryStore.flush(self, lane, batch)  # type: ignore[arg-type]
            self.asked_event.set()
            await self.gate.wait()
            return refused

    store = LateStore(database)
    async with serving(store, resident_runs_max=1, lease_seconds=1.0) as runtime:
        assert await run(runtime, Double, 1) == 2
        store.late = True
        waiting = asyncio.create_task(run(runtime, Hold, 7))
        await store.someone_waits()
        name = runtime.worker
        await store.remove_worker(name)
        gates[-1].set()
        async with serving(MemoryStore(database)):
            await until(lambda: all(run.state.final for run in database.runs.values()))
        # Were the run still ours here, its action would wait for ever.
        gates.append(asyncio.Event())
        await until(lambda: runtime.worker != name)
        store.open_gate()
        async with asyncio.timeout(20):
            assert await waiting == 7


async def test_stop_ends_although_a_restart_cannot_reach_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A runtime that failed and now waits for the database stops when it is told to."""
    monkeypatch.setattr("waymark.runtime.drain.LAST_FLUSH_SECONDS", 0.05)
    store = RenamingStore()
    runtime, ownership = await begin(store, drain_seconds=0.0)
    assert await run(runtime, Double, 1) == 2
    store.failures = 1_000_000
    registered = len(store.asked)

    async def break_down() -> None:
        raise RuntimeError("a bug of ours")

    assert runtime._group is not None
    runtime._group.start_soon(break_down)
    await until(lambda: len(store.asked) > registered)
    async with asyncio.timeout(20):
        await ownership.end()


async def test_what_is_given_back_is_not_claimed_again() -> None:
    """A look for runs that is under way when a stop begins does not take back what the
    stop gives up."""
    gates.append(asyncio.Event())
    database = MemoryDatabase()

    class SlowClaims(MemoryStore):
        """Claims wait at a gate before they are made."""

        gate = asyncio.Event()
        waiting = False

        async def claim(self, *arguments: object) -> list[ClaimedRun]:
            self.waiting = True
            await self.gate.wait()
            return await super().claim(*arguments)  # type: ignore[arg-type]

    store = SlowClaims(database)
    runtime, ownership = await begin(store, drain_seconds=0.0)
    run_id = await submit(runtime, Hold, 1)
    await MemoryStore.submit(store, free_run())
    await until(lambda: store.waiting)
    ending = asyncio.create_task(ownership.end())
    await until(lambda: runtime._scheduler.draining)
    for _ in range(100):
        await asyncio.sleep(0)
    store.gate.set()
    await ending
    row = database.runs[run_id]
    assert (row.owner, row.state, row.epoch) == (None, RunState.READY, 1)
