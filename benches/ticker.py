"""How long others on the same event loop have to wait.

A tick is late for two reasons: the loop is at other work, or its thread is ready to run and the
machine's cores are at other processes (PostgreSQL's among them). Linux counts the second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICK_SECONDS = 0.005

#: Nanoseconds that this thread ran, that it waited for a core, and how often it ran.
SCHEDULED = Path("/proc/thread-self/schedstat")


@dataclass(frozen=True, slots=True)
class Tick:
    """By how many ms a tick was late, and for how many of the ms between it and the one before
    the loop's thread waited for a core (0 where that is not counted)."""

    late_ms: float
    starved_ms: float

    @property
    def own_ms(self) -> float:
        """How late it would have been with a core always free."""
        return max(0.0, self.late_ms - self.starved_ms)


@contextmanager
def ticking(ticks: list[Tick]) -> Iterator[None]:
    """While the block runs, a task sleeps for 5 ms again and again, and appends how that went."""

    async def tick() -> None:
        while True:
            starved, started = _starved_ms(), time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            late = (time.perf_counter() - started - TICK_SECONDS) * 1000
            ticks.append(Tick(late, _starved_ms() - starved))

    task = asyncio.get_running_loop().create_task(tick())
    try:
        yield
    finally:
        task.cancel()


def _starved_ms() -> float:
    """For how long this thread has waited for a core so far."""
    return int(SCHEDULED.read_text().split()[1]) / 1e6 if SCHEDULED.exists() else 0.0


def percentile(values: list[float], percent: float) -> float:
    """The value that `percent` of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
