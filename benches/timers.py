"""Runs that sleep: when they wake, and what they cost meanwhile.

    python -m benches.timers [together late many million idle]

Each bench has a process and a schema of its own. Nothing is asserted; the table says
which marks are met.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import asyncpg

import waymark
from waymark import Workflow, action, context, workflow

from .figures import Figure, as_json, markdown, surroundings, table, write
from .memory import MEBIBYTE, resident_bytes
from .server import bench_server
from .ticker import percentile
from .workloads import SCHEMA

TOGETHER, TOGETHER_SECONDS, TOGETHER_MARK = 2_000, 3.0, 3.3
LATE_RUNS, LATE_MARK_MS = 300, 100.0
MANY, MANY_MARK_MIB = 100_000, 100.0
MILLION = 1_000_000
IDLE_SECONDS, IDLE_QUERIES_MARK, IDLE_CPU_MARK = 30.0, 2.0, 0.5

#: A backend that is idle may keep what it counted to itself for so long.
STATISTICS_SECONDS = 10.5

#: When each run's action began, in nanoseconds.
begun_ns: dict[str, int] = {}


@action
async def stamp() -> None:
    begun_ns[str(context().run_id)] = time.time_ns()


@workflow
class Sleeping(Workflow):
    async def run(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds


@workflow
class Waking(Workflow):
    async def run(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await stamp()


async def together(dsn: str) -> list[Figure]:
    """Many runs that each sleep for the same time."""
    async with waymark.running(dsn, schema=SCHEMA):
        await Sleeping().run(0.01)
        started = time.perf_counter()
        await asyncio.gather(*(Sleeping().run(TOGETHER_SECONDS) for _ in range(TOGETHER)))
        seconds = time.perf_counter() - started
    what = f"{TOGETHER:,} runs that each sleep {TOGETHER_SECONDS:g} s, all done"
    mark, met = f"<= {TOGETHER_MARK:g} s", seconds <= TOGETHER_MARK
    return [Figure("together", what, seconds, "s", mark=mark, met=met)]


async def late(dsn: str) -> list[Figure]:
    """How late the action after a sleep begins, with little else to do: of runs that
    stay in memory, and of runs that leave it and are claimed again."""
    figures: list[Figure] = []
    for name, park in (("in memory", 30.0), ("parked", 1.0)):
        async with waymark.running(dsn, schema=SCHEMA, park_after_seconds=park):
            waits = [4.0 + 6.0 * place / LATE_RUNS for place in range(LATE_RUNS)]
            handles = [await Waking().submit(seconds) for seconds in waits]
            await asyncio.gather(*(handle.result() for handle in handles))
        rows = await fetch(
            dsn,
            f"select id, began_ns, epoch from {SCHEMA}.runs where id = any ($1::uuid[])",
            [handle.id for handle in handles],
        )
        began = {row["id"]: row["began_ns"] for row in rows}
        lateness = [
            (begun_ns[str(handle.id)] - began[handle.id] - seconds * 1e9) / 1e6
            for handle, seconds in zip(handles, waits, strict=True)
        ]
        claims = sum(row["epoch"] - 1 for row in rows)
        of = f"{LATE_RUNS} timers {name} (claimed again: {claims})"
        p99 = percentile(lateness, 99)
        mark, met = f"<= {LATE_MARK_MS:g} ms", p99 <= LATE_MARK_MS
        figures += [
            Figure("late_p50", f"{of}, late by p50", percentile(lateness, 50), "ms"),
            Figure("late_p99", f"{of}, late by p99", p99, "ms", mark=mark, met=met),
            Figure("late_least", f"{of}, late by at least", min(lateness), "ms"),
        ]
    return figures


async def many(dsn: str) -> list[Figure]:
    """The memory of a process that has submitted many runs that sleep."""
    async with waymark.running(dsn, schema=SCHEMA) as runtime:
        await Sleeping().run(0.01)
        gc.collect()
        idle, started, most = resident_bytes(), time.perf_counter(), 0
        for _ in range(MANY // 1_000):
            await asyncio.gather(*(Sleeping().submit(86_400.0) for _ in range(1_000)))
            most = max(most, resident_bytes())
        while runtime._scheduler.runs or await waiting(dsn) < MANY:
            await asyncio.sleep(0.1)
            most = max(most, resident_bytes())
        seconds = time.perf_counter() - started
        gc.collect()
        left = (resident_bytes() - idle) / MEBIBYTE
    peak = (most - idle) / MEBIBYTE
    mark, met = f"<= {MANY_MARK_MIB:.0f} MiB", peak <= MANY_MARK_MIB
    what = f"{MANY:,} runs submitted that sleep"
    return [
        Figure("many_peak", f"{what}: memory above idle, most", peak, "MiB", mark=mark, met=met),
        Figure("many_left", f"{what}: memory above idle, then", left, "MiB"),
        Figure("many_seconds", f"{what}: until all of them do", seconds, "s"),
    ]


async def waiting(dsn: str) -> int:
    (row,) = await fetch(dsn, f"select count(*) as runs from {SCHEMA}.runs where state = 3")
    return int(row["runs"])


FILL = f"""
insert into {SCHEMA}.runs
    (id, workflow, graph, queue, epoch, state, began_ns, input, wake_at)
