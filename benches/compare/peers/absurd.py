"""Absurd: durable tasks of steps, by its async client; the workers run in this process."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
from absurd_sdk import AsyncAbsurd

from benches.compare.shape import beside, equal, settled, submit

#: `concurrency` of start_worker is 1 by default, and a client has one connection: so several
#: workers and clients, each with its own. `poll_interval` is 0.25 s (default): nothing notifies.
WORKERS, CONCURRENCY, CLIENTS = 8, 50, 8
SETTINGS = f"{WORKERS} workers of concurrency={CONCURRENCY}, poll_interval=0.25 (default)"
CHAIN = "a task of steps"
JOIN = "asyncio.gather of steps in a task"


async def one_action(params: Any, context: Any) -> int:
    return await echo(context, params)


async def chain(params: Any, context: Any) -> int:
    value = params["value"]
    for _ in range(params["length"]):
        value = await echo(context, value)
    return value


async def fan_out(params: Any, context: Any) -> int:
    return sum(await asyncio.gather(*(echo(context, value) for value in range(params))))


async def echo(context: Any, value: int) -> int:
    async def work() -> int:
        return value

    return await context.step("echo", work)


class Peer:
    def __init__(self, clients: list[AsyncAbsurd], asking: psycopg.AsyncConnection) -> None:
        self._clients = itertools.cycle(clients)
        self._asking = asking
        self._submitted = 0

    async def runs(self, count: int, in_flight: int) -> None:
        await submit(count, in_flight, lambda value: self._spawn("one_action", value))
        await settled(self._finished, self._submitted)

    async def chains(self, count: int, length: int) -> None:
        def first(value: int) -> Any:
            return self._spawn("chain", {"value": value, "length": length})

        await submit(count, count, first)
        await settled(self._finished, self._submitted)

    async def fan_out(self, width: int) -> None:
        equal(await self._result("fan_out", width), sum(range(width)))

    async def one(self, value: int) -> None:
        equal(await self._result("one_action", value), value)

    async def _spawn(self, name: str, params: Any) -> Any:
        self._submitted += 1
        return await next(self._clients).spawn(name, params)

    async def _result(self, name: str, params: Any) -> Any:
        task = await self._spawn(name, params)
        found = await next(self._clients).await_task_result(task["task_id"], timeout=100)
        equal(found.state, "completed")
        return found.result

    async def _finished(self) -> int:
        query = "select count(*) from absurd.t_default where state = 'completed'"
        found = await (await self._asking.execute(query)).fetchone()
        return int(found[0])


def client(url: str) -> AsyncAbsurd:
    made = AsyncAbsurd(url)
    for task in (one_action, chain, fan_out):
        made.register_task(name=task.__name__)(task)
    return made


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Peer]:
    command = [sys.executable, "-c", "import absurdctl; absurdctl.main()", "init"]
    environment = {**os.environ, "ABSURD_DATABASE_URL": url}
    install = await asyncio.create_subprocess_exec(*command, env=environment, stdout=sys.stderr)
    equal(await install.wait(), 0)
    clients = [client(url) for _ in range(WORKERS + CLIENTS)]
    await clients[0].create_queue()
    async with AsyncExitStack() as stack:
        for worker in clients[:WORKERS]:
            await stack.enter_async_context(beside(worker.start_worker(concurrency=CONCURRENCY)))
        asking = await psycopg.AsyncConnection.connect(url, autocommit=True)
        stack.push_async_callback(asking.close)
        yield Peer(clients[WORKERS:], asking)
