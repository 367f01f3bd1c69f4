"""What any library in a Python event loop could reach: the same rows with nothing in them.

    python -m benches.floor

`limit.py` sends batches that were made before the clock started. Here the same statement writes
the same rows, but they come to be as a web server's do: callers that each wait for a result,
actions that run as tasks of the loop once what they follow is committed, an outcome that is
committed before anybody hears of it. There is no workflow, graph, engine, validation, encoding,
retry, timeout, context or lease. What remains is asyncio, asyncpg and PostgreSQL, so the ratio of
this to the limit bounds the ratio of every program that promises as much, on this machine and
Python. So does the lateness of a ticker beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from uuid import UUID

from waymark.runtime.run_ids import RunIds
from waymark.runtime.runtime import GC_THRESHOLDS

from .limit import BATCH_ROWS_MAX, CHAIN_LENGTH, CHAINS, Lane, Limit, open_limit
from .server import bench_server
from .system import loop_factory
from .ticker import Tick, percentile, ticking

ITEMS_PER_TURN = 50

#: A run; how many outcomes it has; how many it will have; its value; who waits for it. Actions of
#: a gather are of a length nobody reaches, and their number is counted down.
Item = tuple[UUID, int, int, int, asyncio.Future[int]]
ENDLESS = 1 << 30


async def echo(value: int) -> int:
    """The action."""
    return value


class Floor:
    """Callers, tasks and one writer for each connection."""

    def __init__(self) -> None:
        self._new_id = RunIds()
        self._loop = asyncio.get_running_loop()
        self._born: deque[Item] = deque()
        self._outcomes: deque[Item] = deque()
        self._committed: deque[Item] = deque()
        self._gathered = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._scheduled = False

    async def run(self, value: int, actions: int = 1) -> int:
        """One run of so many actions, one after the other."""
        future = self._loop.create_future()
        self._born.append((self._new_id(), 0, actions, value, future))
        self._ready.set()
        return await future

    async def gather(self, run: UUID, width: int) -> int:
        """So many actions side by side, of a run that exists. It ends with a flush of its own."""
        future = self._loop.create_future()
        self._gathered = width
        self._committed.extend((run, seq, ENDLESS, seq, future) for seq in range(width))
        self._wake()
        return await future

    async def write(self, lane: Lane) -> None:
        """Flush what has come together, while there is anything."""
        while True:
            await self._ready.wait()
            born = [self._born.popleft() for _ in range(min(len(self._born), BATCH_ROWS_MAX))]
            found = min(len(self._outcomes), BATCH_ROWS_MAX)
            outcomes = [self._outcomes.popleft() for _ in range(found)]
            if not self._born and not self._outcomes:
                self._ready.clear()
            if not born and not outcomes:
                continue
            await lane.flush(
                [item[0] for item in born],
                [item[0] for item in outcomes],
                [item[1] for item in outcomes],
                [item[0] for item in outcomes if item[1] == item[2]],
            )
            await self._told(lane, outcomes)
            self._committed.extend(born)
            self._wake()

    async def _told(self, lane: Lane, outcomes: list[Item]) -> None:
        """Go on with what these outcomes, which are committed, lead to."""
        for item in outcomes:
            if item[1] == item[2]:
                item[4].set_result(item[3])
            elif item[2] < ENDLESS:
                self._committed.append(item)
            else:
                self._gathered -= 1
                if not self._gathered:
                    await lane.flush(ended=[item[0]])
                    item[4].set_result(item[1])

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

    async def _attempt(
        self, run: UUID, done: int, actions: int, value: int, future: asyncio.Future[int]
    ) -> None:
        self._outcomes.append((run, done + 1, actions, await echo(value), future))
        self._ready.set()


async def run_many(floor: Floor, _: Limit, count: int, in_flight: int) -> None:
    """`workloads.run_many`."""
    values = iter(range(count))

    async def caller() -> None:
        for value in values:
            assert await floor.run(value) == value

    await asyncio.gather(*(caller() for _ in range(in_flight)))


async def run_chains(floor: Floor, _: Limit, times: int) -> None:
    """`workloads.run_chains`."""
    for _ in range(times):
        await asyncio.gather(*(floor.run(value, CHAIN_LENGTH) for value in range(CHAINS)))


async def run_fan_out(floor: Floor, limit: Limit, width: int) -> None:
    """`workloads.run_fan_out`, but for the beginning of the run."""
    (run,) = await limit.existing(1)
    assert await floor.gather(run, width) == width


@dataclass(frozen=True, slots=True)
class Shape:
    """What `workloads.LOADS` has: `units` of work, what they are held against, and the rows that
    must be there in the end."""

    what: str
    work: Callable[[Floor, Limit], Awaitable[None]]
    units: int
    limit: Callable[[Limit], Awaitable[float]]
    ended: int


SHAPES = (
    Shape(
        "2,000 runs, 200 in flight",
        partial(run_many, count=2_000, in_flight=200),
        *(2_000, Limit.runs, 2_000),
    ),
    Shape(
        "20,000 runs, 2,000 in flight",
        partial(run_many, count=20_000, in_flight=2_000),
        *(20_000, Limit.runs, 20_000),
    ),
    Shape(
        "chains of 5, per action",
        partial(run_chains, times=10),
        *(10 * CHAINS * CHAIN_LENGTH, Limit.chain, 10 * CHAINS),
    ),
    Shape(
        "a gather of 20,000, per action",
        partial(run_fan_out, width=20_000),
        *(20_000, Limit.fanout, 1),
    ),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Units per second, as a share of the limit, CPU of this process for each in microseconds,
    and by how many ms a ticker of 5 ms was late at its p99."""

    rate: float
    share: float
    cpu_us: float
    late_ms: float


async def measure(limit: Limit, lanes: int, shape: Shape) -> Reading:
    """Limit and floor in turn, once."""
    least = await shape.limit(limit)
    await limit.empty()
    floor = Floor()
    writers = [asyncio.create_task(floor.write(lane)) for lane in limit.lanes[:lanes]]
    ticks: list[Tick] = []
    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    with ticking(ticks):
        await shape.work(floor, limit)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    await limit.check(ended=shape.ended, entries=shape.units)
    rate = shape.units / seconds
    late = percentile([tick.late_ms for tick in ticks] or [0.0], 99)
    return Reading(rate, rate / least, cpu / shape.units * 1e6, late)


async def compare(dsn: str, repeat: int) -> None:
    """Print medians of the pairs, with the collector set as `tune_gc` sets it."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    async with open_limit(dsn) as limit:
        for shape in SHAPES:
            for lanes in (1, 2):
                found = [await measure(limit, lanes, shape) for _ in range(repeat)]
                print(
                    f"{shape.what:<31} {lanes} connections: "
                    f"{median(one.rate for one in found):>7,.0f}/s, "
                    f"{median(one.share for one in found):.2f} of the limit, "
                    f"{median(one.cpu_us for one in found):.1f} us of CPU each, "
                    f"ticker late {median(one.late_ms for one in found):.1f} ms"
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
