"""What attempts say of themselves: heartbeats, progress, limits over all attempts."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.workflows import Stage, current
from tests.store.rows import batch, owned_run
from waymark import ActionTimeout, RetryPolicy, ValueEncodeError
from waymark.authoring import Workflow, action, context, workflow
from waymark.runtime import reports
from waymark.runtime.clock import VirtualClock, WallClock
from waymark.runtime.live_run import LiveRun
from waymark.runtime.report import Report
from waymark.runtime.runtime import Runtime
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store
from waymark.store.records import AttemptRow, EntryKind, JournalRow

pytestmark = pytest.mark.anyio

NewStore = Callable[[], Store]

#: Progress as each attempt found it.
found: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found.clear()
    monkeypatch.setattr(reports, "WRITE_SECONDS", 0.01)


ONCE_MORE = RetryPolicy(attempts=3, backoff_seconds=0)


@action(retry=ONCE_MORE)
async def copies(parts: int) -> int:
    """Copies one part in each attempt."""
    here = context()
    found.append(here.progress)
    done: list[int] = (here.progress or {"done": []})["done"]
    here.heartbeat({"done": [*done, here.attempt]})
    if len(done) + 1 < parts:
        raise ConnectionError(f"stopped after {len(done)}")
    return len(done) + 1


@action(retry=RetryPolicy(attempts=100, backoff_seconds=0))
async def mounts(parts: int) -> list[int]:
    """One part in each attempt, and waits with the last."""
    here = context()
    done: list[int] = here.progress or []
    here.heartbeat([*done, len(done)])
    if len(done) + 1 == parts:
        current[-1].begun.set()
        await current[-1].go.wait()
    if len(done) + 1 < parts:
        raise ConnectionError(f"stopped after {len(done)}")
    return (here.progress or [])[:parts]


@workflow
class Mounting(Workflow):
    async def run(self, parts: int) -> list[int]:
        return await mounts(parts)


@action(retry=ONCE_MORE)
async def copies_until_told() -> list[Any]:
    here = context()
    stage = current[-1]
    found.append(here.progress)
    if here.progress is None:
        here.heartbeat([1])
        here.heartbeat([1, 2])
        stage.begun.set()
        await stage.go.wait()
    progress: list[Any] = here.progress
    return progress


@action(heartbeat_timeout=0.05, retry=RetryPolicy(attempts=2, backoff_seconds=0))
async def falls_silent(beats: int) -> str:
    for _ in range(beats):
        context().heartbeat()
        await asyncio.sleep(0.01)
    if context().attempt == 1:
        await asyncio.sleep(30)
    return f"attempt {context().attempt}"


@action(heartbeat_timeout=0.1)
def beats_in_thread(beats: int) -> str:
    pause = threading.Event()
    for number in range(beats):
        context().heartbeat(number)
        pause.wait(0.02)
    return f"{context().progress}"


@action(heartbeat_timeout=0.02)
def silent_thread() -> None:
    stage = current[-1]
    while not stage.calls["gate"]:
        threading.Event().wait(0.005)
    try:
        context().heartbeat()
    except asyncio.CancelledError:
        stage.calls["told"] += 1
        raise


@action(total_timeout=0.3, retry=RetryPolicy(attempts=9, backoff_seconds=0))
async def always_late() -> None:
    found.append(context().attempt)
    await asyncio.sleep(0.12)
    raise ConnectionError(f"attempt {context().attempt}")


@action
async def refused() -> None:
    found.append(context().attempt)
    raise ConnectionError(f"attempt {context().attempt}")


@action
async def gate() -> None:
    stage = current[-1]
    found.append(context().attempt)
    stage.begun.set()
    await stage.go.wait()


@action
async def tells_too_much(size: int) -> None:
    context().heartbeat("x" * size)


@action
async def tells_the_untellable() -> None:
    context().heartbeat(threading.Lock())


@workflow
class Copies(Workflow):
    async def run(self, parts: int) -> int:
        return await copies(parts)


@workflow
class CopiesUntilTold(Workflow):
    async def run(self) -> list[Any]:
        return await copies_until_told()


@workflow
class FallsSilent(Workflow):
    async def run(self, beats: int) -> str:
        return await falls_silent(beats)


@workflow
class BeatsInThread(Workflow):
    async def run(self, beats: int) -> str:
        return await beats_in_thread(beats)


@workflow
class SilentThread(Workflow):
    async def run(self) -> None:
        await silent_thread()


@workflow
class AlwaysLate(Workflow):
    async def run(self) -> str:
        try:
            await always_late()
        except ActionTimeout as error:
            return f"{error.limit}: {error}"
        return "not late"


@workflow
class Refused(Workflow):
    async def run(self, pause: float, total: float) -> None:
        policy = RetryPolicy(
            attempts=99, backoff_seconds=pause, backoff_multiplier=1, max_backoff_seconds=1e6
        )
        await self.run_action(refused(), retry=policy, total_timeout=total)


@workflow
class Gated(Workflow):
    async def run(self, total: float) -> None:
        await self.run_action(gate(), total_timeout=total)


@workflow
class TellsTooMuch(Workflow):
    async def run(self, size: int) -> None:
        await tells_too_much(size)


@workflow
class TellsTheUntellable(Workflow):
    async def run(self) -> None:
        await tells_the_untellable()


async def kept(store: Store, run_id: UUID) -> list[AttemptRow]:
    return await store.read_attempts([run_id])


async def test_the_next_attempt_finds_the_progress(new_store: NewStore) -> None:
    """At once, without a row, and the journal has it."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, Copies, 3)
        assert await result(runtime, run_id, Copies) == 3
        rows = (await store.read_journal([run_id]))[run_id]
    assert found == [None, {"done": [1]}, {"done": [1, 2]}]
    failed = [json.loads(row.payload) for row in rows if row.kind == EntryKind.ATTEMPT]
    assert [each[4]["progress"] for each in failed] == [{"done": [1]}, {"done": [1, 2]}]
    assert {each[3] for each in failed} == {f"{__name__}:copies"}


