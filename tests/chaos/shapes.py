"""The workflows that run under fire, and what each of them must come to.

Every shape takes one number, from which follow how many actions it calls and what
it returns. Every attempt of an action writes one line to a file that outlives the
process, before it does anything else; these lines are the world that Waymark acts on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from waymark import RetryPolicy, Workflow, action, context, workflow

#: Where attempts are noted: a descriptor opened for appending, so that the lines of
#: several processes never mix, and what was written survives any kill.
EFFECTS_VARIABLE = "CHAOS_EFFECTS"
_effects: list[int] = []

FAN_OUT_WIDTH = 20
WIDE = 2000
CHAIN_LENGTH = 5


def note(value: object) -> None:
    """Write down that an attempt of the current action call has started."""
    if not _effects:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        _effects.append(os.open(os.environ[EFFECTS_VARIABLE], flags, 0o644))
    attempt = context()
    os.write(_effects[0], f"{attempt.run_id} {attempt.effect} {os.getpid()} {value}\n".encode())


@action
async def add_one(number: int) -> int:
    note(number)
    if number % 2:
        await asyncio.sleep(0.002)
    return number + 1


@action
async def refuse_thirds(number: int) -> int:
    note(number)
    if number % 3 == 0:
        raise ValueError(f"{number} is a third")
    return number


@action
def make_good(number: int) -> int:
    note(number)
    return -number


@action
async def repeat(text: str) -> str:
    note(text)
    return text


@action(retry=RetryPolicy(attempts=5, backoff_seconds=0.004))
async def stumble(number: int) -> int:
    """Fails `number % 3` times; returns which attempt it is."""
    note(number)
    if context().attempt <= number % 3:
        raise OSError(f"attempt {context().attempt}")
    return context().attempt


@workflow
class One(Workflow):
    async def run(self, number: int) -> int:
        return await add_one(number)


@workflow
class Chain(Workflow):
    async def run(self, number: int) -> int:
        number = await add_one(number)
        number = await add_one(number)
        number = await add_one(number)
        number = await add_one(number)
        return await add_one(number)


@workflow
class Mend(Workflow):
    async def run(self, number: int) -> list[int]:
        done: list[int] = []
        for step in range(number % 7 + 2):
            try:
                done.append(await refuse_thirds(number + step))
            except ValueError as error:
                done.append(await make_good(len(str(error))))
        return done


@workflow
class FanOut(Workflow):
    async def run(self, number: int) -> list[str]:
        results = await asyncio.gather(
            *[refuse_thirds(number + step) for step in range(20)], return_exceptions=True
        )
        return [str(result) for result in results]


@action
async def square(number: int) -> int:
    """Long enough to be interrupted."""
    note(number)
    await asyncio.sleep(0.3)
    if number % 1000 == 7:
        raise ValueError(f"{number} is refused")
    return number * number


@workflow
class Wide(Workflow):
    """More than all processes together have slots for."""

    async def run(self, number: int) -> list[str]:
        found = await asyncio.gather(
            *[square(number + step) for step in range(2000)], return_exceptions=True
        )
        return [str(one) for one in found]


@workflow
class Nap(Workflow):
    async def run(self, number: int) -> int:
        total = 0
        for step in range(3):
            await asyncio.sleep((number + step) % 5 / 1000)
            total += await add_one(number + step)
        return total


@workflow
class Taped(Workflow):
    async def run(self, number: int) -> list[str]:
        token = f"{uuid4()}@{datetime.now().isoformat()}"
        first = await repeat(token)
        await asyncio.sleep(0.001)
        other = str(uuid4())
        second = await repeat(other)
        return [token, first, other, second]


@workflow
class Stumble(Workflow):
    async def run(self, number: int) -> list[int]:
        first = await stumble(number)
        return [first, *await asyncio.gather(stumble(number + 1), stumble(number + 2))]


@workflow
class Family(Workflow):
    """Children beside each other and one after the other, some of them with children."""

    async def run(self, number: int) -> list[Any]:
        first = await One().run(number)
        beside = asyncio.gather(*[Chain().run(number + step) for step in range(5)])
        second = await add_one(number)
        if number % 4 == 0:
            return [first, await beside, second, await Family().run(number + 1)]
        return [first, await beside, second, await Stumble().run(number)]


@workflow
class Sleeper(Workflow):
    """Ends only when it is cancelled."""

    async def run(self, number: int) -> int:
        try:
            await asyncio.sleep(100_000)
        except asyncio.CancelledError:
            return await add_one(number)
        return 0


@workflow
class Waker(Workflow):
    async def run(self, number: int) -> list[int]:
        child = asyncio.create_task(Sleeper().run(number))
        first = await add_one(number)
        child.cancel()
        return [first, await child]


@workflow
class Doze(Workflow):
    """Leaves memory between two actions."""

    async def run(self, number: int) -> int:
        first = await add_one(number)
        await asyncio.sleep(0.5 + number % 5 / 10)
        return await add_one(first)


@workflow
class Patient(Workflow):
    """Waits in its sleep for a child that sleeps."""

    async def run(self, number: int) -> list[int]:
        first = await Doze().run(number)
        return [first, await add_one(number)]


@dataclass(frozen=True, slots=True)
class Shape:
    """A workflow, the number of calls for an input (of actions and children), and
    whether a decoded result is the one for an input. `ordered`: each call needs the one
    before it. `failures` counts attempts that fail and are made again, `cancels` the
    requests to cancel that it hears."""

    workflow: type[Any]
    calls: Callable[[int], int]
    fits: Callable[[int, Any], bool]
    ordered: bool = True
    failures: Callable[[int], int] = lambda number: 0
    cancels: int = 0

    async def submit(self, number: int) -> UUID:
        run_id: UUID = (await self.workflow().submit(number)).id
        return run_id


def _thirds(numbers: range) -> int:
    return sum(number % 3 == 0 for number in numbers)


def _mended(number: int) -> list[int]:
    steps = range(number, number + number % 7 + 2)
    return [-len(f"{step} is a third") if step % 3 == 0 else step for step in steps]


def _fanned(number: int) -> list[str]:
    steps = range(number, number + FAN_OUT_WIDTH)
    return [f"{step} is a third" if step % 3 == 0 else str(step) for step in steps]


def _stumbled(number: int) -> list[int]:
    return [(number + step) % 3 + 1 for step in range(3)]


def _family(number: int) -> list[Any]:
    rest = _family(number + 1) if number % 4 == 0 else _stumbled(number)
    chains = [number + step + CHAIN_LENGTH for step in range(5)]
    return [number + 1, chains, number + 1, rest]


def _same_tokens(number: int, result: Any) -> bool:
    first, second, third, fourth = result
    return bool(first == second != third == fourth)


SHAPES: dict[str, Shape] = {
    "one": Shape(One, lambda number: 1, lambda number, result: result == number + 1),
    "chain": Shape(
        Chain,
        lambda number: CHAIN_LENGTH,
        lambda number, result: result == number + CHAIN_LENGTH,
    ),
    "mend": Shape(
        Mend,
        lambda number: number % 7 + 2 + _thirds(range(number, number + number % 7 + 2)),
        lambda number, result: result == _mended(number),
    ),
    "fan-out": Shape(
        FanOut,
        lambda number: FAN_OUT_WIDTH,
        lambda number, result: result == _fanned(number),
        ordered=False,
    ),
    "nap": Shape(Nap, lambda number: 3, lambda number, result: result == 3 * number + 6),
    "taped": Shape(Taped, lambda number: 2, _same_tokens),
    "stumble": Shape(
        Stumble,
        lambda number: 3,
        lambda number, result: result == _stumbled(number),
        ordered=False,
        failures=lambda number: 3,
    ),
    "family": Shape(
        Family,
        lambda number: 8,
        lambda number, result: result == _family(number),
        ordered=False,
    ),
    "doze": Shape(Doze, lambda number: 2, lambda number, result: result == number + 2),
    "patient": Shape(
        Patient, lambda number: 2, lambda number, result: result == [number + 2, number + 1]
    ),
    "waker": Shape(Waker, lambda number: 2, lambda number, result: result == [number + 1] * 2),
}


def _squared(number: int) -> list[str]:
    numbers = range(number, number + WIDE)
    return [f"{one} is refused" if one % 1000 == 7 else str(one * one) for one in numbers]


#: Submitted only by who asks for them by name.
LARGE: dict[str, Shape] = {
    "wide": Shape(
        Wide,
        lambda number: WIDE,
        lambda number, result: bool(result == _squared(number)),
        ordered=False,
    ),
}

#: Nobody submits these.
ONLY_CHILDREN: dict[str, Shape] = {
    "sleeper": Shape(
        Sleeper, lambda number: 1, lambda number, result: result == number + 1, cancels=1
    ),
}
