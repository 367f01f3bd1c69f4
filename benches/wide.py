"""One gather of 100,000 actions: its speed, and the memory that it takes."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from statistics import median

from .bed import Bed
from .figures import Figure, paired
from .workloads import run_fan_out

WIDTH = 100_000
MEMORY_MARK_MIB = 200.0


async def wide(bed: Bed) -> list[Figure]:
    """Speed beside the limit's, and memory."""
    pairs: list[tuple[float, float]] = []
    async with bed.waymark():
        await run_fan_out(1_000)
        for _ in range(bed.repeat):
            limit = await bed.limit.fanout(WIDTH, waves=1)
            gc.collect()
            started = time.perf_counter()
            await run_fan_out(WIDTH)
            pairs.append((limit, WIDTH / (time.perf_counter() - started)))
    what = f"one run, {WIDTH:,} actions in one gather, per action"
    speed = paired("wide_speed", what, "actions/s", pairs)
    return [speed, await wide_memory(bed, "wide_memory", WIDTH, MEMORY_MARK_MIB)]


async def wide_memory(bed: Bed, name: str, width: int, mark: float) -> Figure:
    """Memory of one gather above idle, each time in a process of its own."""
    found: list[float] = []
    for _ in range(bed.repeat):
        command = ("-m", "benches.memory", bed.dsn, "--width", str(width))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError("the measured process failed; its own message stands above")
        found.append(float(output.split()[-1]))
    value = median(found)
    what = f"memory of a gather of {width:,}, above idle"
    return Figure(name, what, value, "MiB", mark=f"<= {mark:.0f} MiB", met=value <= mark)
