"""The whole of Waymark, measured beside its limit on the same server.

    python -m benches.system [runs chains fanout latency memory ticker
                              loaded web payloads wide]

Limit and system take turns: limit, system, limit, system. A ratio is the median
over these pairs, since what else the machine does falls on both. Nothing is
asserted; the table says which marks are met.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from statistics import median

import asyncpg

from .bed import Bed
from .figures import Figure, as_json, markdown, paired, surroundings, table, write
from .limit import open_limit
from .loaded import loaded
from .payloads import payloads
from .server import bench_server
from .ticker import Tick, percentile, ticking
from .web import web
from .wide import wide, wide_memory
from .workloads import LOADS, SCHEMA, Load, OneAction, run_many

REPEAT = 5

LATENCY_RUNS = 300
LATENCY_MARK_MS = 1.2
MEMORY_WIDTH = 20_000
MEMORY_MARK_MIB = 60.0
TICKER_MARK_MS = 15.0


Bench = Callable[[Bed], Awaitable[list[Figure]]]


async def throughput(bed: Bed, names: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Pairs of (limit, system) per second for each load, taken in turn."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    async with bed.waymark():
        for name in names:
            await LOADS[name].work()
        for _ in range(bed.repeat):
            for name in names:
                limit = await getattr(bed.limit, LOADS[name].shape)()
                pairs[name].append((limit, await per_second(LOADS[name])))
    return pairs


async def per_second(load: Load) -> float:
    """Units of one load per second."""
    gc.collect()
    started = time.perf_counter()
    for _ in range(load.times):
        await load.work()
    return load.times * load.units / (time.perf_counter() - started)


def speed(name: str, pairs: list[tuple[float, float]]) -> Figure:
    """The figure of one load."""
    load = LOADS[name]
    found = paired(name, load.what, load.unit, pairs, load.mark)
    return replace(found, mark=f"{found.mark} of {load.shape}")


async def runs(bed: Bed) -> list[Figure]:
    """One-action runs at two sizes."""
    pairs = await throughput(bed, ["runs_2000", "runs_20000"])
    return [speed(name, found) for name, found in pairs.items()]


async def chains(bed: Bed) -> list[Figure]:
    """Sequential actions."""
    pairs = await throughput(bed, ["chains"])
    return [speed(name, found) for name, found in pairs.items()]


async def fanout(bed: Bed) -> list[Figure]:
    """One gather at two widths, and what an action costs in the wide one."""
    pairs = await throughput(bed, ["fanout_2000", "fanout_20000"])
    narrow, broad = pairs.values()
    cost = median(small[1] / large[1] for small, large in zip(narrow, broad, strict=True))
    growth = Figure(
        "fanout_growth",
        "time per action at 20,000 over that at 2,000",
        cost,
        "times",
        mark="<= 1",
        met=cost <= 1,
    )
    return [*(speed(name, found) for name, found in pairs.items()), growth]


async def latency(bed: Bed) -> list[Figure]:
    """`await run()` of one action while nothing else happens."""
    medians: list[tuple[float, float]] = []
    everything: list[float] = []
    async with bed.waymark():
        await _latencies(20)
        for _ in range(bed.repeat):
            commits = await bed.limit.commits()
            times = await _latencies(LATENCY_RUNS)
            medians.append((commits, median(times)))
            everything += times
    above = median(system - limit for limit, system in medians)
    p50 = replace(
        paired("latency_p50", "await run() of one action, idle, p50", "ms", medians),
        mark=f"<= two commits + {LATENCY_MARK_MS} ms (+ {above:.2f})",
        met=above <= LATENCY_MARK_MS,
    )
    others = [
        Figure(f"latency_p{percent}", f"await run() of one action, idle, p{percent}", late, "ms")
        for percent, late in ((at, percentile(everything, at)) for at in (99, 99.9))
    ]
    return [p50, *others]


async def _latencies(count: int) -> list[float]:
    """Milliseconds of `count` runs, one after the other."""
    times: list[float] = []
    for value in range(count):
        started = time.perf_counter()
        await OneAction().run(value)
        times.append((time.perf_counter() - started) * 1000)
    return times


async def memory(bed: Bed) -> list[Figure]:
    """A wide gather in a process of its own."""
    return [await wide_memory(bed, "memory", MEMORY_WIDTH, MEMORY_MARK_MIB)]


async def ticker(bed: Bed) -> list[Figure]:
    """Lateness of a 5 ms ticker under 20,000 runs, with and without `tune_gc`."""
    figures: list[Figure] = []
    for tuned in (True, False):
        late_ms, own_ms = await _lateness(bed, tuned)
        what = f"5 ms ticker while saturated, late by p99, tune_gc={tuned}"
        mark = f"<= {TICKER_MARK_MS:.0f} ms" if tuned else ""
        met = late_ms <= TICKER_MARK_MS if tuned else None
        name = "ticker_p99_tuned" if tuned else "ticker_p99"
        figures.append(Figure(name, what, late_ms, "ms", mark=mark, met=met))
        figures.append(Figure(f"{name}_own", "    less what it waited for a core", own_ms, "ms"))
    return figures


async def _lateness(bed: Bed, tuned: bool) -> tuple[float, float]:
    """Medians over the rounds of p99 in ms: as it was, and had a core always been free."""
    late: list[float] = []
    own: list[float] = []
    async with bed.waymark(tune_gc=tuned):
        await run_many(2_000, 2_000)
        for _ in range(bed.repeat):
            ticks: list[Tick] = []
            with ticking(ticks):
                await run_many(20_000, 2_000)
            late.append(percentile([tick.late_ms for tick in ticks], 99))
            own.append(percentile([tick.own_ms for tick in ticks], 99))
    return median(late), median(own)


BENCHES: dict[str, Bench] = {
    "runs": runs,
    "chains": chains,
    "fanout": fanout,
    "latency": latency,
    "memory": memory,
    "ticker": ticker,
    "loaded": loaded,
    "web": web,
    "payloads": payloads,
    "wide": wide,
}


async def drop_schema(dsn: str) -> None:
    """Let nothing remain of, or from, another measurement."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop schema if exists {SCHEMA} cascade")
    finally:
        await connection.close()


