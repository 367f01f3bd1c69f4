"""Programs that must behave as plain asyncio does. Each reads like real work."""

from __future__ import annotations

import asyncio
import copy
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

LIMIT = 3
RATES = {"eu": 21, "us": 7}


class User(BaseModel):
    id: str
    email: str
    active: bool = True


class EmailResult(BaseModel):
    to: str
    ok: bool


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Order:
    id: int
    lines: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.lines)

    def larger_than(self, amount: int) -> bool:
        return self.total > amount


class OutOfStock(Exception):
    def __init__(self, item: str) -> None:
        super().__init__(f"no {item}")
        self.item = item


@action
async def slow(value: Any, seconds: float = 1.0) -> Any:
    record("slow", copy.deepcopy(value))
    await asyncio.sleep(seconds)
    return copy.deepcopy(value)  # what an action gets and gives are copies


@action
async def echo(value: Any) -> Any:
    await asyncio.sleep(0.1)
    return value


@action
async def fail(message: str, seconds: float = 1.0) -> None:
    record("fail", message)
    await asyncio.sleep(seconds)
    raise ValueError(message)


@action
async def boom(kind: str, seconds: float = 0.5) -> None:
    record("boom", kind)
    await asyncio.sleep(seconds)
    raise {"key": KeyError, "value": ValueError, "zero": ZeroDivisionError}[kind](kind)


@action
async def reserve(item: str) -> str:
    record("reserve", item)
    await asyncio.sleep(0.5)
    if item == "gold":
        raise OutOfStock(item)
    return f"reserved {item}"


@action
async def release(item: str) -> None:
    record("release", item)


@action
async def fetch_users(user_ids: list[str]) -> list[User]:
    record("fetch_users", *user_ids)
    await asyncio.sleep(0.1)
    return [User(id=u, email=f"{u}@x", active=u != "b") for u in user_ids]


@action
async def send_email(to: str, subject: str) -> EmailResult:
    record("send_email", to, subject)
    await asyncio.sleep(0.2)
    if to.startswith("c"):
        raise RuntimeError(f"mailbox of {to} is full")
    return EmailResult(to=to, ok=True)


@action
async def page(number: int) -> dict[str, Any]:
    record("page", number)
    await asyncio.sleep(0.1)
    return {
        "items": [number * 10 + i for i in range(3)],
        "next": number + 1 if number < 3 else None,
    }


@action
async def make_order(number: int) -> Order:
    await asyncio.sleep(0.1)
    return Order(number, [number, 2 * number])


@workflow
class Welcome(Workflow):
    async def run(self, user_ids: list[str]) -> list[EmailResult | BaseException]:
        users = await fetch_users(user_ids)
        active_users = [user for user in users if user.active]
        return await asyncio.gather(
            *[send_email(to=user.email, subject="Welcome") for user in active_users],
            return_exceptions=True,
        )


@workflow
class LoopWithTry(Workflow):
    async def run(self, items: list[str]) -> list[str]:
        log = []
        for item in items:
            try:
                log.append(await reserve(item))
            except OutOfStock as error:
                log.append(f"missing {error.item}")
                continue
            finally:
                await release(item)
            log.append("next")
        log.append("end")
        return log


@workflow
class Pagination(Workflow):
    async def run(self) -> list[int]:
        found: list[int] = []
        number: int | None = 0
        while number is not None:
            answer = await page(number)
            found.extend(answer["items"])
            number = answer["next"]
            if len(found) > 100:
                break
        return sorted(found, key=lambda x: -x)


@workflow
class Saga(Workflow):
    async def run(self, items: list[str]) -> list[str]:
        done: list[str] = []
        try:
            for item in items:
                await reserve(item)
                done.append(item)
        except OutOfStock:
            for item in reversed(done):
                await release(item)
            raise
        return done


@workflow
class FirstFailure(Workflow):
    async def run(self) -> Any:
        try:
            return await asyncio.gather(slow(1, 3.0), fail("early", 1.0), slow(2, 2.0))
        except ValueError as error:
            rest = await slow("after", 5.0)
            return [str(error), rest]


@workflow
class EndsWhileOthersRun(Workflow):
    async def run(self) -> Any:
        try:
            await asyncio.gather(self.careful("a"), fail("boom", 1.0))
        except ValueError:
            return "left early"

    async def careful(self, name: str) -> str:
        try:
            await slow(name, 10.0)
        finally:
            await release(name)
        return name


@workflow
class Helpers(Workflow):
    base = 10

    async def run(self, n: int) -> Any:
        first = await self.add(n)
        second = await self.add(first, by=5)
        both = await asyncio.gather(self.add(1), self.add(2, by=2), slow("x"))
        return [first, second, both, await self.fib(5)]

    async def add(self, n: int, by: int = 1) -> int:
        await asyncio.sleep(0.1 * by)
        return (await slow(n, 0.1)) + by + self.base

    async def fib(self, n: int) -> int:
        if n < 2:
            return n
        return await self.fib(n - 1) + await self.fib(n - 2)


