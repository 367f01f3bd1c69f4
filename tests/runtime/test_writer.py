"""The writer: what it is given becomes durable once, in order, or is known not to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from tests.runtime.stores import FlakyStore, HeldStore
from waymark.engine.outcomes import Entry
from waymark.runtime.clock import WallClock
from waymark.runtime.live_run import Change, LiveRun
from waymark.runtime.writer import Writer
from waymark.settings import Settings
from waymark.store.memory import MemoryStore
from waymark.store.records import EntryKind, Flush, NewRun, Park, Release, RunEnd, RunState

pytestmark = pytest.mark.anyio


class Host:
    """Notes what the writer says."""

    def __init__(self) -> None:
        self.done: list[Change] = []
        self.lost: list[LiveRun] = []
        self.late: list[LiveRun] = []
        self.rejected: list[tuple[LiveRun, Exception]] = []
        self.told = asyncio.Event()

    def committed(self, changes: list[Change]) -> None:
        self.done.extend(changes)
        self.told.set()

    def wake(self) -> None:
        self.told.set()

    def refused(self, run: LiveRun) -> None:
        run.dropped = True
        self.lost.append(run)
        self.told.set()

    def stored_runs(self, lane: int) -> list[LiveRun]:
        runs = dict.fromkeys(change.run for change in self.done)
        return [run for run in runs if run.lane == lane and not run.dropped]

    def behind(self, run: LiveRun) -> None:
        run.dropped = True
        self.late.append(run)
        self.told.set()

    def condemned(self, run: LiveRun) -> LiveRun:
        return run.successor()

    def unstorable(self, run: LiveRun, error: Exception) -> None:
        run.dropped = True
        self.rejected.append((run, error))
        self.told.set()


class Bench:
    """A writer over a store, with its worker registered."""

    def __init__(self, store: MemoryStore, settings: Settings) -> None:
        self.store = store
        self.host = Host()
        self.worker = uuid4()
        self.names = [self.worker]
        self.writer = Writer(
            store, settings, self.host, lambda: self.worker, self.fenced, WallClock()
        )

    async def fenced(self, worker: UUID) -> None:
        if worker == self.worker:
            self.worker = uuid4()
            self.names.append(self.worker)
            await self.store.register_worker(self.worker, 30, "{}")

    def begin(self, lane: int = 0) -> tuple[LiveRun, Change]:
        run = LiveRun(uuid4(), "w", 1, lane, None)
        run.session = object()  # type: ignore[assignment]  # never asked for anything
        new = NewRun(run.id, "w", b"g" * 16, "default", self.worker, 1, RunState.RUNNING, 1, b"{}")
        return run, Change(run, new, [], None, None, [], 2)

    async def settled(self, count: int) -> None:
        """Returns once `count` changes are committed."""
        while len(self.host.done) < count:
            self.host.told.clear()
            await self.host.told.wait()


def entry(run: LiveRun, *seqs: int) -> Change:
    rows = [Entry(seq, EntryKind.RESULT, seq, 0, 0, seq, b"1") for seq in seqs]
    return Change(run, None, rows, None, None, [], len(rows))


def end(run: LiveRun, seq: int) -> Change:
    change = entry(run, seq)
    return change._replace(end=RunEnd(run.id, run.epoch, RunState.SUCCEEDED, 0, b"1"))


@asynccontextmanager
async def writing(store: MemoryStore, **settings: int) -> AsyncIterator[Bench]:
    bench = Bench(store, Settings(**settings))  # type: ignore[arg-type]
    await store.open()
    await store.register_worker(bench.worker, 30, "{}")
    tasks = [asyncio.create_task(bench.writer.serve(lane)) for lane in bench.writer.lanes]
    try:
        yield bench
        for task in tasks:
            assert not task.done() or task.exception() is None
        if bench.writer.idle:
            assert (bench.writer.unflushed_rows, bench.writer.unflushed_bytes) == (0, 0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_nobody_is_told_before_the_commit() -> None:
    """A change is reported committed only after its flush returned."""
    store = HeldStore()
    async with writing(store) as bench:
        _, change = bench.begin()
        bench.writer.put(change)
        await store.someone_waits()
        assert bench.host.done == []
        store.open_gate()
        await bench.settled(1)
        assert change.run.stored


async def test_who_waits_for_room_is_woken_when_changes_are_dropped() -> None:
    """What was unflushed counts no more once its run is dropped: nothing else would tell
    the attempts that wait for that."""
    async with writing(MemoryStore()) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        run.dropped = True
        await bench.host.told.wait()
        assert bench.host.done == []
        assert bench.writer.unflushed_rows == 0


async def test_the_next_batch_fills_while_one_commits() -> None:
    """Whatever comes during a commit travels in one flush after it."""
    store = HeldStore()
    async with writing(store) as bench:
        bench.writer.put(bench.begin()[1])
        await store.someone_waits()
        for _ in range(20):
            bench.writer.put(bench.begin()[1])
        store.open_gate()
        await bench.settled(21)
        assert [len(flush.runs) for flush in store.asked] == [1, 20]


async def test_a_change_is_never_split() -> None:
    """Entries and end of one input share a flush even beyond the bound; order holds."""
    store = HeldStore()
    async with writing(store, flush_rows_max=3) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        bench.writer.put(entry(run, 1, 2))
        bench.writer.put(entry(run, *range(3, 10)))
        bench.writer.put(end(run, 10))
        store.open_gate()
        await bench.settled(4)
        assert [len(flush.entries) for flush in store.asked] == [2, 7, 1]
        assert run.acked == 10


async def test_a_second_lane_is_for_what_the_first_has_no_room_for() -> None:
    """Few large flushes rather than many small ones, and no lane that stands still keeps
    new runs from being stored."""
    store = HeldStore(lanes=2)
    async with writing(store, flush_rows_max=4) as bench:
        lanes: list[int] = []
        for _ in range(8):
            lanes.append(bench.writer.lane())
            bench.writer.put(bench.begin(lanes[-1])[1])
            if len(store.asked) <= lanes[-1]:
                await store.someone_waits()
        assert lanes == [0, 0, 0, 1, 1, 1, 0, 1]  # The first of each lane is on its way.
        store.open_gate()
        await bench.settled(8)
        assert bench.writer.lane() == 0


@pytest.mark.parametrize("loss", ["before", "after"])
async def test_a_lost_connection_loses_nothing_and_repeats_nothing(loss: str) -> None:
    """Whether or not the flush arrived, each row is there once and told once."""
    store = FlakyStore()
    store.losses, store.arrived_fails = ["fine", loss], 2
    async with writing(store) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        await bench.settled(1)
        other, another = bench.begin()
        bench.writer.put(entry(run, 1))
        bench.writer.put(another)
        bench.writer.put(entry(other, 1))
        bench.writer.put(end(run, 2))
        await bench.settled(5)
        assert len(bench.host.done) == 5
        assert list(store.database.journal[run.id]) == [1, 2]
        assert list(store.database.journal[other.id]) == [1]
        assert store.database.runs[run.id].state == RunState.SUCCEEDED
        assert bench.writer.unflushed_rows == 0
        assert bench.writer.unflushed_bytes == 0


async def test_a_release_that_arrived_is_not_sent_again() -> None:
    """Giving a run back is the last thing its owner writes, also over a lost answer."""
    store = FlakyStore()
    store.losses = ["fine", "after"]
    async with writing(store) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        await bench.settled(1)
        row = Release(run.id, 1, RunState.READY, "")
        bench.writer.put(Change(run, None, [], None, row, [], 0))
        await bench.settled(2)
        assert sum(len(flush.releases) for flush in store.flushes) == 1
        assert store.database.runs[run.id].owner is None


async def test_a_journal_shorter_than_acknowledged_is_recovered() -> None:
    """After a failover that lost commits, the run's memory is not trusted."""
    store = FlakyStore()
    async with writing(store) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        bench.writer.put(entry(run, 1))
        await bench.settled(2)
        del store.database.journal[run.id][1]
        store.losses = ["before"]
        bench.writer.put(entry(run, 2))
        while not bench.host.late:
            bench.host.told.clear()
            await bench.host.told.wait()
        assert bench.host.late == [run]
        assert store.database.journal[run.id] == {}
        assert bench.writer.unflushed_rows == 0


