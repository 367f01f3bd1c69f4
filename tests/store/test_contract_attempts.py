"""What attempts report of themselves, on every store: kept, read by the next owner, gone."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.store.rows import GRAPH, batch, live_worker, owned_run, release, success
from waymark.store.protocol import Store
from waymark.store.records import AttemptRow

pytestmark = pytest.mark.anyio


def row(run: UUID, effect: int, *, epoch: int = 1, progress: bytes | None = b"[1]") -> AttemptRow:
    return AttemptRow(run, epoch, effect, 2, 1_700_000_000_000_000_000, progress)


async def test_the_last_report_of_each_call_is_kept(store: Store, worker: UUID) -> None:
    """A later one takes the place of an older; other runs keep theirs."""
    runs = [owned_run(worker).id for _ in range(2)]
    await store.flush(0, batch(worker, runs=[owned_run(worker)._replace(id=run) for run in runs]))
    await store.write_attempts(worker, [row(runs[0], 1), row(runs[0], 2), row(runs[1], 1)])
    newer = row(runs[0], 1, progress=None)._replace(attempt=3)
    await store.write_attempts(worker, [newer])
    assert await store.read_attempts([runs[0], uuid4()]) == [newer, row(runs[0], 2)]
    assert await store.read_attempts([runs[1]]) == [row(runs[1], 1)]
    assert await store.read_attempts([]) == []
    await store.write_attempts(worker, [])


async def test_only_the_owner_reports(store: Store, worker: UUID) -> None:
    """What a dead worker, another, or one of an older epoch says is left out, alone."""
    run, given = owned_run(worker), owned_run(worker)
    await store.flush(0, batch(worker, runs=[run, given]))
    other = await live_worker(store)
    await store.write_attempts(other, [row(run.id, 1)])
    await store.flush(0, batch(worker, releases=[release(given.id)]))
    await store.write_attempts(worker, [row(run.id, 1, epoch=2), row(given.id, 1), row(run.id, 2)])
    assert await store.read_attempts([run.id, given.id]) == [row(run.id, 2)]
    await store.remove_worker(worker)
    await store.write_attempts(worker, [row(run.id, 3)])
    assert [kept.effect for kept in await store.read_attempts([run.id])] == [2]


async def test_the_next_owner_finds_what_was_reported(store: Store, worker: UUID) -> None:
    """At its own epoch, under which it goes on reporting."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.write_attempts(worker, [row(run.id, 1)])
    await store.remove_worker(worker)
    heir = await live_worker(store)
    await store.claim(heir, [GRAPH], ["default"], 1)
    (kept,) = await store.read_attempts([run.id])
    assert kept == row(run.id, 1, epoch=2)
    await store.write_attempts(heir, [kept._replace(attempt=3)])
    assert (await store.read_attempts([run.id]))[0].attempt == 3


async def test_what_is_over_is_forgotten(store: Store, worker: UUID) -> None:
    """Call by call; all of a run only when it has ended."""
    run, ended = owned_run(worker), owned_run(worker)
    await store.flush(0, batch(worker, runs=[run, ended]))
    await store.write_attempts(worker, [row(run.id, 1), row(run.id, 2), row(ended.id, 1)])
    await store.flush(0, batch(worker, ends=[success(ended.id)]))
    await store.forget_attempts([(run.id, 1), (run.id, 7), (ended.id, None), (run.id, None)])
    assert await store.read_attempts([run.id, ended.id]) == [row(run.id, 2)]
    await store.forget_attempts([])
