"""Long runs are recovered from snapshots, and without them when these are of no use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from tests.runtime.serving import result, serving, submit, until
from waymark import Workflow, action, workflow
from waymark.engine.effects import signed_crc
from waymark.engine.session import Session
from waymark.runtime.snapshots import CALLS, ENTRY_BYTES, SHARE_MAX
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import NO_ENTRIES, JournalRow, SnapshotRow

pytestmark = pytest.mark.anyio

#: Until an event is set, the action with this number waits.
GATES: dict[int, asyncio.Event] = {}


@action
async def pass_by(number: int) -> int:
    if number in GATES:
        await GATES[number].wait()
    return number


@workflow
class Counting(Workflow):
    """A long loop over a shared list."""

    async def run(self, count: int, keep: bool) -> list[int]:
        seen: list[int] = []
        same = seen
        for number in range(count):
            found = await pass_by(number)
            if keep:
                same.append(found)
        return [len(seen), len(same), found]


@pytest.fixture(autouse=True)
def gates() -> Any:
    GATES.clear()
    yield
    GATES.clear()


class Reading(MemoryStore):
    """Counts the journal rows that recovery reads."""

    rows = 0

    async def read_journal(
        self, runs: Sequence[UUID], after: Mapping[UUID, int] = NO_ENTRIES
    ) -> dict[UUID, list[JournalRow]]:
        found = await super().read_journal(runs, after)
        self.rows += sum(map(len, found.values()))
        return found


async def stopped_at(database: MemoryDatabase, number: int, **settings: Any) -> UUID:
    """A run whose owner was stopped while it waited for an action."""
    GATES[number] = asyncio.Event()
    settings = {"drain_seconds": 0.0, "poll_seconds": 0.02, **settings}
    async with serving(MemoryStore(database), **settings) as runtime:
        run_id = await submit(runtime, Counting, number + 5, True)
        await until(lambda: len(database.journal.get(run_id, ())) == number)
    GATES[number].set()
    return run_id


async def test_a_long_run_is_handed_over_with_a_snapshot() -> None:
    """The next owner reads no more of the journal than what is behind it."""
    database = MemoryDatabase()
    run_id = await stopped_at(database, 60, snapshot_entries=20)
    (snapshot,) = database.snapshots[run_id].values()
    assert 60 - snapshot.seq < 20
    store = Reading(database)
    async with serving(store, poll_seconds=0.02) as runtime:
        assert await result(runtime, run_id, Counting) == [65, 65, 64]
        assert store.rows == 60 - snapshot.seq
        await until(lambda: not database.snapshots.get(run_id))


async def test_the_default_is_far_from_what_most_runs_come_to() -> None:
    database = MemoryDatabase()
    await stopped_at(database, 60)
    assert not database.snapshots


async def test_snapshots_of_a_long_loop_take_less_than_its_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of one that collects what it has seen; each is worth what it takes."""
    written: list[SnapshotRow] = []
    put = MemoryStore.put_snapshot

    async def counting(self: MemoryStore, worker: UUID, snapshot: SnapshotRow) -> bool:
        written.append(snapshot)
        return await put(self, worker, snapshot)

    monkeypatch.setattr(MemoryStore, "put_snapshot", counting)
    database = MemoryDatabase()
    async with serving(MemoryStore(database), snapshot_entries=20, poll_seconds=0.01) as runtime:
        run_id = await submit(runtime, Counting, 1500, True)
        assert await result(runtime, run_id, Counting) == [1500, 1500, 1499]
    seqs = [0, *(snapshot.seq for snapshot in written)]
    assert len(seqs) > 2
    for before, snapshot in zip(seqs, written, strict=False):
        assert len(snapshot.payload) <= (snapshot.seq - before) * ENTRY_BYTES * SHARE_MAX


SPOILT: dict[str, Callable[[SnapshotRow], SnapshotRow]] = {
    "another graph": lambda row: row._replace(graph=b"x" * 16),
    "another Python": lambda row: row._replace(writer="1 cpython 2.7"),
    "a wrong sum": lambda row: row._replace(payload=row.payload + b" "),
    "no snapshot": lambda row: _signed(row, b"{}"),
    "another place": lambda row: _signed(row, row.payload.replace(b'"pc":', b'"pc":1')),
    # What it waits for bears the number of entries before it.
    "another effect": lambda row: _signed(
        row, row.payload.replace(b"[%d," % row.seq, b"[%d," % (row.seq + 1))
    ),
    "an action that is not the graph's": lambda row: _signed(
        row, row.payload.replace(b":pass_by", b":pass_on")
    ),
}


def _signed(row: SnapshotRow, payload: bytes) -> SnapshotRow:
    return row._replace(payload=payload, digest=signed_crc(payload))


@pytest.mark.parametrize("how", SPOILT)
async def test_a_doubtful_snapshot_is_dropped(how: str) -> None:
    """The whole journal is there."""
    database = MemoryDatabase()
    run_id = await stopped_at(database, 60, snapshot_entries=20)
    (row,) = database.snapshots[run_id].values()
    spoilt = SPOILT[how](row)
    assert spoilt != row
    database.snapshots[run_id] = {row.seq: spoilt}
    store = Reading(database)
    async with serving(store) as runtime:
        assert await result(runtime, run_id, Counting) == [65, 65, 64]
    assert store.rows >= 60


async def test_recovery_on_every_store_goes_on_from_a_snapshot(
    new_store: Callable[[], Store],
) -> None:
    GATES[40] = asyncio.Event()
    looking = new_store()
    await looking.open()
    settings = {"snapshot_entries": 10, "poll_seconds": 0.05}
    async with serving(new_store(), drain_seconds=0.0, **settings) as runtime:
        run_id = await submit(runtime, Counting, 50, True)
        while len((await looking.read_journal([run_id])).get(run_id, [])) < 40:  # noqa: ASYNC110  # the store tells nobody
            await asyncio.sleep(0.01)
    # Which of them was the last depends on when the sweep looked.
    assert (await looking.read_snapshots([run_id]))[run_id].seq >= 10
    GATES[40].set()
    async with serving(new_store(), **settings) as runtime:
        assert await result(runtime, run_id, Counting) == [50, 50, 49]
        while await looking.read_snapshots([run_id]):  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)
    await looking.close()


@workflow
class Wide(Workflow):
    async def run(self, width: int) -> int:
        return sum(await asyncio.gather(*[pass_by(number) for number in range(width)]))


async def test_a_wide_gather_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold up the loop for longer than it spares."""
    taken: set[UUID] = set()
    snapshot = Session.snapshot

    def counting(self: Session) -> bytes:
        taken.add(self.run_id)
        return snapshot(self)

    monkeypatch.setattr(Session, "snapshot", counting)
    database = MemoryDatabase()
    width = CALLS + 1
    GATES[width - 1] = asyncio.Event()
    settings: dict[str, Any] = {"poll_seconds": 0.01, "snapshot_entries": 20}
    async with serving(MemoryStore(database), **settings) as runtime:
        heavy = await submit(runtime, Wide, width)
        await until(lambda: len(database.journal.get(heavy, ())) == width - 1)
        light = await submit(runtime, Counting, 500, True)
        assert await result(runtime, light, Counting) == [500, 500, 499]
        assert taken == {light}
        GATES[width - 1].set()
        assert await result(runtime, heavy, Wide) == sum(range(width))
