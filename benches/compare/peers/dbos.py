"""DBOS Transact: durable workflows of steps, called directly in the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbos import DBOS, DBOSConfig

from benches.compare.shape import equal, submit

#: `sys_db_pool_size` (dbos/_dbos_config.py, DBOSConfig): "System database pool size", by default
#: 20. `use_listen_notify` is True by default. A console that logs warnings only is for us.
SETTINGS = "sys_db_pool_size=20 (default), use_listen_notify=True (default); asyncio's loop"
CHAIN = "a workflow of steps"
JOIN = "asyncio.gather of steps in a workflow"


@DBOS.step()
async def echo(value: int) -> int:
    return value


@DBOS.workflow()
async def one_action(value: int) -> int:
    return await echo(value)


@DBOS.workflow()
async def chain(value: int, length: int) -> int:
    for _ in range(length):
        value = await echo(value)
    return value


@DBOS.workflow()
async def fan_out(width: int) -> int:
    return sum(await asyncio.gather(*[echo(value) for value in range(width)]))


class Peer:
    async def runs(self, count: int, in_flight: int) -> None:
        await submit(count, in_flight, self.one)

    async def chains(self, count: int, length: int) -> None:
        results = await asyncio.gather(*(chain(value, length) for value in range(count)))
        equal(results, list(range(count)))

    async def fan_out(self, width: int) -> None:
        equal(await fan_out(width), sum(range(width)))

    async def one(self, value: int) -> None:
        equal(await one_action(value), value)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Peer]:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        yield Peer()
        done = await DBOS.list_workflows_async(status="SUCCESS", limit=1_000_000)
        every = await DBOS.list_workflows_async(limit=1_000_000)
        equal(len(done), len(every))
    finally:
        DBOS.destroy()
