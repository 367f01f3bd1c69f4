"""Events and cancellations from outside: each heard once, by whoever owns the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.runtime.serving import begin, result, serving, submit, until
from tests.runtime.workflows import Nap, Stage, double
from waymark.authoring import Workflow, workflow
from waymark.errors import RunCancelled, RunEnded, RunNotFound, ValueEncodeError
from waymark.runtime.clock import VirtualClock
from waymark.runtime.requests import TEXT_CHARACTERS_MAX
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, Message

pytestmark = pytest.mark.anyio

NewStore = Callable[[], Store]


@dataclass
class Answer:
    yes: bool
    by: list[str]


@workflow
class Asking(Workflow):
    async def run(self, count: int) -> list[Any]:
        return [await self.wait_for_event("answer", timeout=1e6) for _ in range(count)]


@workflow
class Typed(Workflow):
    async def run(self) -> Answer:
        answer = await self.wait_for_event("answer", type=Answer, timeout=1e6)
        answer.by.append(str(await double(1)))
        return answer


@workflow
class Patient(Workflow):
    async def run(self, seconds: float) -> str:
        try:
            return str(await self.wait_for_event("answer", timeout=seconds))
        except (TimeoutError, ValueError) as error:
            return f"{type(error).__name__}: {error}"


async def events_of(store: Store, run_id: UUID) -> int:
    entries = (await store.read_journal([run_id])).get(run_id, [])
    return sum(entry.kind == EntryKind.EVENT for entry in entries)


async def test_a_run_gets_what_is_sent_to_it(new_store: NewStore, stage: Stage) -> None:
    """In order, whatever it is, also None; the inbox is empty in the end."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Asking, 3)
        for payload in ({"a": [1]}, None, "last"):
            await runtime.client.send(run_id, "answer", payload, None)
        assert await result(runtime, run_id, Asking) == [{"a": [1]}, None, "last"]
        assert await events_of(store, run_id) == 3
        typed = await submit(runtime, Typed)
        await runtime.client.send(typed, "answer", Answer(True, ["ann"]), None)
        assert await result(runtime, typed, Typed) == Answer(True, ["ann", "2"])
        worker = runtime.worker
        while await store.read_inbox(worker):  # noqa: ASYNC110 - forgotten once journaled
            await asyncio.sleep(0.01)


async def test_any_process_may_send(new_store: NewStore) -> None:
    """One that executes nothing, for a run that another owns."""
    async with (
        serving(new_store(), queues=()) as web,
        serving(new_store()) as worker,
    ):
        run_id = await submit(web, Asking, 2)
        await web.client.send(run_id, "answer", 1, None)
        await web.client.send(run_id, "answer", 2, None)
        assert await result(web, run_id, Asking) == [1, 2]
        assert worker is not web


async def test_a_key_makes_a_repeated_event_one(new_store: NewStore) -> None:
    """Also when the first has long been journaled."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Asking, 2)
        await runtime.client.send(run_id, "answer", "first", "delivery 7")
        while not await events_of(store, run_id):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.01)
        await runtime.client.send(run_id, "answer", "again", "delivery 7")
        await runtime.client.send(run_id, "answer", "other", "delivery 8")
        assert await result(runtime, run_id, Asking) == ["first", "other"]


async def test_a_new_owner_knows_what_the_last_one_heard(stage: Stage) -> None:
    """Events survive their owner, heard or not, each once."""
    database = MemoryDatabase()
    store = MemoryStore(database)
    one, first = await begin(store)
    run_id = await submit(one, Asking, 3)
    await one.client.send(run_id, "answer", 1, "a")
    await until(lambda: any(e.kind == 9 for e in database.journal.get(run_id, {}).values()))
    await first.end()
    async with serving(MemoryStore(database), queues=()) as web:
        await web.client.send(run_id, "answer", 1, "a")
        await web.client.send(run_id, "answer", 2, "b")
    async with serving(MemoryStore(database)) as two:
        await two.client.send(run_id, "answer", 3, "c")
        assert await result(two, run_id, Asking) == [1, 2, 3]


async def test_who_hears_nothing_any_more_is_said(new_store: NewStore, stage: Stage) -> None:
    """An event or a cancellation for a run that is not there, or over, is an error."""
    async with serving(new_store()) as runtime:
        run_id = await submit(runtime, Nap, 0)
        await result(runtime, run_id, Nap)
        with pytest.raises(RunEnded, match=r"Nap has ended \(succeeded\), so it hears nothing"):
            await runtime.client.send(run_id, "answer", 1, None)
        with pytest.raises(RunEnded, match="has ended"):
            await runtime.client.cancel(run_id)
        with pytest.raises(RunNotFound, match="there is no run"):
            await runtime.client.send(uuid4(), "answer", 1, None)
        with pytest.raises(RunNotFound, match="there is no run"):
            await runtime.client.cancel(uuid4())


async def test_bad_events_are_refused_before_they_cost_anything(new_store: NewStore) -> None:
    store = new_store()
    async with serving(store, payload_bytes_max=2000) as runtime:
        run_id = await submit(runtime, Asking, 1)
        send: Any = runtime.client.send
        with pytest.raises(ValueError, match="'' is not the name of an event: give a text"):
            await send(run_id, "", 1, None)
        with pytest.raises(ValueError, match="7 is not the name of an event"):
            await send(run_id, 7, 1, None)
        with pytest.raises(ValueError, match="is not the key of an event"):
            await send(run_id, "answer", 1, "")
        with pytest.raises(ValueError, match="characters that no database keeps"):
            await send(run_id, "a\x00b", 1, None)
        with pytest.raises(ValueError, match="characters that no database keeps"):
            await send(run_id, "a\ud800", 1, None)
        with pytest.raises(ValueError, match="large values go into the payload"):
            await send(run_id, "a" * (TEXT_CHARACTERS_MAX + 1), 1, None)
        with pytest.raises(ValueEncodeError, match="payload: "):
            await send(run_id, "answer", object(), None)
        with pytest.raises(ValueEncodeError, match="more than payload_bytes_max"):
            await send(run_id, "answer", "x" * 3000, None)
        assert await store.read_inbox(runtime.worker) == []
        await send(run_id, "answer", "fine", None)
        assert await result(runtime, run_id, Asking) == ["fine"]


async def test_an_event_that_cannot_be_read_is_the_bodys_error(new_store: NewStore) -> None:
    """A row edited by hand, or sent by code that knows more classes; recorded as such."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Patient, 1e6)
        foreign = b'{"$t":"os:system","$v":["true"]}'
        await store.send([Message(run_id, "by hand", EntryKind.EVENT, "answer", foreign)])
        told = await result(runtime, run_id, Patient)
        assert told.startswith("ValueError: the event 'answer' cannot be read: answer")


async def test_a_wait_for_an_event_ends_with_its_time(stage: Stage) -> None:
    """By the run's own clock, here a virtual one."""
    async with serving(MemoryStore(), VirtualClock()) as runtime:
        run_id = await submit(runtime, Patient, 3600.0)
        assert await result(runtime, run_id, Patient) == "TimeoutError: "


async def test_a_run_can_be_cancelled(new_store: NewStore, stage: Stage) -> None:
    """From any process; whoever waits is told."""
    async with serving(new_store(), queues=()) as web, serving(new_store()):
        run_id = await submit(web, Nap, 1e6)
        await web.client.cancel(run_id)
        with pytest.raises(RunCancelled):
            await result(web, run_id, Nap)
