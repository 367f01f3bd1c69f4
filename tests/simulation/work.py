"""What the simulated processes do: small workflows whose every outcome is known.

An action's result depends on its arguments alone, so that the authored body under
plain asyncio tells what each run must come to, however often its owner died.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

from waymark import RetryPolicy, Workflow, action, context, workflow

#: What an attempt does first: the simulation's door. Takes seconds of work, and whether the
#: attempt has been here before.
Perform = Callable[..., Coroutine[Any, Any, None]]


async def _at_once(seconds: float, begun: bool = False) -> None:
    """Outside of a simulation work takes no time."""


performing: list[Perform] = [_at_once]


@action
async def step(name: str, number: int) -> int:
    await performing[-1](0.05)
    return number * 7 % 101 + len(name)


@action
async def slow(name: str) -> str:
    await performing[-1](1.5)
    return name.upper()


@action
async def refuse(name: str) -> str:
    await performing[-1](0.02)
    raise ValueError(f"{name} is refused")


@action
async def echo(text: str) -> str:
    await performing[-1](0.02)
    return text


#: What the attempt of a poisonous action does: its process dies.
dying: list[Callable[[], Coroutine[Any, Any, None]]] = []


@action
async def poison(number: int) -> int:
    await performing[-1](0.1)
    await dying[-1]()
    return number


#: Attempts of `flaky` outside of a simulation.
plain_attempts: Counter[str] = Counter()


@action
async def flaky(name: str, succeeds_at: int) -> int:
    """Its result is the attempt at which it succeeds."""
    await performing[-1](0.02)
    if performing[-1] is _at_once:
        plain_attempts[name] += 1
        attempt = plain_attempts[name]
    else:
        attempt = context().attempt
    if attempt < succeeds_at:
        raise ConnectionError(f"{name} failed at attempt {attempt}")
    return attempt


@action(heartbeat_timeout=6.0, total_timeout=100_000)
async def copy(parts: int) -> int:
    """Copies one part in each attempt; what failed attempts reported is never lost."""
    if performing[-1] is _at_once:
        return parts
    here = context()
    done: int = here.progress or 0
    if done < here.attempt - 1:
        raise ValueError(f"attempt {here.attempt} finds {done} parts")
    await performing[-1](0.1)
    here.heartbeat(max(done, here.attempt))
    await performing[-1](0.2, begun=True)
    if here.attempt < parts:
        raise ConnectionError(f"{here.attempt} of {parts}")
    return here.attempt


@action
async def hang(name: str) -> str:
    await performing[-1](0.02)
    await asyncio.sleep(1e6)
    return name


@action(queue="gpu")
async def render(name: str) -> str:
    await performing[-1](0.3)
    return f"<{name}>"


@action(queue="gpu")
async def shaky(name: str, succeeds_at: int) -> int:
    """As `flaky`, on other machines."""
    return await flaky(name, succeeds_at)


@workflow
class Chain(Workflow):
    async def run(self, count: int) -> int:
        total = 0
        for turn in range(count):
            total += await step(f"turn {turn}", total)
        return total


@workflow
class Fan(Workflow):
    async def run(self, count: int) -> list[str]:
        found = await asyncio.gather(
            *[refuse(str(n)) if n % 3 == 2 else slow(str(n)) for n in range(count)],
            return_exceptions=True,
        )
        return [repr(one) for one in found]


@workflow
class Wide(Workflow):
    """More than one process has slots for; what is late is cancelled."""

    async def run(self, count: int, seconds: float) -> list[str]:
        found: list[str] = []
        total = 0
        try:
            async with asyncio.timeout(seconds):
                total += sum(await asyncio.gather(*[step(str(n), n) for n in range(count)]))
                found.append(str(total))
                found += await asyncio.gather(*[slow(str(n)) for n in range(count // 3)])
                await hang("for ever")
        except TimeoutError:
            found.append("late")
        return [*found, await slow("after")][-1:]


@workflow
class Rendered(Workflow):
    """Calls for other machines, beside calls for any."""

    async def run(self, count: int) -> list[str]:
        found = await asyncio.gather(
            *[render(str(n)) if n % 2 else echo(str(n)) for n in range(count)],
            self.shaken("a", 2),
            self.shaken("b", 9),
            return_exceptions=True,
        )
        return [*map(str, found), await render("last")]

    async def shaken(self, name: str, succeeds_at: int) -> int:
        policy = RetryPolicy(attempts=3, backoff_seconds=0.1)
        return await self.run_action(shaky(name, succeeds_at), retry=policy)


@workflow
class Saga(Workflow):
    async def run(self, fails: bool) -> list[str]:
        done: list[str] = []
        try:
            done.append(await slow("reserve"))
            done.append(await (refuse("charge") if fails else echo("charge")))
        except ValueError as error:
            done.append(await echo(f"undo: {error}"))
        finally:
            done.append(await echo("close"))
        return done


@workflow
class Nap(Workflow):
    async def run(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        name, _ = await asyncio.gather(slow("nap"), asyncio.sleep(seconds))
        await asyncio.sleep(seconds)
        return name


@workflow
class Taped(Workflow):
    async def run(self) -> list[bool]:
        token = str(uuid4())
        first = await echo(token)
        other = str(uuid4())
        second = await echo(token + other)
        return [first == token, second == first + other]


@workflow
class FirstFails(Workflow):
    """The others go on when the first has failed, and are cancelled with the run."""

    async def run(self) -> str:
        await asyncio.gather(slow("a"), refuse("b"), self.twice("c"))
        return "not reached"

    async def twice(self, name: str) -> str:
        return await slow(await slow(name))


@workflow
class Parent(Workflow):
    """Children side by side and one after the other; one of them fails."""

    async def run(self, count: int) -> list[str]:
        found = await asyncio.gather(
            *[Saga().run(n % 2 == 0) for n in range(count)],
            FirstFails().run(),
            return_exceptions=True,
        )
        total = await Chain().run(count)
        return [*map(repr, found), str(total), await slow("parent")]


@workflow
class Tree(Workflow):
    """Runs that run themselves."""

    async def run(self, depth: int) -> int:
        if depth == 0:
            return await step("leaf", depth)
        left, right = await asyncio.gather(Tree().run(depth - 1), Tree().run(depth - 1))
        return int(left + right)


@workflow
class Retrying(Workflow):
    """Failed attempts count, those that a crash took do not."""

    async def run(self, succeeds_at: int) -> str:
        policy = RetryPolicy(attempts=4, exception_types=[OSError], backoff_seconds=0.3)
        try:
            return f"at {await self.run_action(flaky('it', succeeds_at), retry=policy)}"
        except ConnectionError as error:
            return f"gave up: {error}"


@workflow
class Copying(Workflow):
    async def run(self, parts: int) -> int:
        policy = RetryPolicy(attempts=20, backoff_seconds=0.1)
        return await self.run_action(copy(parts), retry=policy)


@workflow
class Hanging(Workflow):
    async def run(self) -> str:
        try:
            return await self.run_action(hang("it"), retry=RetryPolicy(attempts=2), timeout=0.4)
        except TimeoutError as error:
            return str(error)


@workflow
class Sleeper(Workflow):
    """Ends only by being cancelled, and then cleans up."""

    async def run(self, stubborn: bool) -> str:
        try:
            await asyncio.sleep(100_000)
        except asyncio.CancelledError:
            await echo("cleaning")
            if not stubborn:
                raise
        return "stayed"


@workflow
class Patient(Workflow):
    """Waits for children that sleep, side by side and one after the other, and for a
    timer beside them."""

    async def run(self, seconds: float) -> list[str]:
        naps = [Nap().run(seconds), Nap().run(seconds / 3), asyncio.sleep(seconds, "slept")]
        said = list(await asyncio.gather(*naps))
        said.append(await Nap().run(seconds))
        return [*said, await slow("patient")]


@workflow
class Impatient(Workflow):
    """Cancels a child that sleeps, while it sleeps itself."""

    async def run(self, seconds: float) -> list[str]:
        task = asyncio.create_task(Sleeper().run(stubborn=True))
        await asyncio.sleep(seconds)
        task.cancel()
        return [await task, await slow("impatient")]


@workflow
class Cancelling(Workflow):
    """Cancels its children: by a time limit, and by a task."""

    async def run(self, seconds: float) -> list[str]:
        said: list[str] = []
        try:
            async with asyncio.timeout(seconds):
                await Sleeper().run(stubborn=False)
        except TimeoutError:
            said.append("timed out")
        task = asyncio.create_task(Sleeper().run(stubborn=True))
        await asyncio.sleep(0.1)
        said.append(await slow("meanwhile"))
        task.cancel()
        said.append(await task)
        return said


@workflow
class Poisonous(Workflow):
    """Kills each process that executes it, and must be stopped from that."""

    async def run(self) -> int:
        await echo("fine so far")
        return await poison(1)


@workflow
class Resting(Workflow):
    """A client cancels it, and it cleans up."""

    async def run(self) -> None:
        try:
            never = self.wait_for_event("never", timeout=100_000)
            await asyncio.gather(hang("it"), asyncio.sleep(100_000), never)
        finally:
            await asyncio.gather(echo("cleaning"), slow("up"), return_exceptions=True)


@workflow
class Listening(Workflow):
    """Takes the words that a client sends, each once and in their order."""

    async def run(self, count: int) -> list[object]:
        heard: list[object] = []
        async with asyncio.timeout(100_000):
            while len(heard) < count:
                heard.append(await self.wait_for_event("word"))
                if len(heard) == 2:
                    await slow("two")
        return heard


#: Each shape with the arguments that a seed may choose from.
SHAPES: list[tuple[type[Workflow], list[tuple[Any, ...]]]] = [
    (Chain, [(0,), (1,), (4,), (9,)]),
    (Fan, [(0,), (3,), (12,)]),
    (Wide, [(9, 1.0), (30, 5.0), (30, 30.0)]),
    (Rendered, [(0,), (5,)]),
    (Saga, [(True,), (False,)]),
    (Nap, [(0.0,), (0.7,), (3.0,), (9.0,)]),
    (Patient, [(2.0,), (5.0,)]),
    (Impatient, [(2.0,), (6.0,)]),
    (Taped, [()]),
    (FirstFails, [()]),
    (Parent, [(0,), (3,)]),
    (Tree, [(1,), (2,)]),
    (Retrying, [(1,), (3,), (9,)]),
    (Copying, [(1,), (4,)]),
    (Hanging, [()]),
    (Cancelling, [(0.01,), (3.0,)]),
    (Listening, [(1,), (5,)]),
    (Resting, [()]),
]
