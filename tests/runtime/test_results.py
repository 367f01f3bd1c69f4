"""What a caller gets: results, failures, and word of what cannot go on; on both stores."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.workflows import (
    Chain,
    Crowd,
    Double,
    Fail,
    Hold,
    Large,
    Nap,
    Pure,
    Seen,
    Stage,
    Survive,
    Threaded,
    Unstorable,
    process,
)
from waymark.authoring import Workflow, action, workflow
from waymark.errors import (
    RunFailed,
    RunNotFound,
    RunQuarantined,
    StoppingError,
    ValueEncodeError,
)
from waymark.runtime.clock import VirtualClock
from waymark.runtime.live_run import LiveRun
from waymark.runtime.slow_steps import SlowSteps
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store

pytestmark = pytest.mark.anyio

NewStore = Callable[[], Store]


async def test_a_run_returns_its_result(new_store: NewStore, stage: Stage) -> None:
    """Chains, pure bodies and fan-outs; each action called once, by its own key."""
    async with serving(new_store()) as runtime:
        assert await run(runtime, Double, 3) == 6
        assert await run(runtime, Pure, 3) == 4
        assert await run(runtime, Chain, 1) == 16
        assert await run(runtime, Crowd, 50) == sum(range(50))
    assert stage.calls == {
        "double 3": 1,
        "double 1": 1,
        "double 2": 1,
        "double 4": 1,
        "double 8": 1,
    }
    assert len(set(stage.keys)) == 5


async def test_the_original_exception_comes_out(new_store: NewStore) -> None:
    """Its cause is RunFailed, whose own cause is the author's."""
    async with serving(new_store()) as runtime:
        with pytest.raises(ValueError, match="broken") as caught:
            await run(runtime, Fail, "broken")
        failed = caught.value.__cause__
        assert isinstance(failed, RunFailed)
        assert isinstance(failed.__cause__, KeyError)
        (note,) = failed.__notes__
        assert "workflows.py" in note
        assert "raise ValueError(text)" in note
        run_id = await submit(runtime, Fail, "again")
        with pytest.raises(ValueError, match="again") as caught:
            await result(runtime, run_id)
        assert str(run_id) in str(caught.value.__cause__)


@action
async def look_up(key: str) -> None:
    raise LookupError(key)


@workflow
class Both(Workflow):
    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(look_up("one"))
            group.create_task(look_up("two"))


async def test_a_group_says_where_its_members_were_raised(new_store: NewStore) -> None:
    """Its own traceback leads into asyncio's code only."""
    async with serving(new_store()) as runtime:
        with pytest.raises(ExceptionGroup) as caught:
            await run(runtime, Both)
    assert isinstance(caught.value.__cause__, RunFailed)
    _, *members = caught.value.__cause__.__notes__
    assert len(members) == len(caught.value.exceptions)
    for note in members:
        assert note.startswith("where LookupError was raised:")
        assert "raise LookupError(key)" in note


async def test_a_handle_gives_the_result_again(new_store: NewStore, stage: Stage) -> None:
    """Also after the end, from the database, and as a copy of one's own."""
    async with serving(new_store()) as runtime:
        run_id = await submit(runtime, Double, 4)
        assert await result(runtime, run_id, Double) == 8
        assert await result(runtime, run_id, Double) == 8
        assert await result(runtime, run_id) == 8
        status = await runtime.client.status(run_id)
        assert status.state == "succeeded"
        assert status.finished_at is not None


async def test_a_timeout_leaves_the_run_going(new_store: NewStore, stage: Stage) -> None:
    """Neither it nor a cancelled waiter changes anything about the run."""
    async with serving(new_store()) as runtime:
        run_id = await submit(runtime, Hold, "slow")
        await stage.begun.wait()
        with pytest.raises(TimeoutError, match=r"has not ended after 0\.01 seconds; it goes on"):
            await result(runtime, run_id, Hold, timeout=0.01)
        waiting = asyncio.create_task(result(runtime, run_id, Hold))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        stage.go.set()
        assert await result(runtime, run_id, Hold) == "slow!"
        assert stage.calls["slow"] == 1


