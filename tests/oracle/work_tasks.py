"""Programs that read like real work: tasks, groups, timeouts, locks, races."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, create_task, gather, sleep
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow


class Broken(Exception):
    pass


class Busy(Exception):
    pass


@dataclass
class Quote:
    supplier: str
    price: int


@action
async def work(name: str, seconds: float = 1.0) -> str:
    record("work", name)
    await asyncio.sleep(seconds)
    if name.startswith("bad"):
        raise Broken(name)
    if name.startswith("busy"):
        raise Busy(name)
    return name.upper()


@action
async def quote(supplier: str) -> Quote:
    record("quote", supplier)
    await asyncio.sleep(len(supplier))
    if supplier == "closed":
        raise ConnectionError("closed today")
    return Quote(supplier, 100 - len(supplier) * 7)


@action
async def ping(n: int) -> None:
    record("ping", n)


@action
async def ready(job: str) -> bool:
    """True from the fifth second on."""
    record("ready", job)
    await asyncio.sleep(0.25)
    return asyncio.get_running_loop().time() > 5


@action
async def undo(name: str) -> None:
    record("undo", name)
    await asyncio.sleep(0.5)


@inputs((3, 2.5), (1, 0.1), races=True)
@workflow
class Heartbeat(Workflow):
    async def run(self, jobs: int, pause: float) -> list[str]:
        log: list[str] = []
        heart = create_task(self.beat(pause, log))
        try:
            for n in range(jobs):
                log.append(await work(f"job{n}", 2))
        finally:
            heart.cancel()
            with suppress(CancelledError):
                await heart
        return log

    async def beat(self, pause: float, log: list[str]) -> None:
        n = 0
        try:
            while n < 10:
                await sleep(pause)
                n += 1
                log.append(f"beat {n}")
        except CancelledError:
            log.append("beat stopped")
            raise


@inputs((True,), (False,), races=True)
@workflow
class GatherHeld(Workflow):
    async def run(self, wait: bool) -> Any:
        both = gather(work("a", 2), work("b", 1))
        meanwhile = await work("meanwhile", 1.5)
        if not wait:
            both.cancel()
            with suppress(CancelledError):
                await both
            return meanwhile
        return [meanwhile, *await both]


@inputs(races=True)
@workflow
class UnfinishedTask(Workflow):
    """What still runs at the end is cancelled, as `asyncio.run` does."""

    async def run(self) -> str:
        create_task(self.forever())
        return await work("short")

    async def forever(self) -> None:
        try:
            await sleep(1000)
        finally:
            await undo("forever")


@inputs((4,), (1,), races=True)
@workflow
class RateLimited(Workflow):
    """One call per second, however long each takes."""

    async def run(self, calls: int) -> list[str]:
        tasks = []
        for n in range(calls):
            tasks.append(create_task(work(f"call{n}", 1.7)))
            if n + 1 < calls:
                await sleep(1)
        return list(await gather(*tasks))


@inputs(races=True)
@workflow
class CancelMessage(Workflow):
    async def run(self):
        task = create_task(work("x", 5))
        await sleep(1)
        task.cancel("no longer needed")
        try:
            await task
        except CancelledError as e:
            return e.args, task.cancelled(), task.done()
