"""Claims in Postgres, cut off at the worst moments."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import asyncpg
import pytest

from tests.store.rows import GRAPH, batch, entry, free_run, live_worker, owned_run
from tests.store.sessions import session, until_waiting
from waymark.errors import StoreUnavailable
from waymark.store.postgres import PostgresStore
from waymark.store.records import ClaimedRun

pytestmark = pytest.mark.anyio


@contextmanager
def commits_without_an_answer() -> Iterator[None]:
    """Transactions commit, and then their connection breaks."""
    commit = asyncpg.transaction.Transaction._Transaction__commit

    async def lose_the_answer(transaction: asyncpg.transaction.Transaction) -> None:
        await commit(transaction)
        raise ConnectionResetError("the answer never came")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(asyncpg.transaction.Transaction, "_Transaction__commit", lose_the_answer)
        yield


async def test_a_claim_that_was_lost_and_found_is_handed_over_once(
    postgres: PostgresStore,
) -> None:
    """What a claim without an answer took is handed over by the next one, and not again
    by those that follow: a run recovered twice would be executed twice at one epoch."""
    worker = await live_worker(postgres)
    runs = [free_run() for _ in range(3)]
    for run in runs:
        await postgres.submit(run)
    with commits_without_an_answer(), pytest.raises(StoreUnavailable):
        await postgres.claim(worker, [GRAPH], ["default"], 2)
    found = await postgres.claim(worker, [GRAPH], ["default"], 2)
    assert {run.id for run in found} == {run.id for run in runs[:2]}
    rest = await postgres.claim(worker, [GRAPH], ["default"], 2)
    assert [run.id for run in rest] == [runs[2].id]
    assert await postgres.claim(worker, [GRAPH], ["default"], 2) == []


async def test_a_claim_that_commits_late_is_waited_for(
    postgres: PostgresStore, database_url: str, schema: str
) -> None:
    """The connection broke while the commit was on its way, and the server has not got
    to it: whether the claim holds is not decided. The next claim waits for that, or the
    run would belong to a worker that lives and does not know it."""
    worker, run = await live_worker(postgres), free_run()
    await postgres.submit(run)
    doubtful = ClaimedRun(run.id, run.workflow, run.graph, run.queue, 1, 5, run.input)
    postgres._doubtful_claims = [doubtful]
    async with session(database_url) as server:
        transaction = server.transaction()
        await transaction.start()
        await server.execute(
            f'update "{schema}".runs set owner = $1, epoch = 1, state = 2 where id = $2',
            worker,
            run.id,
        )
        claim = asyncio.create_task(postgres.claim(worker, [GRAPH], ["default"], 1))
        await until_waiting(database_url, "still_claimed", schema)
        await transaction.commit()
        assert await claim == [doubtful]


async def test_a_process_that_stops_within_a_claim_can_be_declared_dead(
    database_url: str, schema: str
) -> None:
    """A claim is a transaction of several round trips, and holds its worker's row. When
    its process is stopped in between, or cut off, the server ends it before long, or
    nobody could ever take up the runs of that worker."""
    postgres = PostgresStore(database_url, schema=schema)
    postgres._connector = replace(postgres._connector, idle_transaction_seconds=0.2)
    await postgres.open()
    sweeper = PostgresStore(database_url, schema=schema)
    await sweeper.open()
    try:
        worker = await live_worker(postgres)
        await postgres.flush(0, batch(worker, runs=[owned_run(worker)]))
        await postgres.submit(free_run())
        stopped, forever = asyncio.Event(), asyncio.Event()

        async def stop_before_commit(transaction: asyncpg.transaction.Transaction) -> None:
            stopped.set()
            await forever.wait()

        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(
                asyncpg.transaction.Transaction, "_Transaction__commit", stop_before_commit
            )
            claim = asyncio.create_task(postgres.claim(worker, [GRAPH], ["default"], 9))
            await stopped.wait()
            async with asyncio.timeout(20):
                while await sweeper.reap_workers([worker]) != [worker]:
                    pass
            claim.cancel()
            with pytest.raises(asyncio.CancelledError):
                await claim
        heir = await live_worker(sweeper)
        assert len(await sweeper.claim(heir, [GRAPH], ["default"], 9)) == 2
    finally:
        await postgres.close()
        await sweeper.close()


async def test_a_stricter_default_of_the_database_changes_nothing(
    database_url: str, schema: str
) -> None:
    """Statements are written for READ COMMITTED, where a flush that meets a beat goes
    on; they run in it whatever the database or the role has as its default."""
    strict = "options=-c%20default_transaction_isolation%3Dserializable"
    url = f"{database_url}{'&' if '?' in database_url else '?'}{strict}"
    store = PostgresStore(url, schema=schema)
    await store.open()
    try:
        worker = await live_worker(store)
        run = owned_run(worker)
        await store.flush(0, batch(worker, runs=[run]))
        async with store._connected() as connection:
            levels = [await connection.fetchval("show transaction_isolation")]
        lane = store._lanes[0]._connection
        assert lane is not None
        levels.append(await lane.fetchval("show transaction_isolation"))
        assert levels == ["read committed"] * 2
        assert await store.flush(0, batch(worker, entries=[entry(run.id, 1)])) == frozenset()
    finally:
        await store.close()