async def test_a_cancelled_submission_still_runs(new_store: NewStore, stage: Stage) -> None:
    """A client that disconnects does not take its run along."""
    async with serving(new_store()) as runtime:
        waiting = asyncio.create_task(run(runtime, Hold, "left"))
        await stage.begun.wait()
        waiting.cancel()
        stage.go.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert stage.calls["left"] == 1


async def test_an_unknown_run_is_not_found(new_store: NewStore) -> None:
    """At once, by result and by status; the id is named."""
    async with serving(new_store()) as runtime:
        run_id = uuid4()
        with pytest.raises(RunNotFound, match=str(run_id)):
            await result(runtime, run_id)
        with pytest.raises(RunNotFound, match=str(run_id)):
            await runtime.client.status(run_id)


async def test_who_waits_is_not_overtaken_for_ever(stage: Stage) -> None:
    """Others begin to wait all the time, for runs that have ended, and no hint comes: who waits
    for another process is told all the same."""
    database = MemoryDatabase()
    store = MemoryStore(database)
    store.listen = lambda notice: None  # type: ignore[method-assign]
    async with serving(MemoryStore(database)) as owner, serving(store) as other:
        ended, held = await submit(owner, Double, 1), await submit(owner, Hold, "x")
        await result(owner, ended)
        waits = asyncio.create_task(result(other, held))
        await until(lambda: stage.calls["x"] == 1)
        for turn in itertools.count():
            assert await result(other, ended) == 2
            if turn == 50:
                assert not waits.done()
                stage.go.set()
            if waits.done():
                break
        assert await waits == "x!"


async def test_a_quarantined_run_says_so_at_once(new_store: NewStore, stage: Stage) -> None:
    """Who waits is not left waiting, and learns the reason."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Hold, "q")
        await stage.begun.wait()
        live = runtime._scheduler.runs[run_id]
        waiting = asyncio.create_task(result(runtime, run_id, Hold))
        await asyncio.sleep(0)
        runtime._scheduler.quarantine(live, "a difference was found")
        with pytest.raises(RunQuarantined, match="a difference was found"):
            await waiting
        with pytest.raises(RunQuarantined, match="a difference was found"):
            await result(runtime, run_id, Hold)
        assert (await runtime.client.status(run_id)).state == "quarantined"


async def test_a_result_that_cannot_be_stored_fails_with_its_path(new_store: NewStore) -> None:
    """The action's outcome is the error, with the way to the value."""
    async with serving(new_store()) as runtime:
        with pytest.raises(ValueEncodeError, match=r"result\['users'\]\[1\].*lock"):
            await run(runtime, Unstorable)


async def test_payloads_are_bounded(new_store: NewStore) -> None:
    """A result over the limit is the action's error; arguments over it store nothing."""
    async with serving(new_store(), payload_bytes_max=10_000) as runtime:
        assert await run(runtime, Large, 5_000) == 5_000
        assert await run(runtime, Large, 20_000) == -1
        with pytest.raises(ValueEncodeError, match=r"arguments: is .* more than payload_bytes_max"):
            await submit(runtime, Hold, "x" * 20_000)


async def test_wrong_arguments_store_nothing(stage: Stage) -> None:
    """Python's own wording, before anything reaches the store."""
    store = MemoryStore()
    async with serving(store) as runtime:
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'number'"):
            await submit(runtime, Double)
        assert store.database.runs == {}


async def test_the_author_s_own_cancellation_is_an_outcome(new_store: NewStore) -> None:
    """CancelledError raised by an action is recorded and can be caught."""
    async with serving(new_store()) as runtime:
        assert await run(runtime, Survive) == "survived"


async def test_sync_actions_run_off_the_loop(new_store: NewStore) -> None:
    """On a thread of ours."""
    async with serving(new_store()) as runtime:
        assert await run(runtime, Threaded, 1) == (2, False)


async def test_an_attempt_does_not_see_the_caller_s_context(stage: Stage) -> None:
    """A request's context variables stay with the request: another process might
    run the action. Those set before start() are seen."""
    process.set("set before start")
    async with serving(MemoryStore(), concurrency=1) as runtime:
        process.set("set by a request")

        async def requests() -> None:
            for _ in range(5):
                assert await run(runtime, Seen) == "set before start"

        await asyncio.gather(*[requests() for _ in range(20)])


