"""Messages for runs: kept once by their key, read by the owner, gone when forgotten."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.store.conftest import Cluster
from tests.store.rows import batch, free_run, live_worker, owned_run
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, Message, RunEnd, RunState

pytestmark = pytest.mark.anyio


def message(run: UUID, key: str, payload: bytes = b"") -> Message:
    return Message(run, key, EntryKind.CANCEL, "name", payload)


async def test_the_owner_reads_what_others_send(cluster: Cluster) -> None:
    """And nobody else does."""
    one, other = await cluster.open(), await cluster.open()
    mine, theirs = await live_worker(one), await live_worker(other)
    run, free = owned_run(mine), free_run()
    await one.flush(0, batch(mine, runs=[run, free]))
    await other.send([message(run.id, "a", b"\x00\xff"), message(free.id, "a")])
    assert await one.read_inbox(mine) == [(message(run.id, "a", b"\x00\xff"), False)]
    assert await other.read_inbox(theirs) == []


async def test_a_message_is_kept_once(store: Store, worker: UUID) -> None:
    """Sent again under its key it changes nothing; a run may have several."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.send([message(run.id, "a", b"first")])
    await store.send([message(run.id, "a", b"second"), message(run.id, "b")])
    await store.send([])
    found = await store.read_inbox(worker)
    assert [each.payload for each, _ in found] == [b"first", b""]
    await store.forget_messages([message(run.id, "a")])
    await store.forget_messages([])
    assert [each.key for each, _ in await store.read_inbox(worker)] == ["b"]


async def test_a_message_may_come_before_its_run(store: Store, worker: UUID) -> None:
    """It waits for the run, and for whoever takes that."""
    run = free_run()
    await store.send([message(run.id, "a")])
    assert await store.read_inbox(worker) == []
    await store.submit(run)
    assert await store.read_inbox(worker) == []
    await store.claim(worker, [run.graph], [run.queue], 1)
    assert await store.read_inbox(worker) == [(message(run.id, "a"), False)]


async def test_messages_of_ended_runs_are_shown_to_everybody(store: Store, worker: UUID) -> None:
    """So that somebody clears them away."""
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    await store.send([message(run.id, "late")])
    end = RunEnd(run.id, 1, RunState.SUCCEEDED, 0, b"1")
    await store.flush(0, batch(worker, ends=[end]))
    assert await store.read_inbox(await live_worker(store)) == [(message(run.id, "late"), True)]
