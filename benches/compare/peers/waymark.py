"""Waymark in its default settings, from the sources of this tree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import waymark
from benches.compare.shape import equal
from benches.workloads import SCHEMA, OneAction, run_chains, run_fan_out, run_many

SETTINGS = "defaults; asyncio's loop"
CHAIN = "a workflow of awaits"
JOIN = "asyncio.gather in a workflow"


class Peer:
    async def runs(self, count: int, in_flight: int) -> None:
        await run_many(count, in_flight)

    async def chains(self, count: int, length: int) -> None:
        equal(length, 5)
        await run_chains(count)

    async def fan_out(self, width: int) -> None:
        await run_fan_out(width)

    async def one(self, value: int) -> None:
        equal(await OneAction().run(value), value)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Peer]:
    async with waymark.running(url, schema=SCHEMA):
        yield Peer()
