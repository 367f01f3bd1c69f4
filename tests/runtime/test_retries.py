"""Attempts: as many as the policy says, none counted twice or forgotten, whatever dies."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.stores import DyingStore
from tests.runtime.workflows import Double, Stage, current
from waymark import ActionTimeout, RetryPolicy
from waymark.authoring import ActionContext, Workflow, action, context, workflow
from waymark.runtime.clock import VirtualClock
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind

pytestmark = pytest.mark.anyio

NewStore = Callable[[], Store]

#: Contexts of all attempts, in order.
seen: list[ActionContext] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


class Unlucky(Exception):
    pass


@action(retry=RetryPolicy(attempts=4, backoff_seconds=0, exception_types=[Unlucky]))
async def flaky(failures: int) -> int:
    seen.append(context())
    if context().attempt <= failures:
        raise Unlucky(f"attempt {context().attempt}")
    return context().attempt


@action
async def late(seconds: float) -> str:
    seen.append(context())
    await asyncio.sleep(seconds)
    return "in time"


@action
def late_in_thread(attempts: int) -> str:
    stage = current[-1]
    stage.calls["begun"] += 1
    stage.calls["busiest"] = max(
        stage.calls["busiest"], stage.calls["begun"] - stage.calls["ended"]
    )
    if stage.calls["begun"] < max(attempts, 2):
        gate.wait()
    stage.calls["ended"] += 1
    return "in time"


gate = threading.Event()


@workflow
class Flaky(Workflow):
    async def run(self, failures: int) -> int:
        return await flaky(failures)


@workflow
class FlakyFanOut(Workflow):
    async def run(self, width: int) -> list[int]:
        calls = [flaky(number % 4) for number in range(width)]
        return await asyncio.gather(*[self.run_action(call) for call in calls])


@workflow
class Patient(Workflow):
    async def run(self, failures: int, pause: float, attempts: int) -> int:
        policy = RetryPolicy(attempts=attempts, backoff_seconds=pause, max_backoff_seconds=1e6)
        return await self.run_action(flaky(failures), retry=policy)


@workflow
class Late(Workflow):
    async def run(self, seconds: float, limit: float) -> Any:
        try:
            return await self.run_action(late(seconds), timeout=limit)
        except ActionTimeout as error:
            return error.attempt, error.seconds


@workflow
class LateInThread(Workflow):
    async def run(self, attempts: int) -> Any:
        policy = RetryPolicy(attempts=1)
        if attempts > 1:
            policy = RetryPolicy(attempts=attempts, backoff_seconds=0)
        return await self.run_action(late_in_thread(attempts), retry=policy, timeout=0.02)


@workflow
class LateInTotal(Workflow):
    async def run(self) -> Any:
        policy = RetryPolicy(attempts=9, backoff_seconds=0)
        return await self.run_action(
            late_in_thread(1), retry=policy, timeout=0.02, total_timeout=0.1
        )


HOURLY = RetryPolicy(attempts=9, backoff_seconds=3600, max_backoff_seconds=3600)


@workflow
class Impatient(Workflow):
    """Ends while an attempt pauses."""

    async def run(self) -> str:
        try:
            await asyncio.gather(self.patient(), self.broken())
        except ValueError as error:
            return str(error)
        return "not raised"

    async def patient(self) -> None:
        await self.run_action(flaky(9), retry=HOURLY)

    async def broken(self) -> None:
        await late(0.0)
        raise ValueError("broken")


async def test_a_call_is_tried_as_often_as_its_policy_says(new_store: NewStore) -> None:
    """Under one key; the failures stand in the journal, with the line that raised them; the
    last outcome is the call's."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Flaky, 2)
        assert await result(runtime, run_id, Flaky) == 3
        with pytest.raises(Unlucky, match="attempt 4"):
            await run(runtime, Flaky, 4)
        rows = (await store.read_journal([run_id]))[run_id]
    assert [row.kind for row in rows] == [EntryKind.ATTEMPT, EntryKind.ATTEMPT, EntryKind.RESULT]
    assert [json.loads(row.payload)[0] for row in rows[:2]] == [1, 2]
    for number, row in enumerate(rows[:2], 1):
        assert f"attempt {number}" in row.payload.decode()
        assert "test_retries.py" in row.payload.decode()
        assert "raise Unlucky(" in row.payload.decode()
    assert [each.attempt for each in seen[:3]] == [1, 2, 3]
    assert len({each.idempotency_key for each in seen[:3]}) == 1
    assert {each.deadline for each in seen} == {None}


