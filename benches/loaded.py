"""How long one run takes while the process has half of the work that it can do.

Runs arrive at fixed times, at half the speed that was measured just before with 200 in
flight. A run's time counts from when it was due, not from when the loop got round to
submit it: a loop that stands still hides nothing.
"""

from __future__ import annotations

import asyncio
import time

from .bed import Bed
from .figures import Figure, paired
from .ticker import percentile
from .workloads import OneAction, run_many

SATURATED_RUNS, IN_FLIGHT = 4_000, 200
SHARE = 0.5
SECONDS = 3.0
PERCENTS = (50, 99, 99.9)


async def saturated_rate() -> float:
    """One-action runs per second, as many as this process can."""
    await run_many(IN_FLIGHT, IN_FLIGHT)
    started = time.perf_counter()
    await run_many(SATURATED_RUNS, IN_FLIGHT)
    return SATURATED_RUNS / (time.perf_counter() - started)


async def arrive(rate: float, seconds: float) -> list[float]:
    """Runs that are due at `rate` per second; how many ms each took."""
    times: list[float] = []

    async def one(due: float) -> None:
        await OneAction().run(7)
        times.append((time.perf_counter() - due) * 1000)

    count, started = int(rate * seconds), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = started + number / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            group.create_task(one(due))
    assert len(times) == count
    return times


async def loaded(bed: Bed) -> list[Figure]:
    """`await run()` of one action, beside as many others as make half of the most."""
    pairs: dict[float, list[tuple[float, float]]] = {percent: [] for percent in PERCENTS}
    async with bed.waymark():
        for _ in range(bed.repeat):
            commits = await bed.limit.commits()
            times = await arrive(await saturated_rate() * SHARE, SECONDS)
            for percent, found in pairs.items():
                found.append((commits, percentile(times, percent)))
    what = f"await run() of one action, at {SHARE:.0%} of the most, p{{}}"
    return [
        paired(f"loaded_p{percent}", what.format(percent), "ms", found)
        for percent, found in pairs.items()
    ]
