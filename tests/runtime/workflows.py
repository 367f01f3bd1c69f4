"""Workflows that the runtime's tests execute, and actions they can watch."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextvars import ContextVar
from typing import Any

from waymark.authoring import Workflow, action, context, workflow


class Stage:
    """What the actions of one test did, and what holds them up."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.keys: list[str] = []
        self.busy = 0
        self.busy_most = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()


#: Set anew by the fixture `stage`.
current: list[Stage] = []


@action
async def double(number: int) -> int:
    stage = current[-1]
    stage.calls[f"double {number}"] += 1
    stage.keys.append(context().idempotency_key)
    return number * 2


@action
async def held(name: str) -> str:
    stage = current[-1]
    stage.calls[name] += 1
    stage.begun.set()
    await stage.go.wait()
    return name


@action
async def crowded(number: int) -> int:
    stage = current[-1]
    stage.busy += 1
    stage.busy_most = max(stage.busy, stage.busy_most)
    for _ in range(3):
        await asyncio.sleep(0)
    stage.busy -= 1
    return number


@action
async def fail(text: str) -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError(text) from error


@action
async def give_up() -> None:
    raise asyncio.CancelledError("the author's own")


@action
async def unstorable() -> Any:
    return {"users": [1, threading.Lock()]}


@action
async def large(size: int) -> str:
    return "x" * size


@action
def in_thread(number: int) -> tuple[int, bool]:
    return number + 1, threading.current_thread() is threading.main_thread()


#: Set by tests, before and after they start.
process: ContextVar[str] = ContextVar("process", default="nothing")


@action
async def seen() -> str:
    return process.get()


@workflow
class Seen(Workflow):
    async def run(self) -> str:
        return await seen()


@workflow
class Double(Workflow):
    async def run(self, number: int) -> int:
        return await double(number)


@workflow
class Chain(Workflow):
    async def run(self, number: int) -> int:
        for _ in range(4):
            number = await double(number)
        return number


@workflow
class Hold(Workflow):
    async def run(self, name: str) -> str:
        first = await held(name)
        return first + "!"


@workflow
class HoldTwo(Workflow):
    async def run(self) -> list[Any]:
        first = await double(1)
        second = await held("two")
        third = await double(2)
        return [first, second, third]


@workflow
class Crowd(Workflow):
    async def run(self, width: int) -> int:
        return sum(await asyncio.gather(*[crowded(number) for number in range(width)]))


@workflow
class Fail(Workflow):
    async def run(self, text: str) -> None:
        await fail(text)


@workflow
class Survive(Workflow):
    async def run(self) -> str:
        try:
            await give_up()
        except asyncio.CancelledError:
            return "survived"
        return "not raised"


@workflow
class Unstorable(Workflow):
    async def run(self) -> Any:
        return await unstorable()


@workflow
class Large(Workflow):
    async def run(self, size: int) -> int:
        try:
            text = await large(size)
        except TypeError as error:
            return len(str(error)) * 0 - 1
        return len(text)


@workflow
class Threaded(Workflow):
    async def run(self, number: int) -> Any:
        return await in_thread(number)


@workflow
class Nap(Workflow):
    async def run(self, seconds: float) -> int:
        await asyncio.sleep(seconds)
        return await double(7)


@workflow
class Pure(Workflow):
    async def run(self, number: int) -> int:
        return number + 1
