"""Oban for Python: jobs in queues; the client and a queue in one process ("embedded mode")."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from oban import Oban, telemetry, worker
from oban.schema import install

from benches.compare.shape import Tally, settled, submit

#: `limit` of a queue is its concurrency (README: "queues exports:10"); `max_size` of the pool is
#: 10 by default (Oban.create_pool). More of either was not faster when this was written.
#: `oban start` runs on uvloop (cli.py).
LIMIT, POOL = 100, 40
SETTINGS = f"queues={{'default': {LIMIT}}}, pool max_size={POOL}; uvloop, as its command line"
CHAIN = "each job enqueues the next"
JOIN = "no join: enqueue_many, wait for all"
UVLOOP = True

tally = Tally()
done: dict[int, asyncio.Future[None]] = {}


@worker(queue="default")
class Echo:
    async def process(self, job: Any) -> None:
        left = job.args.get("left", 0)
        if left:
            await Echo.enqueue({"value": job.args["value"], "left": left - 1})
        tally.add()


def stopped(_name: str, meta: dict[str, Any]) -> None:
    """Oban's own word that a job has ended."""
    if waiting := done.pop(meta["job"].args["value"], None):
        waiting.set_result(None)


class Peer:
    def __init__(self, oban: Oban, pool: Any) -> None:
        self._oban, self._pool = oban, pool
        self._submitted = 0
        self._names = itertools.count(-1, -1)

    async def runs(self, count: int, in_flight: int) -> None:
        await submit(count, in_flight, lambda value: Echo.enqueue({"value": value}))
        await self._all(count)

    async def chains(self, count: int, length: int) -> None:
        def first(value: int) -> Any:
            return Echo.enqueue({"value": value, "left": length - 1})

        await submit(count, count, first)
        await self._all(count * length)

    async def fan_out(self, width: int) -> None:
        await self._oban.enqueue_many([Echo.new({"value": value}) for value in range(width)])
        await self._all(width)

    async def one(self, value: int) -> None:
        name = next(self._names)
        done[name] = asyncio.get_running_loop().create_future()
        ended = done[name]
        await Echo.enqueue({"value": name})
        await ended
        self._submitted += 1

    async def _all(self, count: int) -> None:
        self._submitted += count
        await tally.reach(self._submitted)
        await settled(self._finished, self._submitted)

    async def _finished(self) -> int:
        async with self._pool.connection() as connection:
            found = await connection.execute(
                "select count(*) from oban_jobs where state = 'completed'"
            )
            return int((await found.fetchone())[0])


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Peer]:
    pool = await Oban.create_pool(url, min_size=POOL, max_size=POOL)
    await install(pool)
    telemetry.attach("bench", ["oban.job.stop", "oban.job.exception"], stopped)
    async with Oban(pool=pool, queues={"default": LIMIT}) as oban:
        yield Peer(oban, pool)
    await pool.close()
