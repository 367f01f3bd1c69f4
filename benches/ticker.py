"""How long others on the same event loop have to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

TICK_SECONDS = 0.005


@contextmanager
def ticking(late_ms: list[float]) -> Iterator[None]:
    """While the block runs, a task sleeps for 5 ms again and again, and appends by
    how many ms each sleep was too long."""

    async def tick() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            late_ms.append((time.perf_counter() - started - TICK_SECONDS) * 1000)

    task = asyncio.get_running_loop().create_task(tick())
    try:
        yield
    finally:
        task.cancel()


def percentile(values: list[float], percent: float) -> float:
    """The value that `percent` of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