async def test_other_failures_are_outcomes_at_once(new_store: NewStore) -> None:
    """Those that the policy does not name."""
    async with serving(new_store()) as runtime:
        with pytest.raises(TypeError):
            await run(runtime, Flaky, "x")
    assert len(seen) == 1


async def test_a_fan_out_of_calls_with_retries(new_store: NewStore) -> None:
    """Each has attempts of its own."""
    async with serving(new_store(), concurrency=3) as runtime:
        assert await run(runtime, FlakyFanOut, 40) == [1, 2, 3, 4] * 10
    assert len(seen) == 100


async def test_pauses_pass_on_the_run_s_clock() -> None:
    """A pause of hours is a timer: no slot is held, and virtual time jumps over it."""
    clock = VirtualClock(now_ns=1)
    async with serving(MemoryStore(), clock, concurrency=1) as runtime:
        assert await run(runtime, Patient, 3, 3600.0, 9) == 4
        assert clock.now_ns() == 1 + 7 * 3600 * 10**9


async def test_no_crash_forgets_an_attempt(new_store: NewStore) -> None:
    """Attempts that failed before it count after it, and the pause goes on where it was."""
    runtime, ownership = await begin(new_store(), drain_seconds=0.0)
    run_id = await submit(runtime, Patient, 2, 0.3, 3)
    store = new_store()
    await store.open()
    while not await store.read_journal([run_id]):  # noqa: ASYNC110  # the store tells nobody
        await asyncio.sleep(0.001)
    await ownership.end()
    async with serving(new_store()) as other:
        assert await result(other, run_id, Patient) == 3
    assert [each.attempt for each in seen] == [1, 2, 3]
    rows = (await store.read_journal([run_id]))[run_id]
    await store.close()
    attempts = [json.loads(row.payload) for row in rows if row.kind == EntryKind.ATTEMPT]
    assert [each[0] for each in attempts] == [1, 2]
    ended = [row.at_ns for row in rows if row.kind != EntryKind.CLAIM]
    assert ended[1] >= attempts[0][1]
    assert ended[2] >= attempts[1][1]


async def test_a_crash_after_each_flush_makes_no_attempt_twice() -> None:
    """Each is counted once, and the call has one outcome."""
    for flushes in range(1, 6):
        database = MemoryDatabase()
        store = DyingStore(database, flushes)
        runtime, ownership = await begin(store)
        waiting = asyncio.create_task(submit(runtime, Flaky, 3))
        await store.dead.wait()
        waiting.cancel()
        await ownership.abandon()
        (run_id,) = database.runs
        async with serving(MemoryStore(database)) as other:
            assert await result(other, run_id, Flaky) == 4, f"after flush {flushes}"
        check_attempts(database, run_id, 3)


def check_attempts(database: MemoryDatabase, run_id: UUID, failures: int) -> None:
    rows = [database.journal[run_id][seq] for seq in sorted(database.journal[run_id])]
    attempts = [json.loads(row.payload)[0] for row in rows if row.kind == EntryKind.ATTEMPT]
    assert attempts == list(range(1, failures + 1))
    assert sum(row.kind == EntryKind.RESULT for row in rows) == 1


