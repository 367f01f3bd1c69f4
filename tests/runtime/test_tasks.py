"""Work of one run in several processes: who makes which attempt, and what becomes of it
when one of them leaves, dies, or is not there at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.workflows import Crowd, Stage, current, process
from waymark import (
    INJECTED,
    Depends,
    RetryPolicy,
    RunNotFound,
    RunQuarantined,
    Workflow,
    action,
    workflow,
)
from waymark.authoring import context
from waymark.runtime.clock import VirtualClock
from waymark.runtime.guests import LOST_MAX
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import EntryKind, RunState
from waymark.store.tasks import TaskOffer

pytestmark = pytest.mark.anyio

#: How many must have begun before any of `meet` ends.
PARTY = 4


@action
async def meet(number: int) -> tuple[int, str]:
    stage = current[-1]
    stage.busy += 1
    if stage.busy >= PARTY:
        stage.go.set()
    await stage.go.wait()
    return number, process.get()


def device() -> str:
    return f"device of {process.get()}"


@action(queue="gpu")
async def render(name: str, where: Annotated[str, Depends(device)] = INJECTED) -> list[str]:
    here = context()
    current[-1].calls[name] += 1
    assert here.action.endswith(":render")
    return [name, where, here.idempotency_key.partition(":")[2], here.workflow.partition(":")[2]]


@action(queue="gpu")
async def stumble(succeeds_at: int) -> int:
    current[-1].calls[f"stumble {context().attempt} {process.get()}"] += 1
    if context().attempt < succeeds_at:
        raise OSError(f"attempt {context().attempt}")
    return context().attempt


@action(queue="gpu")
async def stay(name: str) -> str:
    stage = current[-1]
    stage.calls[name] += 1
    stage.begun.set()
    try:
        await stage.go.wait()
    except asyncio.CancelledError:
        stage.calls["cancelled"] += 1
        raise
    return name


@action(queue="gpu")
async def misplaced() -> None:
    raise ValueError("as it was raised")


@workflow
class Party(Workflow):
    async def run(self, width: int) -> list[tuple[int, str]]:
        return await asyncio.gather(*[meet(number) for number in range(width)])


@workflow
class Render(Workflow):
    async def run(self, name: str) -> list[str]:
        return await render(name)


@workflow
class Stumble(Workflow):
    async def run(self, succeeds_at: int) -> int:
        policy = RetryPolicy(attempts=3, exception_types=[OSError], backoff_seconds=0.01)
        return await self.run_action(stumble(succeeds_at), retry=policy, timeout=60)


@workflow
class Stay(Workflow):
    async def run(self, name: str) -> str:
        return await stay(name)


@workflow
class StayShortly(Workflow):
    async def run(self, name: str) -> str:
        try:
            async with asyncio.timeout(0.2):
                return await stay(name)
        except TimeoutError:
            return "too late"


@workflow
class Misplaced(Workflow):
    async def run(self) -> None:
        await misplaced()


def named(name: str) -> None:
    """What is started from now on in this test's context bears this name."""
    process.set(name)


async def test_one_process_alone_writes_no_row() -> None:
    """However much waits for its slots, and however often it looks."""

    class Counting(MemoryStore):
        offers = 0

    store, stage = Counting(), Stage()
    offer = store.tasks.offer

    async def count(worker: UUID, offers: Any, count_max: int) -> tuple[int, list[UUID]]:
        Counting.offers += 1
        return await offer(worker, offers, count_max)

    store.tasks.offer = count  # type: ignore[method-assign]
    current.append(stage)
    async with serving(store, concurrency=2) as alone:
        for _ in range(3):
            assert await run(alone, Crowd, 300) == sum(range(300))
    current.remove(stage)
    assert Counting.offers == 0


async def test_a_fan_out_overflows_to_who_has_slots(
    stage: Stage, new_store: Callable[[], Store]
) -> None:
    """Two processes with two slots each: four attempts have to run at once."""
    named("owner")
    async with serving(new_store(), concurrency=2) as owner:
        named("helper")
        async with serving(new_store(), concurrency=2):
            found = await run(owner, Party, 40)
    assert [number for number, _ in found] == list(range(40))
    assert {where for _, where in found} == {"owner", "helper"}
    assert stage.busy == 40  # Nobody made an attempt that another made.


