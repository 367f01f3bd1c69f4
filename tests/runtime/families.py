"""Workflows with children, and what they should come to."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.runtime.workflows import Chain, Double, Fail, Hold, current, double
from waymark.authoring import Workflow, action, workflow


@workflow
class Family(Workflow):
    """Children of two kinds, an action beside them, a result of all."""

    async def run(self, number: int) -> list[Any]:
        first = await Double().run(number)
        rest = await asyncio.gather(
            *[Chain().run(number * 100 + place) for place in range(3)], double(number + 1)
        )
        return [first, *rest]


def family(number: int) -> list[int]:
    return [number * 2, *(16 * (number * 100 + place) for place in range(3)), (number + 1) * 2]


@workflow
class Tree(Workflow):
    """Runs itself."""

    async def run(self, depth: int) -> int:
        if depth == 0:
            return await double(1)
        return sum(await asyncio.gather(*[Tree().run(depth - 1) for _ in range(3)]))


@workflow
class Wide(Workflow):
    async def run(self, width: int) -> int:
        return sum(await asyncio.gather(*[Double().run(place) for place in range(width)]))


@workflow
class Forgiving(Workflow):
    async def run(self) -> list[str]:
        caught: list[str] = []
        try:
            await Fail().run("broken")
        except ValueError as error:
            caught.append(repr(error))
        try:
            await Double().run(*[1, 2, 3])
        except TypeError as error:
            caught.append(str(error))
        return caught


@workflow
class Failing(Workflow):
    async def run(self, text: str) -> None:
        await Fail().run(text)


@workflow
class Holding(Workflow):
    async def run(self, name: str) -> str:
        return await Hold().run(name) + "?"


@workflow
class Copying(Workflow):
    async def run(self, items: list[int]) -> Any:
        call = Appending().run(items)
        items.append(1)
        grown = await call
        return items, grown


@workflow
class Appending(Workflow):
    async def run(self, items: list[int]) -> list[int]:
        items.append(2)
        return items


@workflow
class Heavy(Workflow):
    async def run(self, size: int) -> str:
        try:
            return await Hold().run("x" * size)
        except TypeError as error:
            return str(error)


@workflow
class Careful(Workflow):
    """Cleans up when it is cancelled."""

    async def run(self, name: str) -> str:
        try:
            return await Hold().run(name)
        finally:
            await double(len(name))


@workflow
class Giving(Workflow):
    """Cancels a child that waits, and then waits for its end."""

    async def run(self, name: str) -> list[Any]:
        child = asyncio.create_task(Careful().run(name))
        while not await begun(name):  # noqa: ASYNC110 - compiled, where nothing else waits
            await asyncio.sleep(0.01)
        child.cancel()
        try:
            await child
        except asyncio.CancelledError:
            return ["cancelled", child.cancelled(), await double(3)]
        return ["not cancelled"]


@action
async def begun(name: str) -> bool:
    return current[-1].calls[name] > 0