async def test_progress_survives_a_crash(new_store: NewStore, stage: Stage) -> None:
    """And its row goes when the call is over."""
    store = new_store()
    runtime, ownership = await begin(store)
    run_id = await submit(runtime, CopiesUntilTold)
    await stage.begun.wait()
    looker = new_store()
    await looker.open()
    while [row.progress for row in await kept(looker, run_id)] != [b"[1,2]"]:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await ownership.abandon()
    await looker.remove_worker(runtime.worker)
    async with serving(new_store()) as other:
        assert await result(other, run_id, CopiesUntilTold) == [1, 2]
        while await kept(looker, run_id):  # noqa: ASYNC110  # the store tells nobody
            await asyncio.sleep(0.001)
    await looker.close()
    assert found == [None, [1, 2]]


class Unwritable(MemoryStore):
    """Reports of attempts cannot be written until the door opens."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.door = asyncio.Event()

    async def write_attempts(self, worker: UUID, rows: Sequence[AttemptRow]) -> None:
        await self.door.wait()
        await super().write_attempts(worker, rows)


@pytest.mark.parametrize("written", [False, True])
async def test_a_snapshot_forgets_no_progress(stage: Stage, written: bool) -> None:
    """What failed attempts told is in entries that its reader does not see."""
    database = MemoryDatabase()
    store = Unwritable(database)
    if written:
        store.door.set()
    runtime, ownership = await begin(store, snapshot_entries=20, poll_seconds=0.01)
    run_id = await submit(runtime, Mounting, 40)
    await stage.begun.wait()
    if written:
        await until(lambda: bool(database.snapshots.get(run_id)))
    else:
        await until(lambda: bool(runtime._scheduler.snapshots._taken))
        await asyncio.sleep(0.05)  # Several looks.
        assert not database.snapshots.get(run_id)
    await ownership.abandon()
    database.workers.pop(runtime.worker, None)
    stage.go.set()
    async with serving(MemoryStore(database)) as other:
        assert await result(other, run_id, Mounting) == list(range(40))


async def test_progress_survives_a_stop(new_store: NewStore, stage: Stage) -> None:
    """Whatever was told before it is written before the run is given back."""
    runtime, ownership = await begin(new_store(), drain_seconds=0.0)
    run_id = await submit(runtime, CopiesUntilTold)
    await stage.begun.wait()
    await ownership.end()
    async with serving(new_store()) as other:
        assert await result(other, run_id, CopiesUntilTold) == [1, 2]


async def test_an_attempt_that_falls_silent_fails(new_store: NewStore) -> None:
    """However long it may take, it has to beat; what did not is a failed attempt."""
    store = new_store()
    async with serving(store) as runtime:
        run_id = await submit(runtime, FallsSilent, 12)
        assert await result(runtime, run_id, FallsSilent) == "attempt 2"
        row, *_ = (await store.read_journal([run_id]))[run_id]
    assert row.kind == EntryKind.ATTEMPT
    assert f"attempt 1 of {__name__}:falls_silent gave no heartbeat for 0.05 seconds" in (
        row.payload.decode()
    )


async def test_threads_beat(stage: Stage) -> None:
    """From outside of the loop, as often as they like."""
    async with serving(MemoryStore()) as runtime:
        assert await run(runtime, BeatsInThread, 15) == "14"


async def test_a_thread_is_told_that_its_attempt_is_over(stage: Stage) -> None:
    """It cannot be stopped, so it stops itself at its next beat."""
    async with serving(MemoryStore()) as runtime:
        with pytest.raises(ActionTimeout, match=r"gave no heartbeat for 0.02 seconds"):
            await run(runtime, SilentThread)
        stage.calls["gate"] += 1
        await until(lambda: stage.calls["told"] == 1)
        await until(lambda: runtime._executor.free_slots == runtime._executor.slots)


async def test_a_thread_whose_attempt_is_over_is_told_before_the_next_begins(
    stage: Stage,
) -> None:
    """What waits for its end is no attempt of its own: it beats for nobody any more."""

    @action(heartbeat_timeout=0.02, retry=RetryPolicy(attempts=2, backoff_seconds=0))
    def silent_once() -> str:
        if context().attempt == 1:
            silent_thread.function()
        return f"attempt {context().attempt} {context().progress}"

    @workflow
    class SilentOnce(Workflow):
        async def run(self) -> str:
            return await silent_once()

    async with serving(MemoryStore()) as runtime:
        waiting = asyncio.create_task(run(runtime, SilentOnce))
        await until(lambda: any(report.over for report in _reports(runtime)))
        stage.calls["gate"] += 1
        assert await waiting == "attempt 2 None"
        assert stage.calls["told"] == 1


def _reports(runtime: Runtime) -> list[Report]:
    runs = runtime._scheduler.runs.values()
    return [report for run in runs for report in (run.reports or {}).values()]


async def test_time_in_which_the_loop_stood_still_is_no_silence() -> None:
    """Whoever could not beat has its time again."""

    @action(heartbeat_timeout=0.2)
    async def beats() -> str:
        for _ in range(8):
            context().heartbeat()
            await asyncio.sleep(0.02)
        return "alive"

    @workflow
    class Beats(Workflow):
        async def run(self) -> str:
            return await beats()

    async with serving(MemoryStore()) as runtime:
        waiting = asyncio.create_task(run(runtime, Beats))
        await until(lambda: bool(runtime._executor.running))
        threading.Event().wait(0.5)
        assert await waiting == "alive"


async def test_all_attempts_have_a_limit_together() -> None:
    """The one under way is cancelled, and there is no other."""
    async with serving(MemoryStore()) as runtime:
        said = await run(runtime, AlwaysLate)
    assert said == (
        f"total_timeout: {__name__}:always_late took longer than 0.3 seconds over all attempts;"
        " 3 of it had begun"
    )
    assert found == [1, 2, 3]


async def test_a_pause_that_the_limit_would_cut_is_not_begun() -> None:
    """The last failure is the call's, at once. Pauses count by the run's clock."""
    clock = VirtualClock(now_ns=1)
    async with serving(MemoryStore(), clock) as runtime:
        with pytest.raises(ConnectionError, match="attempt 3"):
            await run(runtime, Refused, 3600.0, 3 * 3600.0)
        assert clock.now_ns() == 1 + 2 * 3600 * 10**9


async def test_the_limit_holds_across_a_crash(stage: Stage) -> None:
    """It counts from the first attempt, whoever made it."""
    database, clock = MemoryDatabase(), VirtualClock(now_ns=1)
    runtime, ownership = await begin(MemoryStore(database), clock)
    run_id = await submit(runtime, Gated, 60.0)
    await stage.begun.wait()
    await until(lambda: bool(database.attempts))
    await ownership.abandon()
    database.workers.pop(runtime.worker, None)
    later = VirtualClock(now_ns=1 + 61 * 10**9)
    async with serving(MemoryStore(database), later) as other:
        with pytest.raises(ActionTimeout, match="took longer than 60 seconds over all attempts"):
            await result(other, run_id, Gated)
    assert found == [1]


async def test_what_cannot_be_reported_is_refused() -> None:
    """Where it is reported, saying what to do."""
    async with serving(MemoryStore()) as runtime:
        with pytest.raises(ValueEncodeError, match=r"progress: is 300,002 bytes .* keep it else"):
            await run(runtime, TellsTooMuch, 300_000)
        with pytest.raises(ValueEncodeError, match=r"progress: .*lock"):
            await run(runtime, TellsTheUntellable)


async def test_who_reports_nothing_writes_nothing() -> None:
    """Neither rows nor memory are spent on calls without limits and progress."""
    database = MemoryDatabase()
    async with serving(MemoryStore(database)) as runtime:
        await run(runtime, Copies, 1)
        live = runtime._scheduler.runs
        assert not live
    assert not database.attempts


class Recovered:
    """The session of a run whose claim is not committed: no attempt is there yet."""

    seq = 2

    def next_attempt(self, effect: int) -> object:
        return object()


async def test_a_snapshot_right_after_a_recovery_forgets_no_progress() -> None:
    """The journal knew more than the row, and whoever reads the snapshot reads the row."""
    store = MemoryStore()
    row = owned_run(worker := uuid4())
    await store.register_worker(worker, 3600.0, "{}")
    await store.flush(0, batch(worker, runs=[row]))
    kept = reports.Reports(store, lambda: worker, WallClock())
    session: Any = Recovered()
    run = LiveRun(row.id, row.workflow, 1, 0, session)
    kept.runs = {run.id: run}
    told = b'[2,1,{},"app:act",{"since":5,"progress":2}]'
    journal = [JournalRow(run.id, 1, 1, EntryKind.ATTEMPT, 0, 1, 0, 1, told)]
    kept.recover(run, journal, [AttemptRow(run.id, 1, 0, 1, 5, b"1")])
    kept.save(run)
    assert not kept.is_saved(run)
    await kept.flush()
    assert kept.is_saved(run)
    assert store.database.attempts[run.id, 0] == AttemptRow(run.id, 1, 0, 2, 5, b"2")