async def test_nothing_is_left_behind(stage: Stage) -> None:
    """Once the run has ended its rows are gone."""
    database = MemoryDatabase()
    async with (
        serving(MemoryStore(database), concurrency=2) as owner,
        serving(MemoryStore(database), concurrency=2),
    ):
        await run(owner, Party, 40)
        await until(lambda: not database.tasks)


async def test_an_action_runs_where_its_queue_is_served(
    stage: Stage, new_store: Callable[[], Store]
) -> None:
    """With that process's dependencies, and the same context as anywhere."""
    named("web")
    async with serving(new_store(), queues=("default",)) as web:
        named("gpu")
        async with serving(new_store(), queues=("gpu",)):
            assert await run(web, Render, "a") == ["a", "device of gpu", "0", "Render"]
    assert stage.calls["a"] == 1


async def test_who_serves_both_needs_nobody(stage: Stage) -> None:
    """The call is made in the owner's own process, without a row."""
    named("both")
    async with serving(MemoryStore(), queues=("default", "gpu")) as both:
        found = await run(both, Render, "a")
        assert found[1] == "device of both"


async def test_where_time_is_virtual_every_queue_is_served(stage: Stage) -> None:
    """A user's test starts nothing, and is not to wait for machines that it has not."""
    named("test")
    async with serving(MemoryStore(), VirtualClock()) as runtime:
        assert (await run(runtime, Render, "a"))[1] == "device of test"


async def test_failures_count_across_processes(
    stage: Stage, new_store: Callable[[], Store]
) -> None:
    """Each failed attempt is recorded once by the owner, and the policy of the call holds."""
    named("web")
    async with serving(new_store(), queues=("default",)) as web:
        named("gpu")
        async with serving(new_store(), queues=("gpu",)):
            run_id = await submit(web, Stumble, 3)
            assert await result(web, run_id) == 3
            with pytest.raises(OSError, match="attempt 3"):
                await run(web, Stumble, 9)
        journal = (await web._backing.store.read_journal([run_id]))[run_id]
    kinds = [entry.kind for entry in journal]
    assert kinds == [EntryKind.ATTEMPT, EntryKind.ATTEMPT, EntryKind.RESULT]
    assert [stage.calls[f"stumble {n} gpu"] for n in (1, 2, 3, 4)] == [2, 2, 2, 0]


async def test_an_error_is_the_callers(stage: Stage) -> None:
    """It comes back as what it was."""
    database = MemoryDatabase()
    async with (
        serving(MemoryStore(database)) as web,
        serving(MemoryStore(database), queues=("gpu",)),
    ):
        with pytest.raises(ValueError, match="as it was raised"):
            await run(web, Misplaced)


async def test_a_queue_that_nobody_serves_is_named(
    stage: Stage, new_store: Callable[[], Store], caplog: pytest.LogCaptureFixture
) -> None:
    """The run waits, says why, and goes on when somebody serves the queue."""
    caplog.set_level(logging.WARNING, "waymark")
    async with serving(new_store()) as web:
        run_id = await submit(web, Render, "a")
        status = await web.client.status(run_id)
        while status.state != "blocked":
            status = await web.client.status(run_id)
        assert status.reason == (
            "tests.runtime.test_tasks:render: no live process serves the queue 'gpu'; start one"
            " with `waymark worker --queues gpu <module>` or waymark.start(queues=...)"
        )
        async with serving(new_store(), queues=("gpu",)):
            assert (await result(web, run_id))[0] == "a"
        status = await web.client.status(run_id)
        assert (status.state, status.reason) == ("succeeded", None)
    said = [record.message for record in caplog.records]
    assert len([text for text in said if "no live process serves the queue 'gpu'" in text]) == 1


