"""One flush of the Postgres store: N new runs, and the outcomes and ends of N others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from benches.workloads import SCHEMA
from waymark.runtime.run_ids import RunIds
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.columns import to_columns
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
