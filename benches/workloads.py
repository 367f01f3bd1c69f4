"""What is measured. The actions do nothing: what remains is Waymark."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from waymark import Workflow, action, workflow

#: Waymark's tables while it is measured; dropped afterwards.
SCHEMA = "waymark_bench"

CHAINS, CHAIN_LENGTH = 300, 5


@action
async def echo(value: int) -> int:
    return value


@workflow
class OneAction(Workflow):
    async def run(self, value: int) -> int:
        return await echo(value)


@workflow
class Chain(Workflow):
    async def run(self, value: int) -> int:
        first = await echo(value)
        second = await echo(first)
        third = await echo(second)
        fourth = await echo(third)
        return await echo(fourth)


@workflow
class FanOut(Workflow):
    async def run(self, width: int) -> int:
        values = await asyncio.gather(*[echo(value) for value in range(width)])
        return sum(values)


async def run_many(total: int, in_flight: int) -> None:
    """`total` runs of one action, of which `in_flight` are under way at a time."""
    values = iter(range(total))

    async def one_after_the_other() -> None:
        for value in values:
            assert await OneAction().run(value) == value

    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))


async def run_chains(count: int = CHAINS) -> None:
    """`count` runs side by side, each of CHAIN_LENGTH actions one after the other."""
    results = await asyncio.gather(*(Chain().run(value) for value in range(count)))
    assert list(results) == list(range(count))


async def run_fan_out(width: int) -> None:
    """One run that gathers `width` actions."""
    assert await FanOut().run(width) == width * (width - 1) // 2


@dataclass(frozen=True, slots=True)
class Load:
    """Work of `units` runs or actions, done `times` times in one measurement, so
    that it lasts for a second or so. `shape` names the method of `Limit` that it is
    measured against, and `mark` the least share of it that is wanted."""

    what: str
    work: Callable[[], Awaitable[None]]
    units: int
    unit: str
    shape: str
    mark: float
    times: int = 1


LOADS = {
    "runs_2000": Load(
        "one-action runs, 2,000 submitted, 200 in flight",
        lambda: run_many(2_000, 200),
        *(2_000, "runs/s", "runs", 0.25, 5),
    ),
    "runs_20000": Load(
        "one-action runs, 20,000 submitted, 2,000 in flight",
        lambda: run_many(20_000, 2_000),
        *(20_000, "runs/s", "runs", 0.3),
    ),
    "chains": Load(
        f"{CHAINS} runs of {CHAIN_LENGTH} actions in sequence, per action",
        run_chains,
        *(CHAINS * CHAIN_LENGTH, "actions/s", "chain", 0.2, 10),
    ),
    "fanout_2000": Load(
        "one run, 2,000 actions in one gather, per action",
        lambda: run_fan_out(2_000),
        *(2_000, "actions/s", "fanout", 0.15, 10),
    ),
    "fanout_20000": Load(
        "one run, 20,000 actions in one gather, per action",
        lambda: run_fan_out(20_000),
        *(20_000, "actions/s", "fanout", 0.15),
    ),
}