async def test_a_run_that_goes_on_is_not_blocked_any_more(stage: Stage) -> None:
    """Before its call has ended, too."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Stay, "a")
        await until(lambda: database.runs[run_id].state == RunState.BLOCKED)
        async with serving(MemoryStore(database), queues=("gpu",)):
            await until(lambda: database.runs[run_id].state == RunState.RUNNING)
            assert database.runs[run_id].reason is None
            stage.go.set()
            assert await result(web, run_id) == "a"


async def test_a_call_that_is_cancelled_is_cancelled_elsewhere(
    stage: Stage, new_store: Callable[[], Store]
) -> None:
    """Its run goes on without waiting for that."""
    async with serving(new_store()) as web, serving(new_store(), queues=("gpu",)):
        assert await run(web, StayShortly, "a") == "too late"
        await until(lambda: stage.calls["cancelled"] == 1)


async def test_an_owner_that_leaves_takes_nothing_along(stage: Stage) -> None:
    """The attempt goes on elsewhere; the next owner waits for it instead of another."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database), queues=("gpu",)):
        first, ownership = await begin(MemoryStore(database), drain_seconds=0.0)
        run_id = await submit(first, Stay, "a")
        await stage.begun.wait()
        await ownership.end()
        async with serving(MemoryStore(database)) as second:
            await until(lambda: database.runs[run_id].owner == second.worker)
            stage.go.set()
            assert await result(second, run_id) == "a"
            await until(lambda: not database.tasks)
    assert stage.calls["a"] == 1
    assert "cancelled" not in stage.calls


async def test_an_outcome_waits_for_the_next_owner(stage: Stage) -> None:
    """It came when nobody owned the run."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database), queues=("gpu",)):
        first, ownership = await begin(MemoryStore(database), drain_seconds=0.0)
        run_id = await submit(first, Stay, "a")
        await stage.begun.wait()
        await ownership.end()
        stage.go.set()
        await until(lambda: database.tasks[run_id, 0].verdict is not None)
        async with serving(MemoryStore(database)) as second:
            assert await result(second, run_id) == "a"
    assert stage.calls["a"] == 1


async def test_a_claimer_that_leaves_gives_back(stage: Stage) -> None:
    """At once, and that counts as nobody's death."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        _, ownership = await begin(MemoryStore(database), queues=("gpu",), drain_seconds=0.0)
        run_id = await submit(web, Stay, "a")
        await stage.begun.wait()
        await ownership.end()
        task = database.tasks[run_id, 0]
        assert (task.claimer, task.lost, task.verdict) == (None, 0, None)
        stage.go.set()
        async with serving(MemoryStore(database), queues=("gpu",)):
            assert await result(web, run_id) == "a"
    assert stage.calls["a"] == 2


async def test_a_claimer_that_drains_ends_what_it_has(stage: Stage) -> None:
    """And its outcome is written before it is gone."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        _, ownership = await begin(MemoryStore(database), queues=("gpu",), drain_seconds=60.0)
        run_id = await submit(web, Stay, "a")
        await stage.begun.wait()
        ending = asyncio.create_task(ownership.end())
        await asyncio.sleep(0)
        stage.go.set()
        await ending
        assert await result(web, run_id) == "a"
    assert stage.calls["a"] == 1


async def test_a_claimer_that_was_declared_dead_stops(stage: Stage) -> None:
    """Its attempt is cancelled, and another's counts."""
    database = MemoryDatabase()
    async with (
        serving(MemoryStore(database)) as web,
        serving(MemoryStore(database), queues=("gpu",), lease_seconds=1.0) as first,
    ):
        run_id = await submit(web, Stay, "a")
        await stage.begun.wait()
        stage.begun.clear()
        database.workers.pop(first.worker)
        await stage.begun.wait()  # By whoever was first: itself under a new name.
        await until(lambda: stage.calls["cancelled"] == 1)
        stage.go.set()
        assert await result(web, run_id) == "a"
    assert stage.calls["a"] == 2


