"""One library, in a process of its own: each shape once, as a line of JSON.

    python -m benches.compare.measured NAME URL SIZES

`SIZES` is JSON (`Sizes`). Started by `python -m benches.compare` with the Python of the
library's own virtualenv; nothing but the standard library is imported here. A process
measures once: nothing that one library keeps in memory helps it the next time.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import platform
import sys
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from statistics import median
from typing import Any

from .shape import Module, Peer

#: Each shape is done so small before the clock starts.
WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is asked for."""

    runs: int = 2_000
    in_flight: tuple[int, ...] = (200, 2_000)
    chains: int = 300
    length: int = 5
    width: int = 2_000
    latencies: int = 40


async def seconds(work: Awaitable[None]) -> float:
    """How long `work` takes."""
    gc.collect()
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def measure(peer: Peer, sizes: Sizes) -> dict[str, float]:
    """Units per second of each shape; the latency in ms."""
    await peer.runs(WARM_UP, WARM_UP)
    await peer.chains(WARM_UP // 5, sizes.length)
    await peer.fan_out(WARM_UP)
    times = [await seconds(peer.one(value)) for value in range(sizes.latencies)]
    runs = [sizes.runs / await seconds(peer.runs(sizes.runs, many)) for many in sizes.in_flight]
    chains = await seconds(peer.chains(sizes.chains, sizes.length))
    fan_out = await seconds(peer.fan_out(sizes.width))
    return {
        "runs": max(runs),
        "chains": sizes.chains * sizes.length / chains,
        "fan_out": sizes.width / fan_out,
        "latency": median(times) * 1000,
    }


async def whole(module: Module, url: str, sizes: Sizes) -> dict[str, float]:
    async with module.opened(url) as peer:
        return await measure(peer, sizes)


def main() -> None:
    name, url, sizes = sys.argv[1:]
    module: Any = importlib.import_module(f"benches.compare.peers.{name}")
    factory = None
    if getattr(module, "UVLOOP", False):
        from uvloop import new_event_loop as factory
    with asyncio.Runner(loop_factory=factory) as runner:
        figures = runner.run(whole(module, url, Sizes(**json.loads(sizes))))
    about = {name: getattr(module, name) for name in ("SETTINGS", "CHAIN", "JOIN")}
    print(json.dumps({"figures": figures, "python": platform.python_version(), **about}))


if __name__ == "__main__":
    main()
