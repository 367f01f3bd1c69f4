"""What plain asyncpg reaches at best: the limit that Waymark is measured against.

    python -m benches.limit

The least durable work, in a schema of its own, on the server as it is configured
(`fsync` and `synchronous_commit` are read and printed, never changed):

runs      a run is inserted, then its outcome is recorded and the run finished, in
          a later flush, since an action may start only once its run is durable.
          The outcomes of one batch travel with the insertion of the next, so that
          each flush is full.
chain     300 runs, five actions one after the other: a journal row for each
          action, each in a later flush than the one before, the last of them with
          the run's end. In actions per second.
fanout    one run: a journal row for each action, and the run's end. In actions
          per second.
commits   two commits of one row, one after the other; the median in ms.

How: one statement per flush, data-modifying CTEs over `unnest`, in autocommit;
the plans pinned; at most 500 rows of a kind; two connections, each busy with
flushes of its own; keys in order (UUIDv7), made before the clock starts. The
statement takes the worker's row as its fence, as every flush of Waymark must.
Everything else that a product does is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

if not __package__:
    # Started by its path: let `benches` be found, and nothing in it hide a module
    # of the standard library.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benches.server import bench_server
from waymark.runtime.run_ids import RunIds

SCHEMA = "waymark_bench_limit"
BATCH_ROWS_MAX = 500
BATCH_BYTES_MAX = 1024 * 1024
CONNECTIONS = 2

#: What each shape is measured with.
RUNS = 30_000
CHAINS, CHAIN_LENGTH, CHAIN_WAVES = 300, 5, 20
FANOUT, FANOUT_WAVES = 20_000, 3
COMMIT_PAIRS = 300
ROUNDS = 5

#: The size of what a small call carries.
PAYLOAD = b"12345"

SETTINGS = {
    "application_name": "waymark bench limit",
    "search_path": SCHEMA,
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}

TABLES = f"""
drop schema if exists {SCHEMA} cascade;
create schema {SCHEMA};
create table {SCHEMA}.workers (id uuid not null primary key);
create table {SCHEMA}.runs (
    id uuid not null primary key,
    state smallint not null,
    input bytea not null,
    result bytea
) with (fillfactor = 50);
create table {SCHEMA}.journal (
    run_id uuid not null,
    seq integer not null,
    payload bytea not null,
    primary key (run_id, seq)
);
"""

#: $1 worker; $2, $3 new runs; $4 to $6 journal rows; $7, $8 ends.
FLUSH = """
with fence as materialized (select id from workers where id = $1 for key share),
born as (
    insert into runs (id, state, input)
    select new.id, 2, new.input from fence, unnest($2::uuid[], $3::bytea[]) as new (id, input)
),
written as (
    insert into journal (run_id, seq, payload)
    select entry.run_id, entry.seq, entry.payload
    from fence, unnest($4::uuid[], $5::integer[], $6::bytea[]) as entry (run_id, seq, payload)
),
ended as (
    update runs set state = 10, result = final.result
    from fence, unnest($7::uuid[], $8::bytea[]) as final (id, result)
    where runs.id = final.id
)
select count(*) from fence
"""

Ids = Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Limits:
    """Medians. `runs` per second, `chain` and `fanout` in actions per second,
    `commits_ms` for two commits; `server` says what they were measured on."""

    runs: float
    chain: float
    fanout: float
    commits_ms: float
    server: dict[str, str]


class Lane:
    """One connection that flushes."""

    def __init__(self, connection: asyncpg.Connection[Any], worker: UUID) -> None:
        self.connection = connection
        self.payload = PAYLOAD
        self._worker = worker
        self._statement: Any = None

    async def prepare(self) -> None:
        """Plan the statement before the clock starts."""
        self._statement = await self.connection.prepare(FLUSH)
        for _ in range(3):
            await self.flush()

    async def flush(
        self, born: Ids = (), entries: Ids = (), seqs: Sequence[int] = (), ended: Ids = ()
    ) -> None:
        """Commit new runs, journal rows and ends."""
        fenced = await self._statement.fetchval(
            self._worker,
            *(born, [self.payload] * len(born)),
            *(entries, seqs, [self.payload] * len(entries)),
            *(ended, [self.payload] * len(ended)),
        )
        assert fenced == 1, "the fence held nothing"

    async def runs(self, batches: Sequence[Ids]) -> None:
        """Insert each batch together with the outcomes of the one before."""
        before: Ids = ()
        for batch in (*batches, ()):
            await self.flush(batch, before, [1] * len(before), before)
            before = batch

    async def chain(self, runs: Ids, length: int) -> None:
        """Record `length` outcomes of each run, one after the other."""
        for seq in range(1, length + 1):
            await self.flush((), runs, [seq] * len(runs), runs if seq == length else ())

    async def fanout(self, run: UUID, batches: Sequence[Sequence[int]]) -> None:
        """Record outcomes of one run."""
        for seqs in batches:
            await self.flush((), [run] * len(seqs), seqs)


class Limit:
    """Open connections and empty tables; each method measures one shape once."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = lanes
        self._connection = lanes[0].connection
        self._new_id = RunIds()

    async def runs(self, count: int = RUNS, payload: bytes = PAYLOAD) -> float:
        """Runs per second. Input, outcome and result are `payload`; a batch of them is no larger
        than `BATCH_BYTES_MAX`, as larger ones are slower."""
        await self.empty()
        for lane in self.lanes:
            lane.payload = payload
        rows = max(1, min(BATCH_ROWS_MAX, BATCH_BYTES_MAX // len(payload)))
        parts = [_batches(part, rows) for part in self._split(self._ids(count))]
        seconds = await _timed(
            lane.runs(part) for lane, part in zip(self.lanes, parts, strict=True)
        )
        await self.check(ended=count, entries=count)
        for lane in self.lanes:
            lane.payload = PAYLOAD
        return count / seconds

    async def chain(
        self, runs: int = CHAINS, length: int = CHAIN_LENGTH, waves: int = CHAIN_WAVES
    ) -> float:
        """Actions per second, over several waves: one lasts only milliseconds."""
        seconds = 0.0
        for _ in range(waves):
            parts = self._split(await self.existing(runs))
            seconds += await _timed(
                lane.chain(part, length) for lane, part in zip(self.lanes, parts, strict=True)
            )
            await self.check(ended=runs, entries=runs * length)
        return waves * runs * length / seconds

    async def fanout(self, width: int = FANOUT, waves: int = FANOUT_WAVES) -> float:
        """Actions per second, over several waves."""
        parts = [_batches(part) for part in self._split(range(1, width + 1))]

        async def whole(run: UUID) -> None:
            await asyncio.gather(
                *(lane.fanout(run, part) for lane, part in zip(self.lanes, parts, strict=True))
            )
            await self.lanes[0].flush(ended=[run])

        seconds = 0.0
        for _ in range(waves):
            (run,) = await self.existing(1)
            seconds += await _timed([whole(run)])
            await self.check(ended=1, entries=width)
        return waves * width / seconds

    async def commits(self, pairs: int = COMMIT_PAIRS) -> float:
        """The median of two commits of one row, in ms."""
        await self.empty()
        insert = await self._connection.prepare("insert into runs values ($1, 2, $2, null)")
        record = await self._connection.prepare("insert into journal values ($1, 1, $2)")
        times: list[float] = []
        for run in self._ids(pairs):
            started = time.perf_counter()
            await insert.fetch(run, PAYLOAD)
            await record.fetch(run, PAYLOAD)
            times.append(time.perf_counter() - started)
        return median(times) * 1000

    async def server(self) -> dict[str, str]:
        """What these figures depend on."""
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "wal_level")
        return {name: await self._connection.fetchval(f"show {name}") for name in names}

    def _ids(self, count: int) -> list[UUID]:
        return [self._new_id() for _ in range(count)]

    def _split(self, items: Sequence[Any]) -> list[Sequence[Any]]:
        """A part for each lane, in order."""
        size = -(-len(items) // len(self.lanes))
        return [items[at * size : (at + 1) * size] for at in range(len(self.lanes))]

    async def empty(self) -> None:
        """Remove all runs."""
        await self._connection.execute("truncate runs, journal")

    async def existing(self, count: int) -> list[UUID]:
        """Runs that are there before the clock starts."""
        await self.empty()
        ids = self._ids(count)
        for batch in _batches(ids):
            await self.lanes[0].flush(batch)
        return ids

    async def check(self, ended: int, entries: int) -> None:
        """Hold the figure to what is really in the tables."""
        found = await self._connection.fetchrow(
            "select (select count(*) from runs where state = 10), (select count(*) from journal)"
        )
        assert tuple(found or ()) == (ended, entries), f"{found} is not ({ended}, {entries})"


def _batches(items: Sequence[Any], rows: int = BATCH_ROWS_MAX) -> list[Sequence[Any]]:
    return [items[at : at + rows] for at in range(0, len(items), rows)]


async def _timed(work: Iterable[Coroutine[Any, Any, None]]) -> float:
    """Seconds until all of `work`, side by side, is done."""
    pending = list(work)
    gc.collect()
    started = time.perf_counter()
    await asyncio.gather(*pending)
    return time.perf_counter() - started


@asynccontextmanager
async def open_limit(dsn: str) -> AsyncIterator[Limit]:
    """Connections and tables of their own, dropped afterwards."""
    connections: list[asyncpg.Connection[Any]] = []
    try:
        while len(connections) < CONNECTIONS:
            connections.append(await asyncpg.connect(dsn, server_settings=SETTINGS))
        await connections[0].execute(TABLES)
        worker = RunIds()()
        await connections[0].execute("insert into workers values ($1)", worker)
        lanes = [Lane(connection, worker) for connection in connections]
        for lane in lanes:
            await lane.prepare()
        yield Limit(lanes)
        await connections[0].execute(f"drop schema {SCHEMA} cascade")
    finally:
        for connection in connections:
            await connection.close(timeout=5)


async def measure(dsn: str, rounds: int = ROUNDS) -> Limits:
    """Every shape `rounds` times, in turn."""
    async with open_limit(dsn) as limit:
        shapes = (limit.runs, limit.chain, limit.fanout, limit.commits)
        figures = [[await shape() for shape in shapes] for _ in range(rounds)]
        runs, chain, fanout, commits_ms = (median(column) for column in zip(*figures, strict=True))
        return Limits(runs, chain, fanout, commits_ms, await limit.server())


def _table(limits: Limits) -> str:
    server = ", ".join(f"{name} {value}" for name, value in limits.server.items())
    return "\n".join(
        [
            f"runs     {limits.runs:>10,.0f} runs/s",
            f"chain    {limits.chain:>10,.0f} actions/s",
            f"fanout   {limits.fanout:>10,.0f} actions/s",
            f"commits  {limits.commits_ms:>10.3f} ms for two",
            server,
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table and one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benches.limit")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="medians of so many")
    options = parser.parse_args(arguments)
    with bench_server() as dsn:
        limits = asyncio.run(measure(dsn, options.rounds))
    print(_table(limits))
    print(json.dumps(asdict(limits)))


if __name__ == "__main__":
    main()