async def test_what_kills_its_claimers_is_quarantined(stage: Stage) -> None:
    """The reason says which call of which action it was."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Stay, "a")
        await until(lambda: (run_id, 0) in database.tasks)
        database.tasks[run_id, 0].lost = LOST_MAX
        with pytest.raises(RunQuarantined, match=r"15 processes died .* attempt 1 of .*:stay"):
            await result(web, run_id)


async def test_a_row_that_is_gone_is_offered_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody deleted it by hand."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Render, "a")
        await until(lambda: (run_id, 0) in database.tasks)
        await until(lambda: database.runs[run_id].state == RunState.BLOCKED)
        del database.tasks[run_id, 0]
        await until(lambda: (run_id, 0) in database.tasks)
        async with serving(MemoryStore(database), queues=("gpu",)):
            assert (await result(web, run_id))[0] == "a"
    assert "was lost and is made again" in caplog.text


async def test_a_run_that_comes_back_while_it_is_offered_is_offered_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken from this process, and claimed again, while the offer was under way."""
    database = MemoryDatabase()
    store = MemoryStore(database)
    gate, asked, offer = asyncio.Event(), list[Any](), store.tasks.offer

    async def slow(worker: UUID, offers: Any, count_max: int) -> tuple[int, list[UUID]]:
        if offers:
            asked.append(offers)
            await gate.wait()
        return await offer(worker, offers, count_max)

    monkeypatch.setattr(store.tasks, "offer", slow)
    async with serving(store) as web:
        run_id = await submit(web, Render, "a")
        await until(lambda: bool(asked))
        before = web._scheduler.runs[run_id]
        web._scheduler.refused(before)
        await MemoryStore(database).free_runs(web.worker, [run_id])
        web._scheduler.look()
        await until(lambda: len(web._tasks.offers._waiting) == 2)
        gate.set()
        async with serving(MemoryStore(database), queues=("gpu",)):
            assert (await result(web, run_id))[0] == "a"


async def test_a_run_that_the_database_lost_is_given_up(stage: Stage) -> None:
    """Together with its rows, in a failover: who waits for it is told."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Render, "a")
        await until(lambda: (run_id, 0) in database.tasks)
        waiting = asyncio.create_task(result(web, run_id))
        await asyncio.sleep(0)
        del database.tasks[run_id, 0], database.runs[run_id], database.live[run_id]
        with pytest.raises(RunNotFound):
            await waiting


async def test_a_row_that_nobody_explains_is_cleared_away(stage: Stage) -> None:
    """Of a run that has ended, or of a call that is over: an offer came late."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Stay, "a")
        await until(lambda: (run_id, 0) in database.tasks)
        late = TaskOffer(run_id, 1, 7, 1, "w", "a:b", "gpu", b"", b"")
        await MemoryStore(database).tasks.offer(web.worker, [late], 1)
        await until(lambda: (run_id, 7) not in database.tasks)
        assert (run_id, 0) in database.tasks


async def test_arguments_that_do_not_fit_are_left_to_others(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Other code recorded them; here they must not become the call's failure."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Render, "a")
        await until(lambda: (run_id, 0) in database.tasks)
        task = database.tasks[run_id, 0]
        fitting = task.offer
        task.offer = fitting._replace(arguments=b'{"nome":"a"}')
        async with serving(MemoryStore(database), queues=("gpu",)):
            await until(lambda: "does not fit the code of this process" in caplog.text)
            assert task.verdict is None
            await until(lambda: task.claimer is None)
        task.offer = fitting
        async with serving(MemoryStore(database), queues=("gpu",)):
            assert (await result(web, run_id))[0] == "a"


async def test_a_row_edited_by_hand_runs_no_other_code(stage: Stage) -> None:
    """A name that is not registered is claimed by nobody."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Render, "a")
        await until(lambda: (run_id, 0) in database.tasks)
        task = database.tasks[run_id, 0]
        task.offer = task.offer._replace(action="os:system", arguments=b'{"command":"true"}')
        async with serving(MemoryStore(database), queues=("gpu",)) as helper:
            for _ in range(3):
                await helper._tasks.guests.turn(helper.worker)
            assert (task.claimer, task.claim) == (None, 0)


async def test_claims_that_got_lost_on_the_way_are_given_back(stage: Stage) -> None:
    """The store has taken a row for a process that was never told."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as web:
        run_id = await submit(web, Render, "a")
        await until(lambda: (run_id, 0) in database.tasks)
        async with serving(MemoryStore(database), queues=("other",)) as helper:
            store = MemoryStore(database)
            names = ["tests.runtime.test_tasks:render"]
            claimed, _ = await store.tasks.claim(helper.worker, names, ["gpu"], 1, 10)
            assert len(claimed) == 1
            await until(lambda: database.tasks[run_id, 0].claimer is None)
        async with serving(MemoryStore(database), queues=("gpu",)):
            assert (await result(web, run_id))[0] == "a"
