"""What ended long ago is removed, whole, in bounded pieces; nothing else ever is."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.store.rows import (
    GRAPH,
    batch,
    entry,
    free_run,
    live_worker,
    owned_run,
    release,
    success,
)
from waymark.store.postgres import PostgresStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, Message, RunEnd, RunState

pytestmark = pytest.mark.anyio

#: So that what ended just now ended long ago.
AGO_SECONDS = -60.0


async def finished(store: Store, worker: UUID, entries: int = 2) -> UUID:
    run = owned_run(worker)
    rows = [entry(run.id, seq) for seq in range(1, entries + 1)]
    await store.flush(0, batch(worker, runs=[run], entries=rows))
    await store.flush(0, batch(worker, ends=[success(run.id)]))
    return run.id


async def test_what_ended_long_ago_goes_with_all_that_belongs_to_it(
    store: Store, worker: UUID
) -> None:
    """Run, journal and messages; of younger ones nothing."""
    runs = [await finished(store, worker) for _ in range(3)]
    await store.send([Message(runs[0], "late", EntryKind.CANCEL, "", b"")])
    assert await store.remove_finished(3600.0, 100, 100) == (0, 0)
    assert len(await store.read_runs(runs)) == 3
    assert await store.remove_finished(AGO_SECONDS, 100, 100) == (3, 6)
    assert await store.read_runs(runs) == {}
    assert await store.read_journal(runs) == {}
    assert await store.read_inbox(worker) == []
    assert await store.remove_finished(AGO_SECONDS, 100, 100) == (0, 0)


async def test_what_has_not_ended_stays(store: Store, worker: UUID) -> None:
    """Running, free, blocked and quarantined ones, however old."""
    running, free = owned_run(worker), free_run()
    blocked, stuck = owned_run(worker), owned_run(worker)
    await store.submit(free)
    await store.flush(0, batch(worker, runs=[running, blocked, stuck]))
    end = RunEnd(stuck.id, 1, RunState.QUARANTINED, 0, b"a difference")
    given = release(blocked.id, state=RunState.BLOCKED, reason="no action")
    await store.flush(0, batch(worker, ends=[end], releases=[given]))
    assert await store.remove_finished(AGO_SECONDS, 100, 100) == (0, 0)
    runs = [running.id, free.id, blocked.id, stuck.id]
    assert len(await store.read_runs(runs)) == 4


async def test_the_oldest_go_first_and_no_more_than_asked(store: Store, worker: UUID) -> None:
    """A batch is bounded by runs."""
    runs = [await finished(store, worker) for _ in range(5)]
    assert await store.remove_finished(AGO_SECONDS, 2, 100) == (2, 4)
    assert set(await store.read_runs(runs)) == set(runs[2:])
    assert await store.remove_finished(AGO_SECONDS, 2, 100) == (2, 4)
    assert await store.remove_finished(AGO_SECONDS, 2, 100) == (1, 2)


async def test_a_long_journal_goes_in_parts(store: Store, worker: UUID) -> None:
    """No statement removes more rows than asked; the run goes when its journal is gone."""
    run = await finished(store, worker, entries=10)
    removed = []
    while await store.read_runs([run]):
        removed.append(await store.remove_finished(AGO_SECONDS, 100, 4))
        assert len(removed) < 10
    assert removed == [(0, 4), (0, 4), (1, 2)]
    assert await store.read_journal([run]) == {}


async def test_a_child_stays_until_its_parent_has_ended(store: Store, worker: UUID) -> None:
    """A parent that is blocked for long asks for its child's end when it goes on; without an
    answer it would begin the child anew."""
    parent = owned_run(worker)
    child = owned_run(worker)._replace(parent=parent.id)
    grandchild = owned_run(worker)._replace(parent=child.id)
    await store.flush(0, batch(worker, runs=[parent, child, grandchild]))
    await store.flush(0, batch(worker, ends=[success(child.id), success(grandchild.id)]))
    assert await store.remove_finished(AGO_SECONDS, 9, 9) == (1, 0)
    assert set(await store.read_runs([parent.id, child.id, grandchild.id])) == {
        parent.id,
        child.id,
    }
    await store.flush(0, batch(worker, ends=[success(parent.id)]))
    assert await store.remove_finished(AGO_SECONDS, 9, 9) == (2, 0)


async def test_an_id_may_be_used_again_once_its_run_is_gone(store: Store, worker: UUID) -> None:
    """The key is remembered for as long as the run is kept."""
    run = free_run()
    assert await store.submit(run)
    (claimed,) = await store.claim(worker, [GRAPH], ["default"], 1)
    await store.flush(0, batch(worker, ends=[success(run.id, epoch=claimed.epoch)]))
    assert not await store.submit(run)
    assert await store.remove_finished(AGO_SECONDS, 9, 9) == (1, 0)
    assert await store.submit(run)


async def test_messages_to_nobody_go_after_a_while(store: Store, worker: UUID) -> None:
    """A message may come before its run, and must not wait for it for ever."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    stray = Message(uuid4(), "stray", EntryKind.CANCEL, "", b"")
    heard = Message(run.id, "heard", EntryKind.CANCEL, "", b"")
    await store.send([stray, heard])
    await store.remove_unheard(3600.0)
    await store.flush(0, batch(worker, runs=[owned_run(worker)._replace(id=stray.run_id)]))
    assert {message.key for message, _ in await store.read_inbox(worker)} == {"stray", "heard"}
    other = Message(uuid4(), "stray", EntryKind.CANCEL, "", b"")
    await store.send([other])
    await store.remove_unheard(AGO_SECONDS)
    await store.flush(0, batch(worker, runs=[owned_run(worker)._replace(id=other.run_id)]))
    assert {message.key for message, _ in await store.read_inbox(worker)} == {"stray", "heard"}
    assert {message.run_id for message, _ in await store.read_inbox(worker)} == {
        run.id,
        stray.run_id,
    }


async def test_one_process_at_a_time_removes(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """Who comes second leaves the work to the first, and does not wait for it."""
    worker = await live_worker(postgres)
    await finished(postgres, worker)
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "select pg_advisory_xact_lock(hashtextextended('waymark.retention.' || $1, 0))",
                schema,
            )
            assert await postgres.remove_finished(AGO_SECONDS, 9, 9) == (0, 0)
        assert await postgres.remove_finished(AGO_SECONDS, 9, 9) == (1, 2)
    finally:
        await connection.close()


async def test_a_row_that_somebody_holds_is_passed_over(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """Removing waits for nobody."""
    worker = await live_worker(postgres)
    held, other = await finished(postgres, worker), await finished(postgres, worker)
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(f'select from "{schema}".runs where id = $1 for update', held)
            assert await postgres.remove_finished(AGO_SECONDS, 9, 9) == (1, 2)
            assert await postgres.read_runs([other]) == {}
    finally:
        await connection.close()
    assert await postgres.remove_finished(AGO_SECONDS, 9, 9) == (1, 2)
