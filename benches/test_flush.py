"""One flush of the Postgres store: N new runs, and the outcomes and ends of N others; and what
one run takes that is alone, by the statements made for it and by that for any batch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

import waymark.store.postgres.lane
from benches.workloads import SCHEMA
from waymark.runtime.run_ids import RunIds
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.columns import to_columns
from waymark.store.postgres.single import to_single
from waymark.store.records import EntryKind, Flush, JournalRow, NewRun, RunEnd, RunState

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

GRAPH = bytes(16)
PAYLOAD = b"12345"


@pytest.fixture(scope="module")
def store(dsn: str, runner: asyncio.Runner) -> Iterator[PostgresStore]:
    opened = PostgresStore(dsn, schema=SCHEMA)
    runner.run(opened.open())
    yield opened
    runner.run(opened.close())


@pytest.fixture(scope="module")
def worker(store: PostgresStore, runner: asyncio.Runner) -> UUID:
    name = uuid4()
    runner.run(store.register_worker(name, 3600.0, "{}"))
    return name


class Batches:
    """Each batch ends the runs that the one before it began."""

    def __init__(self, worker: UUID, size: int) -> None:
        self._worker = worker
        self._size = size
        self._new_id = RunIds()
        self._begun: list[UUID] = []

    def next(self) -> Flush:
        ending, self._begun = self._begun, [self._new_id() for _ in range(self._size)]
        return Flush(
            self._worker,
            [
                NewRun(
                    run, "bench", GRAPH, "default", self._worker, 1, RunState.RUNNING, 1, PAYLOAD
                )
                for run in self._begun
            ],
            [JournalRow(run, 1, 1, EntryKind.RESULT, 1, 1, 0, 1, PAYLOAD) for run in ending],
            [RunEnd(run, 1, RunState.SUCCEEDED, 0, PAYLOAD) for run in ending],
            [],
        )


@pytest.mark.parametrize("size", [1, 10, 100, 500])
def test_flush(
    benchmark: BenchmarkFixture,
    store: PostgresStore,
    worker: UUID,
    runner: asyncio.Runner,
    size: int,
) -> None:
    batches = Batches(worker, size)
    runner.run(store.flush(0, batches.next()))

    def flush(batch: Flush) -> None:
        assert not runner.run(store.flush(0, batch))

    benchmark.pedantic(flush, setup=lambda: ((batches.next(),), {}), rounds=60, warmup_rounds=5)


def test_columns(benchmark: BenchmarkFixture) -> None:
    """The part of it that is Python: 500 of each, laid out as columns."""
    batches = Batches(uuid4(), 500)
    batches.next()
    benchmark(to_columns, batches.next())


@pytest.mark.parametrize("way", ["single", "batch"])
def test_one_run(
    benchmark: BenchmarkFixture,
    monkeypatch: pytest.MonkeyPatch,
    store: PostgresStore,
    worker: UUID,
    runner: asyncio.Runner,
    way: str,
) -> None:
    choice = to_single if way == "single" else lambda _: None
    monkeypatch.setattr(waymark.store.postgres.lane, "to_single", choice)
    new_id = RunIds()

    async def one_run() -> None:
        run = new_id()
        state = RunState.RUNNING
        began = NewRun(run, "bench", GRAPH, "default", worker, 1, state, 1, PAYLOAD)
        assert not await store.flush(0, Flush(worker, [began], [], [], []))
        outcome = JournalRow(run, 1, 1, EntryKind.RESULT, 1, 1, 0, 1, PAYLOAD)
        end = RunEnd(run, 1, RunState.SUCCEEDED, 0, PAYLOAD)
        assert not await store.flush(0, Flush(worker, [], [outcome], [end], []))

    benchmark.pedantic(lambda: runner.run(one_run()), rounds=300, warmup_rounds=20)