async def test_a_body_that_computes_long_is_named(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds up the host's loop is told, by workflow and run, and what to do."""
    for module in ("scheduler", "slow_steps"):
        monkeypatch.setattr(f"waymark.runtime.{module}.SLOW_SECONDS", -1.0)
    async with serving(MemoryStore()) as runtime:
        await run(runtime, Pure, 1)
    assert "while the body of tests.runtime.workflows:Pure computed" in caplog.text
    assert "@action" in caplog.text


def test_a_body_is_not_blamed_for_the_collector(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many objects in memory a full collection takes longer than any body: a step that
    it falls into is named for its own time only."""
    readings = itertools.count()
    monkeypatch.setattr("waymark.runtime.slow_steps.perf_counter", lambda: 1.0 * next(readings))
    callbacks = list(gc.callbacks)
    steps, live = SlowSteps(), LiveRun(uuid4(), "Pure", 1, 0, None)
    enabled = gc.isenabled()
    gc.disable()
    try:
        with steps.watching():
            gc.collect()  # Reads 0 and 1, so it took a second.
    finally:
        if enabled:
            gc.enable()
    assert gc.callbacks == callbacks
    steps.name(live, 0.98)  # It is 2: a step of 1.02 s, one of which is the collector's.
    assert not caplog.records
    steps.name(live, 1.9)  # It is 3, and the collector had done by then.
    assert "stood still for 1100 ms while the body of Pure computed" in caplog.text


async def test_the_host_is_told_once_of_the_collector(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause longer than any step of ours may take, and what makes it rare; from the loop,
    since the collector may have interrupted whoever writes the log."""
    readings = itertools.count()
    monkeypatch.setattr("waymark.runtime.slow_steps.perf_counter", lambda: 1.0 * next(readings))
    monkeypatch.setattr(SlowSteps, "told", False)
    steps = SlowSteps()
    for tell in (False, True):
        with steps.watching(tell=tell):
            gc.collect()
            gc.collect()
            assert not caplog.records
            await asyncio.sleep(0)
    (record,) = caplog.records
    assert "1000 ms while Python collected garbage" in record.getMessage()
    assert "tune_gc=True" in record.getMessage()


async def test_attempts_are_limited_per_process(stage: Stage) -> None:
    """A fan-out of any width runs no more attempts at once than there are slots."""
    async with serving(MemoryStore(), concurrency=3) as runtime:
        assert await run(runtime, Crowd, 40) == sum(range(40))
    assert stage.busy_most == 3


async def test_virtual_time_jumps_only_while_somebody_waits(stage: Stage) -> None:
    """An hour takes no time when the run is waited for, and does not pass before."""
    clock = VirtualClock(now_ns=1)
    async with serving(MemoryStore(), clock) as runtime:
        run_id = await submit(runtime, Nap, 3600.0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.now_ns() == 1
        assert await result(runtime, run_id, Nap) == 14
        assert clock.now_ns() == 3_600_000_000_001


async def test_virtual_time_stands_while_an_action_runs(stage: Stage) -> None:
    """What can still move is waited for."""
    clock = VirtualClock(now_ns=1)
    async with serving(MemoryStore(), clock) as runtime:
        napping = asyncio.create_task(run(runtime, Nap, 60.0))
        holding = asyncio.create_task(run(runtime, Hold, "busy"))
        await stage.begun.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.now_ns() == 1
        stage.go.set()
        assert await holding == "busy!"
        assert await napping == 14


async def test_who_waits_at_the_end_is_told(new_store: NewStore, stage: Stage) -> None:
    """stop() leaves nobody hanging: the run goes on elsewhere."""
    runtime, ownership = await begin(new_store(), drain_seconds=0.0)
    waiting = asyncio.create_task(run(runtime, Hold, "w"))
    await stage.begun.wait()
    await ownership.end()
    with pytest.raises(StoppingError, match="goes on elsewhere"):
        await waiting