select
    gen_random_uuid(), workflow, graph, queue, 1, 3, began_ns, input,
    now() + interval '1 day' + random() * interval '1 day'
from {SCHEMA}.runs, generate_series(1, $1)
where state = 10
"""


async def million(dsn: str) -> list[Figure]:
    """A process that starts beside a million rows that sleep."""
    async with waymark.running(dsn, schema=SCHEMA):
        await Sleeping().run(0.01)
    gc.collect()
    before = resident_bytes()
    await fetch(dsn, FILL, MILLION)
    await fetch(dsn, f"vacuum analyze {SCHEMA}.runs")
    figures = await measured_idle(dsn, f"beside {MILLION:,} runs that sleep")
    above = (resident_bytes() - before) / MEBIBYTE
    what = f"memory beside {MILLION:,} runs that sleep, above idle"
    return [Figure("million", what, above, "MiB"), *figures]


async def idle(dsn: str) -> list[Figure]:
    """A process with nothing to do."""
    return await measured_idle(dsn, "idle")


async def measured_idle(dsn: str, when: str) -> list[Figure]:
    async with waymark.running(dsn, schema=SCHEMA):
        await Sleeping().run(0.01)
        await asyncio.sleep(STATISTICS_SECONDS)
        queries, cpu, started = await transactions(dsn), time.process_time(), time.perf_counter()
        await asyncio.sleep(IDLE_SECONDS)
        percent = (time.process_time() - cpu) / IDLE_SECONDS * 100
        await asyncio.sleep(STATISTICS_SECONDS)
        elapsed = time.perf_counter() - started
        # Ours, two of them, are counted as well.
        rate = (await transactions(dsn) - queries - 2) / elapsed
    mark, met = f"<= {IDLE_QUERIES_MARK:g}", rate <= IDLE_QUERIES_MARK
    share, under = f"<= {IDLE_CPU_MARK:g} %", percent <= IDLE_CPU_MARK
    return [
        Figure("queries", f"queries per second, {when}", rate, "/s", mark=mark, met=met),
        Figure("cpu", f"share of a core, {when}", percent, "%", mark=share, met=under),
    ]


async def transactions(dsn: str) -> int:
    query = "select xact_commit from pg_stat_database where datname = current_database()"
    return int((await fetch(dsn, query))[0]["xact_commit"])


async def fetch(dsn: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


BENCHES: dict[str, Callable[[str], Awaitable[list[Figure]]]] = {
    "together": together,
    "late": late,
    "many": many,
    "million": million,
    "idle": idle,
}


async def alone(dsn: str, name: str) -> list[Figure]:
    """One bench, in a schema that was empty."""
    await fetch(dsn, f"drop schema if exists {SCHEMA} cascade")
    try:
        return await BENCHES[name](dsn)
    finally:
        await fetch(dsn, f"drop schema if exists {SCHEMA} cascade")


async def in_process(dsn: str, name: str) -> list[Figure]:
    """One bench, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benches.timers", name, "--alone", dsn),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the measured process failed; its own message stands above")
    return [Figure(**figure) for figure in json.loads(output)]


def main() -> None:
    """Measure, print, and keep the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benches.timers")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--markdown", action="store_true", help="print the table of the docs")
    parser.add_argument("--alone", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    if options.alone:
        found = asyncio.run(alone(options.alone, options.names[0]))
        print(json.dumps([asdict(figure) for figure in found]))
        return
    figures: list[Figure] = []
    with bench_server() as dsn:
        for name in options.names or BENCHES:
            figures += asyncio.run(in_process(dsn, name))
    path = write("timers", as_json(figures, surroundings()))
    print((markdown if options.markdown else table)(figures))
    print(path)


if __name__ == "__main__":
    main()
