"""Rows as a runtime would write them, with everything that does not matter filled in."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from waymark.store.protocol import Store
from waymark.store.records import (
    EntryKind,
    Flush,
    JournalRow,
    NewRun,
    Release,
    RunEnd,
    RunState,
    SeenWorker,
)

GRAPH = b"graph-of-16-byte"
OTHER_GRAPH = b"other-of-16-byte"

#: Longer than any test takes.
LEASE_SECONDS = 3600.0


async def live_worker(store: Store) -> UUID:
    """The id of a worker that was just registered."""
    worker = uuid4()
    await store.register_worker(worker, LEASE_SECONDS, '{"host": "test"}')
    return worker


async def seen_workers(store: Store) -> list[SeenWorker]:
    """All workers that have a row."""
    return (await store.look(uuid4(), ())).workers


def owned_run(worker: UUID, *, graph: bytes = GRAPH, queue: str = "default") -> NewRun:
    """A run that its submitter claims at once."""
    return NewRun(
        uuid4(), "app:Welcome", graph, queue, worker, 1, RunState.RUNNING, 1_000, b'{"x":1}'
    )


def free_run(*, graph: bytes = GRAPH, queue: str = "default") -> NewRun:
    """A run that is left for any worker."""
    return NewRun(uuid4(), "app:Welcome", graph, queue, None, 0, RunState.READY, 0, b'{"x":2}')


def entry(
    run: UUID, seq: int, *, epoch: int = 1, payload: bytes = b'"done"', effect: int = 1
) -> JournalRow:
    return JournalRow(
        run, seq, epoch, EntryKind.RESULT, effect, 3, -1_234_567, 5_000_000_000_000, payload
    )


def success(run: UUID, *, epoch: int = 1, result: bytes = b'"ok"') -> RunEnd:
    return RunEnd(run, epoch, RunState.SUCCEEDED, 77, result)


def release(run: UUID, *, epoch: int = 1, state: int = RunState.READY, reason: str = "") -> Release:
    return Release(run, epoch, state, reason)


def batch(
    worker: UUID,
    *,
    runs: Sequence[NewRun] = (),
    entries: Sequence[JournalRow] = (),
    ends: Sequence[RunEnd] = (),
    releases: Sequence[Release] = (),
) -> Flush:
    return Flush(worker, list(runs), list(entries), list(ends), list(releases))