async def test_an_attempt_may_take_so_long(new_store: NewStore) -> None:
    """Its action knows its deadline; one that is late fails with ActionTimeout."""
    async with serving(new_store()) as runtime:
        assert await run(runtime, Late, 30.0, 0.02) == (1, 0.02)
        before = datetime.now(UTC)
        assert await run(runtime, Late, 0.0, 30.0) == "in time"
    deadline = seen[-1].deadline
    assert deadline is not None
    assert before < deadline - timedelta(seconds=29) < datetime.now(UTC) + timedelta(seconds=1)


async def test_the_next_attempt_waits_for_a_thread_that_is_late(stage: Stage) -> None:
    """It cannot be stopped, so it keeps its slot; two attempts never work at once."""
    gate.clear()
    async with serving(MemoryStore(), concurrency=5) as runtime:
        waiting = asyncio.create_task(run(runtime, LateInThread, 2))
        await until(lambda: stage.calls["begun"] == 1)
        await asyncio.sleep(0.05)
        # While this process asks for work of others, it keeps what is free for that.
        await until(lambda: runtime._executor.free_slots != 0)
        assert runtime._executor.free_slots == 4
        gate.set()
        assert await waiting == "in time"
        assert stage.calls["busiest"] == 1
        assert runtime._executor.threads.abandoned == 0


async def test_a_thread_that_hangs_is_waited_for_no_longer_than_that(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit is there for what hangs: the next attempt begins, in another slot."""
    monkeypatch.setattr("waymark.runtime.time_limit.THREAD_SECONDS", 0.02)
    gate.clear()
    async with serving(MemoryStore(), concurrency=5) as runtime:
        assert await run(runtime, LateInThread, 2) == "in time"
        assert stage.calls["busiest"] == 2
        gate.set()
        await until(lambda: runtime._executor.free_slots == 5)


async def test_the_total_ends_a_call_whose_thread_hangs(stage: Stage) -> None:
    """Nobody waits for a thread beyond the time that all attempts have."""
    gate.clear()
    async with serving(MemoryStore(), concurrency=5) as runtime:
        with pytest.raises(ActionTimeout, match=r"attempt 1 .* longer than 0.02 seconds"):
            await run(runtime, LateInTotal)
        gate.set()
        await until(lambda: runtime._executor.free_slots == 5)


async def test_a_thread_that_is_late_for_good_keeps_its_slot(stage: Stage) -> None:
    """Nobody waits for it any more, and no other call gets its place."""
    gate.clear()
    async with serving(MemoryStore(), concurrency=5) as runtime:
        with pytest.raises(ActionTimeout):
            await run(runtime, LateInThread, 1)
        gate.set()
        await until(lambda: runtime._executor.free_slots == 5)


async def test_a_run_may_end_while_an_attempt_pauses(new_store: NewStore) -> None:
    """The call is cancelled, and its timer is no more."""
    async with serving(new_store()) as runtime:
        assert await run(runtime, Impatient) == "broken"
        assert not runtime._scheduler.runs
    assert len([each for each in seen if each.action.endswith("flaky")]) == 1


@action(retry=RetryPolicy(attempts=3, backoff_seconds=0))
async def fails_when_interrupted() -> None:
    stage = current[-1]
    stage.begun.set()
    try:
        await stage.go.wait()
    except asyncio.CancelledError:
        raise Unlucky("its clean-up failed") from None


@workflow
class FailsWhenInterrupted(Workflow):
    async def run(self) -> None:
        await fails_when_interrupted()


async def test_the_slot_of_an_attempt_whose_run_was_taken_is_not_lost(stage: Stage) -> None:
    """It would be tried again, were its run still ours; whoever waits for its slot is
    told all the same."""
    async with serving(MemoryStore(), concurrency=1) as runtime:
        taken = await submit(runtime, FailsWhenInterrupted)
        await stage.begun.wait()
        waiting = asyncio.create_task(run(runtime, Double, 4))
        await until(lambda: bool(runtime._executor.ready))
        runtime._scheduler.forget(runtime._scheduler.runs[taken])
        async with asyncio.timeout(10):
            assert await waiting == 8
