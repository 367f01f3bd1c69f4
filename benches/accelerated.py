"""What the accelerator brings: the processor time of this process, with it and without.

    python -m benches.accelerated

Needs `waymark-accel` (`pip install ./src/waymark_accel`). The two take turns; *alone* is the
laying out of one flush, the others are whole loads, per run and per action.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from statistics import median
from uuid import uuid4

import waymark
from waymark.runtime.run_ids import RunIds
from waymark.store.packing import PYTHON, VARIABLE, Packer, chosen_packer
from waymark.store.postgres.columns import to_columns
from waymark.store.records import EntryKind, Flush, JournalRow, NewRun, RunEnd, RunState

from .server import bench_server
from .workloads import SCHEMA, run_fan_out, run_many

TURNS = 9
RUNS = 6_000
LOADS: dict[str, tuple[int, Callable[[], Awaitable[None]]]] = {
    "one-action runs, 200 in flight": (RUNS, lambda: run_many(RUNS, 200)),
    "one-action runs, 2,000 in flight": (RUNS, lambda: run_many(RUNS, 2_000)),
    "one gather of 10,000, per action": (10_000, lambda: run_fan_out(10_000)),
}
ROWS = 500


def batches() -> dict[str, Flush]:
    """A flush of new runs, entries and ends, and one of a wide gather."""
    worker, new_id, graph, payload = uuid4(), RunIds(), bytes(16), b'"result"'
    begun, ended, wide = (
        [new_id() for _ in range(200)],
        [new_id() for _ in range(200)],
        new_id(),
    )
    at = 1_795_458_935_724_185_699
    state = RunState.RUNNING
    runs = [NewRun(r, "bench", graph, "default", worker, 1, state, at, payload) for r in begun]
    kind = EntryKind.RESULT
    rows = [JournalRow(r, 1, 1, kind, 1, 2, at % (n + 7), at, payload) for n, r in enumerate(ended)]
    ends = [RunEnd(r, 1, RunState.SUCCEEDED, 77, payload) for r in ended]
    gather = [
        JournalRow(wide, seq, 1, kind, seq, 2, at % (seq + 7), at, payload)
        for seq in range(1, ROWS + 1)
    ]
    return {
        "alone: 200 new runs, 200 entries, 200 ends": Flush(worker, runs, rows, ends, []),
        f"alone: {ROWS} entries of one run": Flush(worker, [], gather, [], []),
    }


def laid_out(batch: Flush, packer: Packer) -> float:
    """Microseconds for one flush."""
    began = time.process_time()
    for _ in range(100):
        to_columns(batch, packer.texts)
    return (time.process_time() - began) * 1e4


async def loaded(url: str, work: Callable[[], Awaitable[None]], count: int) -> float:
    """Microseconds for each run or action."""
    async with waymark.running(url, schema=SCHEMA):
        await run_many(500, 200)
        began = time.process_time()
        await work()
        return (time.process_time() - began) / count * 1e6


def line(what: str, python: list[float], rust: list[float]) -> str:
    gain = median(second / first for first, second in zip(python, rust, strict=True))
    return f"{what:<46}{min(python):8.2f}{min(rust):8.2f}{min(rust) / min(python):8.3f}{gain:8.3f}"


def main() -> None:
    accelerated = chosen_packer({VARIABLE: "rust"})
    print(f"{'microseconds of CPU':<46}{'python':>8}{'rust':>8}{'ratio':>8}{'median':>8}")
    for what, batch in batches().items():
        both = [(laid_out(batch, PYTHON), laid_out(batch, accelerated)) for _ in range(TURNS)]
        print(line(what, [first for first, _ in both], [second for _, second in both]))
    with bench_server() as url:
        for what, (count, work) in LOADS.items():
            found: dict[str, list[float]] = {"python": [], "rust": []}
            for turn in range(TURNS):
                for name in sorted(found, reverse=bool(turn % 2)):
                    os.environ[VARIABLE] = name
                    found[name].append(asyncio.run(loaded(url, work, count)))
            print(line(what, found["python"], found["rust"]))


if __name__ == "__main__":
    main()
