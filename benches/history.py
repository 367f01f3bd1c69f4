"""What a run costs when much has been done before.

    python -m benches.history [--runs 1000000] [--repeat 5]

One-action runs in two schemas of one server, in turn: one with a thousand finished runs, one
with a million. The ratio of the times is the median over the pairs. Then the same while
retention removes the old ones as fast as it may.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from statistics import median
from unittest import mock

import asyncpg

import waymark
from waymark.runtime import retention
from waymark.store.postgres import PostgresStore

from .figures import Figure, table
from .server import bench_server
from .workloads import LOADS

FEW = 1_000
MARK = 1.2
LOAD = "runs_2000"

FILL = """
insert into {schema}.runs
    (id, workflow, graph, queue, owner, epoch, state, began_ns, input, result, submitted_at,
     finished_at)
select
    lpad(to_hex(n), 32, '0')::uuid, 'app:Welcome', '\\x00', 'default', null, 1, 10, 1, '1', '1',
    now() - interval '60 days', now() - interval '60 days'
from generate_series(1, {count}) as n
"""
JOURNAL = """
insert into {schema}.journal (run_id, at_ns, seq, epoch, effect, node, digest, kind, payload)
select lpad(to_hex(n), 32, '0')::uuid, n, 1, 1, 1, 1, 1, 1, '1'
from generate_series(1, {count}) as n
"""


async def prepare(dsn: str, schema: str, count: int) -> None:
    """A schema with so many runs that ended long ago."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop schema if exists {schema} cascade")
        store = PostgresStore(dsn, schema=schema)
        await store.open()
        await store.close()
        for statement in (FILL, JOURNAL):
            await connection.execute(statement.format(schema=schema, count=count), timeout=600)
        await connection.execute(f"vacuum analyze {schema}.runs")
        await connection.execute(f"vacuum analyze {schema}.journal")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


async def seconds_per_run(dsn: str, schema: str, **settings: object) -> float:
    load = LOADS[LOAD]
    settings = {"retention_days": "never", **settings}
    async with waymark.running(dsn, schema=schema, **settings):
        await load.work()
        started = time.perf_counter()
        for _ in range(load.times):
            await load.work()
        return (time.perf_counter() - started) / (load.times * load.units)


async def measure(dsn: str, runs: int, repeat: int) -> Sequence[Figure]:
    few, many = "waymark_bench_few", "waymark_bench_many"
    await prepare(dsn, few, FEW)
    await prepare(dsn, many, runs)
    pairs: list[tuple[float, float, float]] = []
    for _ in range(repeat):
        small = await seconds_per_run(dsn, few)
        large = await seconds_per_run(dsn, many)
        with mock.patch.object(retention, "LOOK_SECONDS", 0.01):
            removing = await seconds_per_run(dsn, many, retention_days=30)
        pairs.append((small, large, removing))
    smalls, larges, removings = zip(*pairs, strict=True)
    ratio = median(large / small for small, large, _ in pairs)
    slowed = median(removing / large for _, large, removing in pairs)
    return [
        _figure("history_few", f"one-action run, {FEW:,} finished before", median(smalls)),
        _figure("history_many", f"one-action run, {runs:,} finished before", median(larges)),
        Figure(
            "history",
            "cost of the latter over the former",
            ratio,
            "times",
            mark=f"<= {MARK}",
            met=ratio <= MARK,
        ),
        _figure("history_removing", "while old ones are removed", median(removings)),
        Figure("removing", "cost of that over the line above it", slowed, "times"),
    ]


def _figure(name: str, what: str, seconds: float) -> Figure:
    return Figure(name, what, seconds * 1e6, "us")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.history")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with bench_server() as dsn:
        print(table(asyncio.run(measure(dsn, options.runs, options.repeat))))


if __name__ == "__main__":
    main()
