"""Values that Postgres itself refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.store.rows import GRAPH, batch, entry, live_worker, owned_run
from waymark.errors import RefusedData
from waymark.store.postgres import PostgresStore
from waymark.store.records import Flush

pytestmark = pytest.mark.anyio


def with_run(**columns: Any) -> Callable[[Any], Flush]:
    return lambda worker: batch(worker, runs=[owned_run(worker)._replace(**columns)])


def with_entry(**columns: Any) -> Callable[[Any], Flush]:
    def make(worker: Any) -> Flush:
        run = owned_run(worker)
        return batch(worker, runs=[run], entries=[entry(run.id, 1)._replace(**columns)])

    return make


@pytest.mark.parametrize(
    "make",
    [
        with_run(workflow="nul \x00"),
        with_run(queue="surrogate \ud800"),
        with_run(began_ns=2**63),
        with_run(epoch=2**31),
        with_entry(effect=2**31),
        with_entry(digest=-(2**31) - 1),
        with_entry(at_ns=2**63),
        with_entry(kind=2**15),
    ],
)
async def test_a_value_that_does_not_fit_is_refused_data(
    postgres: PostgresStore, make: Callable[[Any], Flush]
) -> None:
    """Whoever finds the fault, driver or server, the writer hears one thing, nothing
    is stored, and the lane goes on."""
    worker = await live_worker(postgres)
    good = owned_run(worker)
    bad = make(worker)
    with pytest.raises(RefusedData):
        await postgres.flush(0, bad._replace(runs=[good, *bad.runs]))
    assert await postgres.read_runs([good.id]) == {}
    assert await postgres.flush(0, batch(worker, runs=[good])) == frozenset()


async def test_a_batch_of_megabytes_arrives(postgres: PostgresStore) -> None:
    """Payloads of very different sizes travel in one batch and come back whole."""
    worker = await live_worker(postgres)
    sizes = [0, 1, 5_000_000, 126, 127, 128, 70_000]
    runs = [owned_run(worker)._replace(input=bytes([n]) * size) for n, size in enumerate(sizes)]
    entries = [entry(run.id, 1, payload=run.input[::-1] + b"!") for run in runs]
    assert await postgres.flush(0, batch(worker, runs=runs, entries=entries)) == frozenset()
    journal = await postgres.read_journal([run.id for run in runs])
    assert [journal[run.id][0].payload for run in runs] == [row.payload for row in entries]
    await postgres.remove_worker(worker)
    heir = await live_worker(postgres)
    claimed = await postgres.claim(heir, [GRAPH], ["default"], 99)
    assert {run.id: run.input for run in claimed} == {run.id: run.input for run in runs}
