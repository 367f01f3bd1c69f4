"""PgQueuer: jobs for entry points, on asyncpg; the consumer runs in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.core.completion import CompletionWatcher
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benches.compare.shape import Tally, beside, equal, settled, submit

#: `batch_size` (QueueManager.run, `pgq run --batch-size`): 10 by default. Its buffer of finished
#: jobs is of the same size. `debounce` of CompletionWatcher is 50 ms by default; 0 is its least.
#: `pgq run` takes uvloop when it is installed (adapters/cli/cli.py).
BATCH, POOL = 100, 20
SETTINGS = f"batch_size={BATCH}, debounce=0, durable tables (default), pool {POOL}; uvloop"
CHAIN = "each job enqueues the next"
JOIN = "no join: one enqueue of all, wait for all"
UVLOOP = True

tally = Tally()


class Peer:
    def __init__(self, pool: asyncpg.Pool, queries: Queries, watcher: CompletionWatcher) -> None:
        self._pool, self._queries, self._watcher = pool, queries, watcher
        self._submitted = 0

    async def runs(self, count: int, in_flight: int) -> None:
        await submit(count, in_flight, lambda value: self._queries.enqueue("echo", b"0"))
        await self._all(count)

    async def chains(self, count: int, length: int) -> None:
        left = str(length - 1).encode()
        await submit(count, count, lambda value: self._queries.enqueue("echo", left))
        await self._all(count * length)

    async def fan_out(self, width: int) -> None:
        await self._queries.enqueue(["echo"] * width, [b"0"] * width, [0] * width)
        await self._all(width)

    async def one(self, value: int) -> None:
        (job,) = await self._queries.enqueue("echo", b"0")
        self._submitted += 1
        equal(await self._watcher.wait_for(job), "successful")

    async def _all(self, count: int) -> None:
        self._submitted += count
        await tally.reach(self._submitted)
        await settled(self._finished, self._submitted)

    async def _finished(self) -> int:
        """What has left the queue for its log."""
        found = await self._pool.fetchval(
            "select count(*) from pgqueuer_log where status = 'successful'"
        )
        return int(found)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Peer]:
    connection = await asyncpg.connect(url)
    await Queries(AsyncpgDriver(connection)).install()
    async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        consumer = PgQueuer(AsyncpgDriver(connection))

        @consumer.entrypoint("echo")
        async def echo(job: Job) -> None:
            if left := int(job.payload or b"0"):
                await queries.enqueue("echo", str(left - 1).encode())
            tally.add()

        listening = AsyncpgDriver(await asyncpg.connect(url))
        watching = CompletionWatcher(listening, queries=queries, debounce=timedelta(0))
        async with beside(consumer.run(batch_size=BATCH)), watching as watcher:
            yield Peer(pool, queries, watcher)
