"""How long a long run takes to recover, with and without a snapshot, and what that wrote.

python -m benches.recovery [steps]

A loop of so many awaited actions (100,000) on Postgres, its journal written as the runtime
writes it, and a snapshot wherever `runtime.snapshots` would write one if it looked after
each entry. Then it is read and recovered, from its snapshot and from the whole journal.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any
from uuid import UUID, uuid4

from waymark import Workflow, action, workflow
from waymark.engine.effects import signed_crc
from waymark.engine.outcomes import StartAction
from waymark.engine.program import Program
from waymark.engine.session import Session
from waymark.engine.snapshot import WRITER
from waymark.runtime.programs import Programs
from waymark.runtime.snapshots import ENTRY_BYTES, SHARE_MAX
from waymark.settings import Settings
from waymark.store.postgres import PostgresStore
from waymark.store.records import Flush, JournalRow, NewRun, RunState, SnapshotRow

from .server import bench_server

ROWS_PER_FLUSH = 500
BEGAN_NS = 10**18


@action
async def step(number: int) -> int:
    return number


@workflow
class Summing(Workflow):
    """Small state."""

    async def run(self, count: int) -> int:
        total = 0
        for number in range(count):
            total += await step(number)
        return total


@workflow
class Collecting(Workflow):
    """State that grows."""

    async def run(self, count: int) -> list[int]:
        return [await step(number) for number in range(count)]


async def record(store: PostgresStore, program: Program, steps: int) -> tuple[NewRun, int, int]:
    """Write a run that waits for its last action. Returns it, and how many snapshots of
    how many bytes that took."""
    worker, run_id = uuid4(), uuid4()
    await store.register_worker(worker, 3600.0, "{}")
    input = program.definition.arguments.record((steps,), {})[0]
    state = RunState.RUNNING
    run = NewRun(
        run_id, program.workflow, program.hash, "default", worker, 1, state, BEGAN_NS, input
    )
    session, rows = Session(program, run_id), list[JournalRow]()
    least = Settings().snapshot_entries
    last, due, count, size = 0, least, 0, 0
    advance = session.begin(input, BEGAN_NS)
    await store.flush(0, Flush(worker, [run], [], [], []))
    for _ in range(steps - 1):
        (start,) = advance.commands
        assert isinstance(start, StartAction)
        advance = session.settle(start.effect, True, b"%d" % start.effect, BEGAN_NS)
        rows += [JournalRow(run_id, e.seq, 1, *e[1:]) for e in advance.entries]
        if len(rows) >= ROWS_PER_FLUSH:
            await store.flush(0, Flush(worker, [], rows, [], []))
            rows = []
            if session.seq >= due:
                data = session.snapshot()
                due = session.seq + max(least, len(data) // ENTRY_BYTES)
                if len(data) <= (session.seq - last) * ENTRY_BYTES * SHARE_MAX:
                    last, count, size = session.seq, count + 1, size + len(data)
                    await store.put_snapshot(worker, _row(run, session.seq, data))
    await store.flush(0, Flush(worker, [], rows, [], []))
    return run, count, size


def _row(run: NewRun, seq: int, data: bytes) -> SnapshotRow:
    return SnapshotRow(run.id, seq, 1, run.graph, WRITER, signed_crc(data), data)


async def recover(store: PostgresStore, program: Program, run: NewRun, *, short: bool) -> float:
    """Seconds until a run has its memory again."""
    started = time.perf_counter()
    found = await store.read_snapshots([run.id]) if short else {}
    after = {run_id: row.seq for run_id, row in found.items()}
    rows = (await store.read_journal([run.id], after)).get(run.id, [])
    payload = found[run.id].payload if short else None
    Session(program, run.id).recover(run.input, run.began_ns, rows, 2 * BEGAN_NS, payload)
    return time.perf_counter() - started


async def main(url: str, steps: int) -> None:
    store = PostgresStore(url, schema=f"bench_{UUID(int=uuid4().int).hex[:8]}")
    await store.open()
    programs: Any = Programs(store)
    for workflow_class in (Summing, Collecting):
        program = await programs.ensure(workflow_class.__waymark__)
        run, count, size = await record(store, program, steps)
        whole = await recover(store, program, run, short=False)
        short = await recover(store, program, run, short=True)
        print(
            f"{workflow_class.__name__}: {steps} steps; whole journal {whole:.2f} s, from a"
            f" snapshot {short:.3f} s; {count} snapshots, {size / steps:.1f} bytes for each step"
        )
    await store.close()


if __name__ == "__main__":
    with bench_server() as server:
        asyncio.run(main(server, int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