async def test_two_claims_of_one_run_are_judged_apart() -> None:
    """A run is given back and claimed again at once, and a failover loses what the second
    claim had been told was stored: the release of the first is no business of the second,
    and everything leaves the count of what is unflushed."""
    store = FlakyStore()
    async with writing(store) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        await bench.settled(1)
        again = LiveRun(run.id, "w", 2, 0, None)
        again.session, again.stored, again.acked = run.session, True, 3
        store.database.runs[run.id].epoch = 2
        row = Release(run.id, 1, RunState.READY, "")
        store.losses = ["before"]
        bench.writer.put(Change(run, None, [], None, row, [], 0))
        bench.writer.put(entry(again, 4))
        while not bench.writer.idle:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)
        assert bench.host.late == [again]
        assert run.id not in store.database.journal


async def test_each_run_is_looked_up_after_a_loss() -> None:
    """A failover loses entries of a run that has nothing under way when it is noticed:
    that run is not continued past the gap, when its turn comes."""
    store = FlakyStore()
    async with writing(store) as bench:
        (first, begun), (second, also) = bench.begin(), bench.begin()
        for change in (begun, also, entry(second, 1), entry(second, 2)):
            bench.writer.put(change)
        await bench.settled(4)
        del store.database.journal[second.id][2]
        store.losses = ["before"]
        bench.writer.put(entry(first, 1))
        await bench.settled(5)
        bench.writer.put(entry(second, 3))
        while not bench.host.late:
            bench.host.told.clear()
            await bench.host.told.wait()
        assert bench.host.late == [second]
        assert list(store.database.journal[second.id]) == [1]
        assert bench.writer.unflushed_rows == 0
        assert not bench.writer.lanes[0].doubted


