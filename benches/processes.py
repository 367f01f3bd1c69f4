"""How much of one run's work is done by one to four processes.

    python -m benches.processes [--calls 4000] [--repeat 3] [--processes 1 2 3 4]

One run gathers actions that each burn a millisecond of processor time. It is submitted in
one process; the others of a round are there to help. What is told is calls per second from
the submission to the result. Its limit is a process that does nothing but burn, times the
processes or the cores, whichever are fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from statistics import median

import waymark
from waymark import Workflow, action, workflow

from .figures import Figure, as_json, surroundings, table, write
from .server import bench_server

BURN_SECONDS = 0.001
SCHEMA = "waymark_bench_processes"


@action
async def burn(number: int) -> int:
    end = time.thread_time() + BURN_SECONDS
    while time.thread_time() < end:
        pass
    return number


@workflow
class Burning(Workflow):
    async def run(self, calls: int) -> int:
        return sum(await asyncio.gather(*[burn(number) for number in range(calls)]))


async def measure(url: str, calls: int, repeat: int) -> float:
    """Calls per second, the median."""
    rates: list[float] = []
    async with waymark.running(url, schema=SCHEMA):
        await Burning().run(100)
        for _ in range(repeat):
            began = time.perf_counter()
            assert await Burning().run(calls) == sum(range(calls))
            rates.append(calls / (time.perf_counter() - began))
    return median(rates)


async def help_out(url: str) -> None:
    """Serve until the parent closes this process's input."""
    async with waymark.running(url, schema=SCHEMA):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


def helper(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benches.processes", "--help-out", url]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def round_of(url: str, processes: int, calls: int, repeat: int) -> float:
    helpers = [helper(url) for _ in range(processes - 1)]
    try:
        return asyncio.run(measure(url, calls, repeat))
    finally:
        for process in helpers:
            process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.processes")
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--help-out", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.help_out:
        asyncio.run(help_out(options.help_out))
        return
    with bench_server() as url:
        rates = {
            processes: round_of(url, processes, options.calls, options.repeat)
            for processes in options.processes
        }
    found = figures(rates)
    print(table(found))
    print(write("processes", as_json(found, surroundings())))


def figures(rates: dict[int, float]) -> list[Figure]:
    """Calls per second by the number of processes, beside what the cores could do."""
    cores, found = os.cpu_count() or 1, []
    first = next(iter(rates.values()))
    for processes, rate in rates.items():
        limit = min(processes, cores) / BURN_SECONDS
        what = f"{processes} processes, {rate / first:.2f} times the first line"
        found.append(Figure(f"processes_{processes}", what, rate, "calls/s", limit, rate / limit))
    return found


if __name__ == "__main__":
    main()
