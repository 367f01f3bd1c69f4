"""How soon the runs of a killed process are done.

    python -m benches.recovery_kill [--url URL] [--runs 200] [--repeat 3] [--idle]

A process executes runs of three steps of 50 ms, is killed with SIGKILL midway, and started
again at once. What is told is the time from that start until all are done, on a server
reached by a URL (whose dead are known by their sessions) and on the embedded one (by file
locks). With `--idle` an idle process stands by, and nothing is started again: the time from
the kill until the other one has done all.

A second table has the gap that a leaving process makes: from `stop()` in one process until
another has begun its runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import asyncpg

import waymark
from waymark import Workflow, action, workflow

from .figures import Figure, table
from .server import bench_server
from .workloads import SCHEMA

STEP_SECONDS = 0.05
MARK_SECONDS = 1.5
GAP_MARK_MS = 100.0

#: When the process is killed: in the second of three steps.
MIDWAY_SECONDS = 1.5 * STEP_SECONDS


@action
async def step(number: int) -> int:
    await asyncio.sleep(STEP_SECONDS)
    return number + 1


@workflow
class ThreeSteps(Workflow):
    async def run(self, number: int) -> int:
        number = await step(number)
        number = await step(number)
        return await step(number)


async def child(options: argparse.Namespace) -> None:
    """What is killed: submits `--runs` runs, says so, and goes on until its end."""
    where = {"data_directory": options.directory} if options.directory else {}
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with waymark.running(options.url, schema=SCHEMA, concurrency=1000, **where):
        await asyncio.gather(*[ThreeSteps().submit(number) for number in range(options.runs)])
        print("ready", flush=True)
        await stopping.wait()


def spawn(options: argparse.Namespace, runs: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "benches.recovery_kill", "--child", f"--runs={runs}"]
    words.append(
        f"--directory={options.directory}" if options.directory else f"--url={options.url}"
    )
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"


async def until_done(connection: asyncpg.Connection, runs: int) -> None:
    """Returns when so many runs of the bench have ended."""
    query = f"select count(*) from {SCHEMA}.runs where state >= 10 and workflow like '%ThreeSteps'"
    while True:
        if await connection.fetchval(query) >= runs:
            return
        await asyncio.sleep(0.01)


async def recovery(options: argparse.Namespace, dsn: str) -> float:
    """Seconds until the runs of a killed process are done."""
    connection = await asyncpg.connect(dsn)
    try:
        with suppress(asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            await connection.execute(f"truncate {SCHEMA}.runs, {SCHEMA}.journal")
        helper = spawn(options, 0) if options.idle else None
        if helper is not None:
            wait_ready(helper)
        victim = spawn(options, options.runs)
        wait_ready(victim)
        await asyncio.sleep(MIDWAY_SECONDS)
        victim.kill()
        victim.wait()
        started = time.perf_counter()
        heir = helper or spawn(options, 0)
        await until_done(connection, options.runs)
        took = time.perf_counter() - started
        heir.terminate()
        heir.wait()
        return took
    finally:
        await connection.close()


async def hand_over(dsn: str, runs: int) -> float:
    """Milliseconds from a `stop()` that drains for no time until the first step that another
    process begins, by its attempts' own clock."""
    connection = await asyncpg.connect(dsn)
    options = argparse.Namespace(directory=None, url=dsn)
    helper = spawn(options, 0)
    try:
        wait_ready(helper)
        await asyncio.sleep(1.0)
        async with waymark.running(dsn, schema=SCHEMA, drain_seconds=0.0):
            await asyncio.gather(*[ThreeSteps().submit(number) for number in range(runs)])
            await asyncio.sleep(MIDWAY_SECONDS)
            left = await connection.fetchval("select clock_timestamp()")
        query = f"select min(to_timestamp(at_ns / 1e9)) from {SCHEMA}.journal where kind = 6"
        query += " and at_ns > $1"
        since = round(left.timestamp() * 1e9)
        while True:
            claimed = await connection.fetchval(query, since)
            if claimed is not None:
                break
            await asyncio.sleep(0.01)
        return float((claimed - left).total_seconds() * 1000)
    finally:
        helper.terminate()
        helper.wait()
        await connection.close()


def measure(options: argparse.Namespace) -> Sequence[Figure]:
    figures: list[Figure] = []
    what = "another process that lives" if options.idle else "the process, started again"
    with bench_server() as dsn:
        options.url = options.url or dsn
        times = [asyncio.run(recovery(options, options.url)) for _ in range(options.repeat)]
        figures.append(_figure("external", f"by a URL: {what} has done all", times))
        gaps = [asyncio.run(hand_over(options.url, 50)) for _ in range(options.repeat)]
        gap = median(gaps)
        figures.append(
            Figure(
                "hand_over",
                "stop() to the first claim elsewhere",
                gap,
                "ms",
                mark=f"<= {GAP_MARK_MS:g} ms",
                met=gap <= GAP_MARK_MS,
            )
        )
    with tempfile.TemporaryDirectory(prefix="waymark-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        options.directory = directory / "data"
        from waymark.store.embedded import start_embedded

        server = start_embedded(options.directory)
        try:
            times = [asyncio.run(recovery(options, server.dsn())) for _ in range(options.repeat)]
        finally:
            server.close(wait_seconds=20.0)
        figures.append(_figure("embedded", f"embedded: {what} has done all", times))
    return figures


def _figure(name: str, what: str, times: list[float]) -> Figure:
    worst = max(times)
    return Figure(name, what, worst, "s", mark=f"<= {MARK_SECONDS} s", met=worst <= MARK_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.recovery_kill")
    parser.add_argument("--url", default=os.environ.get("WAYMARK_BENCH_DATABASE_URL"))
    parser.add_argument("--directory", help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--idle", action="store_true", help="another process stands by")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if options.child:
        asyncio.run(child(options))
        return
    print(table(measure(options)))


if __name__ == "__main__":
    main()