async def test_a_flush_that_is_too_much_is_halved() -> None:
    """What fails whole, whatever is tried, is written in parts."""
    store = FlakyStore()
    async with writing(store) as bench:
        runs = [bench.begin() for _ in range(8)]
        for _, change in runs:
            bench.writer.put(change)
        await bench.settled(8)
        store.too_much = 3
        for run, _ in runs:
            bench.writer.put(entry(run, 1))
        await bench.settled(16)
        assert all(list(store.database.journal[run.id]) == [1] for run, _ in runs)
        assert bench.writer.unflushed_rows == 0


async def test_a_run_taken_by_another_is_refused_alone() -> None:
    """A run at a newer epoch is left out; the rest of the batch commits."""
    store = HeldStore()
    async with writing(store) as bench:
        mine, first = bench.begin()
        taken, second = bench.begin()
        store.open_gate()
        bench.writer.put(first)
        bench.writer.put(second)
        await bench.settled(2)
        store.database.runs[taken.id].epoch = 2
        bench.writer.put(entry(taken, 1))
        bench.writer.put(entry(mine, 1))
        await bench.settled(3)
        assert bench.host.lost == [taken]
        assert list(store.database.journal) == [mine.id]


async def test_a_fenced_worker_writes_nothing_under_its_old_name() -> None:
    """After the worker was declared dead, what was stored is left to others, and a
    submission that never arrived travels under the new name."""
    store = HeldStore()
    store.open_gate()
    async with writing(store) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        await bench.settled(1)
        await store.remove_worker(bench.worker)
        fresh, submission = bench.begin()
        bench.writer.put(entry(run, 1))
        bench.writer.put(submission)
        await bench.settled(2)
        assert store.database.journal == {}
        assert bench.host.lost == [run]
        assert store.database.runs[fresh.id].owner == bench.names[1]


async def test_one_bad_value_is_quarantined_alone() -> None:
    """The batch is halved until the run with the refused value stands alone; the
    others commit, and the one is kept with the reason."""
    store = FlakyStore()
    async with writing(store) as bench:
        runs = [bench.begin() for _ in range(9)]
        for _, change in runs:
            bench.writer.put(change)
        await bench.settled(9)
        bad = runs[4][0].id
        store.refuses = lambda batch: any(row[0] == bad for row in batch.entries)
        for run, _ in runs:
            bench.writer.put(entry(run, 1))
            bench.writer.put(entry(run, 2))
        await bench.settled(9 + 16 + 1)
        assert bad not in store.database.journal
        assert len(store.database.journal) == 8
        row = store.database.runs[bad]
        assert row.state == RunState.QUARANTINED
        assert "does not like this value" in (row.reason or "")
        assert bench.writer.unflushed_rows == 0


async def test_a_submission_the_server_rejects_stores_nothing() -> None:
    """The submitter learns it; nobody else is harmed."""
    store = FlakyStore()
    async with writing(store) as bench:
        bad, wrong = bench.begin()
        good, right = bench.begin()
        store.refuses = lambda batch: any(row.id == bad.id for row in batch.runs)
        bench.writer.put(wrong)
        bench.writer.put(right)
        await bench.settled(1)
        while not bench.host.rejected:
            bench.host.told.clear()
            await bench.host.told.wait()
        assert list(store.database.runs) == [good.id]


async def test_a_repeat_that_meets_its_own_rows_is_no_refusal() -> None:
    """An old backend may commit after we looked: the resend is refused for its
    data, looked up again, and found to have arrived."""
    store = FlakyStore()
    async with writing(store) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        await bench.settled(1)

        async def late(lane: int, batch: Flush) -> frozenset[UUID]:
            store.flush = original  # type: ignore[method-assign]
            store.late = batch  # type: ignore[attr-defined]
            store.losses = ["before"]
            return await original(lane, batch)

        original = store.flush
        store.flush = late  # type: ignore[method-assign]
        looked = store.arrived

        async def arrives_after(runs: list[UUID]) -> dict[UUID, tuple[int, int, int, UUID | None]]:
            answer = await looked(runs)
            store.arrived = looked  # type: ignore[method-assign]
            await MemoryStore.flush(store, 0, store.late)  # type: ignore[attr-defined]
            return answer

        store.arrived = arrives_after  # type: ignore[method-assign, assignment]
        bench.writer.put(entry(run, 1))
        await bench.settled(2)
        assert list(store.database.journal[run.id]) == [1]
        assert store.database.runs[run.id].state == RunState.RUNNING


async def test_what_asks_the_store_nothing_confirms_no_lease() -> None:
    """No run of this batch may sleep any more, so no statement is sent."""
    async with writing(MemoryStore()) as bench:
        run, change = bench.begin()
        bench.writer.put(change)
        await bench.settled(1)
        stays = asyncio.Event()
        bench.writer.still_waits = lambda run: False
        bench.writer.stays = lambda run: stays.set()
        confirmed_at = bench.writer.confirmed_at
        park = Park(run.id, run.epoch, None, ())
        bench.writer.put(Change(run, None, [], None, park, [], 0))
        await stays.wait()
        assert bench.writer.confirmed_at == confirmed_at
