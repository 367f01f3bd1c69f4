"""Procrastinate: tasks deferred to a worker, which runs in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from benches.compare.shape import Tally, beside, settled, submit

#: `concurrency` (App.run_worker_async): "how many asynchronous jobs the worker can run in
#: parallel", 1 by default; the connector's keywords go to psycopg_pool, whose pool has 4
#: connections by default. More of either was not faster when this was written.
CONCURRENCY, POOL = 30, 20
SETTINGS = f"concurrency={CONCURRENCY}, listen_notify=True (default), pool max_size={POOL}"
CHAIN = "each job defers the next"
JOIN = "no join: batch_defer, wait for all"

tally = Tally()
done: dict[int, asyncio.Future[None]] = {}
app = App(connector=PsycopgConnector())


@app.task(name="echo")
async def echo(value: int, left: int = 0) -> int:
    if left:
        await echo.defer_async(value=value, left=left - 1)
    tally.add()
    if waiting := done.pop(value, None):
        waiting.set_result(None)
    return value


class Peer:
    def __init__(self, connector: PsycopgConnector) -> None:
        self._connector = connector
        self._submitted = 0
        self._singles = 0

    async def runs(self, count: int, in_flight: int) -> None:
        await submit(count, in_flight, lambda value: echo.defer_async(value=value))
        await self._all(count)

    async def chains(self, count: int, length: int) -> None:
        await submit(count, count, lambda value: echo.defer_async(value=value, left=length - 1))
        await self._all(count * length)

    async def fan_out(self, width: int) -> None:
        await echo.batch_defer_async(*({"value": value} for value in range(width)))
        await self._all(width)

    async def one(self, value: int) -> None:
        """It hands nothing back: the submitter sees the effect, before the job's end is stored."""
        self._singles += 1
        self._submitted += 1
        ended = done[-self._singles] = asyncio.get_running_loop().create_future()
        await echo.defer_async(value=-self._singles)
        await ended

    async def _all(self, count: int) -> None:
        self._submitted += count
        await tally.reach(self._submitted)
        await settled(self._finished, self._submitted)

    async def _finished(self) -> int:
        row = await self._connector.execute_query_one_async(
            "select count(*) as found from procrastinate_jobs where status = 'succeeded'"
        )
        return int(row["found"])


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Peer]:
    connector = PsycopgConnector(conninfo=url, min_size=POOL, max_size=POOL)
    with app.replace_connector(connector) as replaced:
        async with replaced.open_async():
            await replaced.schema_manager.apply_schema_async()
            work = replaced.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)
            async with beside(work):
                yield Peer(connector)
