"""Where the time of a load goes.

    python -m benches.profile runs_20000
    python -m benches.profile fanout_20000 --by cumulative --lines 60
    python -m benches.profile chains --with pyinstrument
    python -m benches.profile runs_20000 --with py-spy
    python -m benches.profile runs_20000 --with layers --times 5
    python -m benches.profile runs_2000 --with bytecodes

cProfile, the default, counts every call and makes each of them dearer, so it is
good for how often something is called and for comparing like with like; its
columns are per run or action. The other two sample, disturb little, and have to
be installed (`pip install pyinstrument py-spy`). The last two sum up by part of the
program (`layers.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import waymark

from .figures import RESULTS
from .layers import bytecodes, times
from .server import bench_server
from .system import drop_schema, loop_factory
from .workloads import LOADS, SCHEMA, Load

LINES = 40
SAMPLES_PER_SECOND = 500

#: What cProfile may order by, and the place of it in its tuples.
ORDERS = {"own": 2, "cumulative": 3, "calls": 1}

Profiler = Callable[["Job"], AbstractContextManager[None]]


class Job:
    """What the command line asks for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.name: str = options.name
        self.load: Load = LOADS[options.name]
        self.units: int = self.load.units * options.times
        self.lines: int = options.lines
        self.order: str = options.by
        self.unit: str = self.load.unit.split("/")[0].removesuffix("s")


@contextmanager
def cprofile(job: Job) -> Iterator[None]:
    """Print the functions with the most time of their own, per unit of work."""
    profile = cProfile.Profile(time.perf_counter)
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
    print(_listing(pstats.Stats(profile), job))


def _listing(stats: Any, job: Job) -> str:
    place = ORDERS[job.order]
    rows = sorted(stats.stats.items(), key=lambda item: item[1][place], reverse=True)
    total_us = stats.total_tt / job.units * 1e6
    lines = [
        f"{total_us:.1f} us per {job.unit} under cProfile; so are the lines, by {job.order}",
        f"{'calls':>9} {'own us':>9} {'cum. us':>9}  function",
    ]
    for function, (_, calls, own, cumulative, _) in rows[: job.lines]:
        figures = (calls / job.units, own / job.units * 1e6, cumulative / job.units * 1e6)
        lines.append(" ".join(f"{figure:9.2f}" for figure in figures) + f"  {_place(function)}")
    return "\n".join(lines)


def _place(function: tuple[str, int, str]) -> str:
    """`waymark/engine/session.py:12(feed)`."""
    path, line, name = function
    if not line:
        return name
    return f"{'/'.join(Path(path).parts[-3:])}:{line}({name})"


@contextmanager
def pyinstrument(job: Job) -> Iterator[None]:
    """Print a tree of calls, from samples of this thread."""
    from pyinstrument import Profiler as Sampler  # type: ignore[import-not-found, unused-ignore]

    sampler = Sampler(interval=1 / SAMPLES_PER_SECOND, async_mode="disabled")
    sampler.start()
    try:
        yield
    finally:
        sampler.stop()
    print(sampler.output_text(unicode=False, color=False, show_all=True))


@contextmanager
def py_spy(job: Job) -> Iterator[None]:
    """Write a speedscope file from samples of all threads, C functions included."""
    program = shutil.which("py-spy")
    if program is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{job.name}.speedscope.json"
    what = ("--pid", str(os.getpid()), "--rate", str(SAMPLES_PER_SECOND), "--nonblocking")
    form = ("--format", "speedscope", "--output", str(path), "--duration", "600")
    sampler = subprocess.Popen([program, "record", *what, *form])
    try:
        yield
    finally:
        sampler.send_signal(signal.SIGINT)
        sampler.wait(timeout=30)
    print(f"{path}: open it at https://www.speedscope.app")


TOOLS: dict[str, Profiler] = {
    "cprofile": cprofile,
    "pyinstrument": pyinstrument,
    "py-spy": py_spy,
    "layers": lambda job: times(job.units, job.unit),
    "bytecodes": lambda job: bytecodes(job.units, job.unit),
    "nothing": lambda _: nullcontext(),
}


async def profile(dsn: str, job: Job, times: int, tool: Profiler, tune_gc: bool) -> None:
    """Warm up, then do the load under the tool."""
    async with waymark.running(dsn, schema=SCHEMA, tune_gc=tune_gc):
        await job.load.work()
        gc.collect()
        started = time.perf_counter()
        cpu_started = time.process_time()
        with tool(job):
            for _ in range(times):
                await job.load.work()
            seconds = time.perf_counter() - started
            cpu_seconds = time.process_time() - cpu_started
    rate = job.units / seconds
    cpu_us = cpu_seconds / job.units * 1e6
    print(f"{job.name}: {rate:,.0f} {job.load.unit}, {cpu_us:.1f} us of this process's CPU each")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.profile")
    parser.add_argument("name", choices=list(LOADS))
    parser.add_argument("--times", type=int, default=1, help="do the load so many times")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--by", choices=list(ORDERS), default="own")
    parser.add_argument("--with", dest="tool", choices=list(TOOLS), default="cprofile")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--tune-gc", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile one load."""
    options = parse(arguments)
    job, tool = Job(options), TOOLS[options.tool]
    with bench_server() as dsn, asyncio.Runner(loop_factory=loop_factory(options.uvloop)) as runner:
        runner.run(drop_schema(dsn))
        runner.run(profile(dsn, job, options.times, tool, options.tune_gc))
        runner.run(drop_schema(dsn))


if __name__ == "__main__":
    main()