@workflow
class NestedTry(Workflow):
    async def run(self, mode: str) -> Any:
        trace: list[str] = []
        try:
            try:
                if mode == "fail":
                    await fail("inner")
                elif mode == "return":
                    return [*trace, await slow("early")]
                elif mode == "zero":
                    trace.append(str(1 // 0))
                trace.append("body")
            except ZeroDivisionError as error:
                trace.append(type(error).__name__)
                raise KeyError("from zero") from error
            else:
                trace.append("else")
            finally:
                trace.append("finally")
                await slow("cleanup", 0.1)
        except ValueError as error:
            trace.append(f"outer {error}")
        return trace


@workflow
class FinallyReturns(Workflow):
    async def run(self) -> Any:
        for number in range(3):
            try:
                await fail(f"{number}")
            finally:
                if number < 2:
                    continue
                return f"swallowed at {number}"


@workflow
class WhileElse(Workflow):
    async def run(self, stop: int) -> Any:
        seen = []
        count = 0
        while count < LIMIT:
            count += 1
            if count == stop:
                break
            seen.append(await slow(count, 0.1))
        else:
            seen.append("exhausted")
        return seen, count


@workflow
class AwaitEverywhere(Workflow):
    async def run(self, n: int) -> Any:
        values = [n, await slow(n + 1), n + 2]
        text = f"{await slow('a')}-{n:>3}-{await slow('b')!r}"
        chosen = await slow("big") if await slow(n) > 5 else await slow("small")
        either = await slow(0) or await slow("right")
        both = await slow(0) and await slow("never")
        found = [await slow(x, 0.1) for x in range(4) if x % 2]
        table = {str(k): await slow(k * k, 0.1) for k in range(3)}
        if (got := await slow(n)) and await slow(got - 1):
            values.append(got)
        compared = 1 < await slow(2) < await slow(3)
        picked = values[await slow(1)]
        return [values, text, chosen, either, both, found, table, compared, picked]


@workflow
class Order_of_evaluation(Workflow):
    async def run(self) -> Any:
        items = [1]
        total = len(items) + await self.grow(items) + len(items)
        pair = (items[-1], await self.grow(items), items[-1])
        return total, pair, items

    async def grow(self, items: list[int]) -> int:
        items.append(await slow(len(items)))
        return len(items)


@workflow
class Aliasing(Workflow):
    async def run(self) -> Any:
        row = [0]
        grid = [row, row]
        row.append(await slow(1))
        twin = await slow(grid)
        twin[0].append(2)
        other = grid
        other.append([await slow(3)])
        return [grid, twin, grid[0] is grid[1], twin[0] is twin[1], len(twin)]


@workflow
class HeldCalls(Workflow):
    async def run(self, n: int) -> Any:
        calls = [slow(i, 1.0 / (i + 1)) for i in range(n)]
        results = await asyncio.gather(*calls)
        single = slow("later")
        first = await slow("sooner")
        return results, first, await single


@workflow
class NestedGather(Workflow):
    async def run(self) -> Any:
        return await asyncio.gather(
            slow("a"),
            asyncio.gather(slow("b"), fail("c"), return_exceptions=True),
            asyncio.sleep(0.5, "slept"),
            asyncio.gather(),
        )


@workflow
class Sleeps(Workflow):
    async def run(self) -> Any:
        await asyncio.sleep(0)
        value = await asyncio.sleep(3600, result=7)
        both = await asyncio.gather(self.after(2, "x"), self.after(1, "y"))
        await asyncio.sleep(-1)
        return value, both

    async def after(self, seconds: float, name: str) -> str:
        await asyncio.sleep(seconds)
        await slow(name, 0)
        return name


@workflow
class UnboundLocal(Workflow):
    async def run(self, flag: bool) -> Any:
        if flag:
            value = await slow(1)
        return value


@workflow
class BareRaise(Workflow):
    async def run(self) -> Any:
        try:
            await fail("first")
        except ValueError as error:
            try:
                await self.again()
            except ValueError as same:
                return same is error

    async def again(self) -> None:
        await slow("helper")
        raise


@workflow
class Contexts(Workflow):
    async def run(self, how: str) -> Any:
        try:
            await fail("cause")
        except ValueError as error:
            if how == "from":
                raise RuntimeError("wrapped") from error
            if how == "none":
                raise RuntimeError("alone") from None
            await slow("between")
            raise RuntimeError("in context")


@workflow
class Values(Workflow):
    async def run(self) -> Any:
        order = await make_order(4)
        color = Color.RED
        label = "many" if order.total > 10 else "few"
        tags = {"b", "a"} | {"c"}
        merged = {**RATES, "uk": 20}
        big = order.larger_than(5)
        made = Order(9, [1])
        made.lines.append(await slow(2))
        first, *rest = order.lines
        return [order, color, label, sorted(tags), merged, big, made, first, rest]


@workflow
class NotRepeatable(Workflow):
    async def run(self) -> Any:
        started = datetime.now(UTC)
        await slow(1)
        ids = [uuid4(), uuid4()]
        dice = random.randint(1, 6)
        seen = await echo([str(i) for i in ids])
        user = User(id=str(ids[0]), email="x", active=bool(dice))
        await slow(2)
        return [
            started.tzinfo is UTC,
            seen == [str(i) for i in ids],
            1 <= dice <= 6,
            user.id == seen[0],
            user.active,
        ]


@workflow
class UncaughtInGather(Workflow):
    async def run(self) -> Any:
        return await asyncio.gather(self.inner(1), self.inner(0))

    async def inner(self, n: int) -> float:
        await slow(n)
        return 1 / n


@workflow
class TwoFailures(Workflow):
    async def run(self) -> Any:
        results = await asyncio.gather(
            fail("a", 2), fail("b", 1), self.raises(), return_exceptions=True
        )
        return [f"{type(r).__name__}: {r}" for r in results]

    async def raises(self) -> None:
        await asyncio.sleep(1.5)
        raise LookupError("c")


@workflow
class ReturnThroughFinally(Workflow):
    async def run(self) -> Any:
        log: list[Any] = []
        value = await self.inner(log)
        return value, log

    async def inner(self, log: list[Any]) -> Any:
        for n in range(5):
            try:
                try:
                    if n == 1:
                        return await slow(n)
                finally:
                    log.append(await slow(f"first {n}"))
            finally:
                log.append(await slow(f"second {n}"))
        return None
