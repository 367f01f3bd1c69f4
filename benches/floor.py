"""What any library in a Python event loop could reach: one-action runs with nothing in them.

    python -m benches.floor

`limit.py` sends batches that were made before the clock started. Here the same statement writes
the same rows, but they come to be as a web server's do: callers that each wait for a result, an
action that runs as a task of the loop once its run is committed, an outcome that is committed
before the caller hears of it. There is no workflow, graph, engine, validation, encoding, retry,
timeout, context or lease. What remains is asyncio, asyncpg and PostgreSQL, so the ratio of this
to the limit bounds the ratio of every program that promises as much, on this machine and Python.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections import deque
from statistics import median
from uuid import UUID

from waymark.runtime.run_ids import RunIds

from .limit import BATCH_ROWS_MAX, Lane, Limit, open_limit
from .server import bench_server
from .system import loop_factory

ITEMS_PER_TURN = 50


async def echo(value: int) -> int:
    """The action."""
    return value


class Floor:
    """Callers, tasks and one writer for each connection."""

    def __init__(self) -> None:
        self._new_id = RunIds()
        self._loop = asyncio.get_running_loop()
        self._born: deque[tuple[UUID, int, asyncio.Future[int]]] = deque()
        self._ended: deque[tuple[UUID, int, asyncio.Future[int]]] = deque()
        self._committed: deque[tuple[UUID, int, asyncio.Future[int]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._scheduled = False

    async def run(self, value: int) -> int:
        """One run."""
        future = self._loop.create_future()
        self._born.append((self._new_id(), value, future))
        self._ready.set()
        return await future

    async def write(self, lane: Lane) -> None:
        """Flush what has come together, while there is anything."""
        while True:
            await self._ready.wait()
            born = [self._born.popleft() for _ in range(min(len(self._born), BATCH_ROWS_MAX))]
            ended = [self._ended.popleft() for _ in range(min(len(self._ended), BATCH_ROWS_MAX))]
            if not self._born and not self._ended:
                self._ready.clear()
            if not born and not ended:
                continue
            ids = [run[0] for run in ended]
            await lane.flush([run[0] for run in born], ids, [1] * len(ids), ids)
            for _, value, future in ended:
                future.set_result(value)
            self._committed.extend(born)
            self._wake()

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Begin actions, so many in one turn of the loop."""
        self._scheduled = False
        committed = self._committed
        for _ in range(min(len(committed), ITEMS_PER_TURN)):
            task = self._loop.create_task(self._attempt(*committed.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if committed:
            self._wake()

    async def _attempt(self, run: UUID, value: int, future: asyncio.Future[int]) -> None:
        self._ended.append((run, await echo(value), future))
        self._ready.set()


async def measure(limit: Limit, lanes: int, count: int, in_flight: int) -> tuple[float, float]:
    """Runs per second, and the CPU of this process for each in microseconds."""
    await limit.empty()
    floor = Floor()
    values = iter(range(count))

    async def caller() -> None:
        for value in values:
            assert await floor.run(value) == value

    writers = [asyncio.create_task(floor.write(lane)) for lane in limit.lanes[:lanes]]
    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    await limit.check(ended=count, entries=count)
    return count / seconds, cpu / count * 1e6


async def compare(dsn: str, repeat: int) -> None:
    """Limit and floor in turn; medians of the pairs."""
    async with open_limit(dsn) as limit:
        for lanes in (1, 2):
            for count, in_flight in ((2_000, 200), (20_000, 2_000)):
                rows = []
                for _ in range(repeat):
                    least = await limit.runs()
                    found, cpu_us = await measure(limit, lanes, count, in_flight)
                    rows.append((found, found / least, cpu_us))
                found, ratio, cpu_us = (median(column) for column in zip(*rows, strict=True))
                print(
                    f"{count:>6,} runs, {in_flight:>5,} in flight, {lanes} connections: "
                    f"{found:>7,.0f} runs/s, {ratio:.2f} of the limit, {cpu_us:.1f} us of CPU each"
                )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benches.floor")
    parser.add_argument("--repeat", type=int, default=9, help="medians of so many pairs")
    parser.add_argument("--uvloop", action="store_true", help="in uvloop, where it is installed")
    options = parser.parse_args()
    with bench_server() as dsn, asyncio.Runner(loop_factory=loop_factory(options.uvloop)) as runner:
        runner.run(compare(dsn, options.repeat))


if __name__ == "__main__":
    main()
