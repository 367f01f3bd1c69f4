"""One-action runs that carry text: as input, as the action's outcome and as the result.

The limit writes the same bytes the same three times. The text is one that the server cannot
compress away.
"""

from __future__ import annotations

import asyncio
import random
import time

from waymark import Workflow, action, workflow

from .bed import Bed
from .figures import Figure, paired

#: Bytes of the text, and how many runs.
SIZES = {100: 4_000, 1_000: 4_000, 10_000: 1_000, 100_000: 200, 1_000_000: 40}
IN_FLIGHT = 200


@action
async def hand_on(text: str) -> str:
    return text


@workflow
class Carry(Workflow):
    async def run(self, text: str) -> str:
        return await hand_on(text)


def text(size: int) -> str:
    """The same text each time."""
    return random.Random(size).randbytes(size // 2).hex()


async def carry(count: int, content: str) -> float:
    """Runs per second."""
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for _ in left:
            assert len(await Carry().run(content)) == len(content)

    started = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(min(IN_FLIGHT, count))))
    return count / (time.perf_counter() - started)


async def payloads(bed: Bed) -> list[Figure]:
    """100 bytes to a megabyte."""
    pairs: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
    async with bed.waymark():
        await carry(IN_FLIGHT, "x")
        for _ in range(bed.repeat):
            for size, count in SIZES.items():
                limit = await bed.limit.runs(count, text(size).encode())
                pairs[size].append((limit, await carry(count, text(size))))
    what = "one-action runs that carry {:,} bytes, {} in flight"
    return [
        paired(f"payload_{size}", what.format(size, min(IN_FLIGHT, SIZES[size])), "runs/s", found)
        for size, found in pairs.items()
    ]