async def measure(
    dsn: str, names: Sequence[str], repeat: int, tune_gc: bool
) -> tuple[list[Figure], dict[str, str]]:
    """The figures of the named benches, and what they were measured on."""
    await drop_schema(dsn)
    figures: list[Figure] = []
    async with open_limit(dsn) as limit:
        for name in names:
            figures += await BENCHES[name](Bed(dsn, limit, repeat, tune_gc))
        about = {**surroundings(), **await limit.server(), "repeat": str(repeat)}
    await drop_schema(dsn)
    return figures, {**about, "loop": type(asyncio.get_running_loop()).__module__}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.system")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--repeat", type=int, default=REPEAT, help="medians of so many")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of the table")
    form.add_argument("--markdown", action="store_true", help="print the table of the docs")
    parser.add_argument("--uvloop", action="store_true", help="on uvloop")
    parser.add_argument("--tune-gc", action="store_true", help="with tune_gc in every bench")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    return options


def loop_factory(uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop; None for asyncio's own."""
    if not uvloop:
        return None
    from uvloop import new_event_loop

    return new_event_loop


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and keep the result as JSON."""
    options = parse(arguments)
    names = options.names or list(BENCHES)
    with bench_server() as dsn, asyncio.Runner(loop_factory=loop_factory(options.uvloop)) as runner:
        figures, about = runner.run(measure(dsn, names, options.repeat, options.tune_gc))
    text = as_json(figures, {**about, "tune_gc": str(options.tune_gc)})
    path = write("system", text)
    if options.json:
        print(text)
    else:
        print((markdown if options.markdown else table)(figures))
        print(f"\n{', '.join(f'{name} {value}' for name, value in about.items())}\n{path}")


if __name__ == "__main__":
    main()
