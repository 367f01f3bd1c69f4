"""What a slow disk costs: the same loads with commits that take 2 ms longer.

    python -m benches.slow_commits [--repeat 5]

PostgreSQL itself waits before each commit (`commit_delay`, which without `commit_siblings` it does
for every transaction), so that a disk is slow which is fast otherwise. The setting belongs to the
bench's database while the slow half is measured; connections take it when they are opened.
"""

from __future__ import annotations

import argparse
import asyncio
from statistics import median

import asyncpg

import waymark

from .figures import Figure, as_json, surroundings, table, write
from .limit import open_limit
from .server import bench_server
from .system import drop_schema, per_second
from .workloads import LOADS, SCHEMA

DELAY_US = 2000
#: The least share of the fast disk's figure that is wanted, where it is.
MARKS = {"runs_2000": None, "runs_20000": 0.8, "chains": None, "fanout_20000": None}


async def delay(dsn: str, microseconds: int) -> None:
    """Let every commit of connections to come wait so long."""
    connection = await asyncpg.connect(dsn)
    name = await connection.fetchval("select quote_ident(current_database())")
    await connection.execute(f"alter database {name} set commit_delay = {microseconds}")
    await connection.execute(f"alter database {name} set commit_siblings = 0")
    await connection.close()


async def speeds(dsn: str) -> dict[str, float]:
    """Each load once, per second."""
    async with waymark.running(dsn, schema=SCHEMA):
        await LOADS["runs_2000"].work()
        return {name: await per_second(LOADS[name]) for name in MARKS}


async def commits_ms(dsn: str) -> float:
    """Two commits of one row, to see that the delay is there."""
    async with open_limit(dsn) as limit:
        return await limit.commits(pairs=50)


async def measure(dsn: str, repeat: int) -> list[Figure]:
    """Fast and slow in turn; the medians of the pairs."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in MARKS}
    commits: list[tuple[float, float]] = []
    for _ in range(repeat):
        await delay(dsn, 0)
        fast, fast_ms = await speeds(dsn), await commits_ms(dsn)
        await delay(dsn, DELAY_US)
        slow, slow_ms = await speeds(dsn), await commits_ms(dsn)
        commits.append((fast_ms, slow_ms))
        for name, found in pairs.items():
            found.append((fast[name], slow[name]))
    await delay(dsn, 0)
    await drop_schema(dsn)
    figures = [
        Figure(
            "commits",
            "two commits of one row, delayed",
            median(slow for _, slow in commits),
            "ms",
            median(fast for fast, _ in commits),
        )
    ]
    for name, found in pairs.items():
        ratio, mark = median(slow / fast for fast, slow in found), MARKS[name]
        figures.append(
            Figure(
                f"slow_{name}",
                LOADS[name].what,
                median(slow for _, slow in found),
                LOADS[name].unit,
                median(fast for fast, _ in found),
                ratio,
                f">= {mark} of the fast disk's" if mark else "",
                ratio >= mark if mark else None,
            )
        )
    return figures


def main() -> None:
    """Measure, print, and keep the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benches.slow_commits")
    parser.add_argument("--repeat", type=int, default=5, help="medians of so many pairs")
    options = parser.parse_args()
    with bench_server() as dsn:
        figures = asyncio.run(measure(dsn, options.repeat))
    print(table(figures).replace("limit", " fast", 1))
    print(write("slow_commits", as_json(figures, surroundings())))


if __name__ == "__main__":
    main()
