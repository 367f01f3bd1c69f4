"""Starting and stopping: from any task, twice, cancelled, again; the host unharmed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.runtime.serving import until
from waymark import app
from waymark.app import running, start, stop
from waymark.errors import (
    AlreadyStartedError,
    NotStartedError,
    SettingsError,
    StoppingError,
    WrongLoopError,
)
from waymark.runtime import runtime as runtime_module
from waymark.runtime.runtime import Runtime
from waymark.runtime.sweep import Sweep
from waymark.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

MEMORY = "memory://"


@pytest.fixture(autouse=True)
def nothing_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with nothing started, and without pytest's stand-in."""
    monkeypatch.setattr(app.application, "fallback", None)
    assert app.application._started is None or app.application._started.over


def tasks_of_ours() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if "waymark" in repr(task.get_coro())]


async def test_start_and_stop() -> None:
    """After stop nothing of ours is left in the loop."""
    runtime = await start(MEMORY)
    assert isinstance(runtime, Runtime)
    assert runtime.database_url == MEMORY
    assert "running on memory://" in repr(runtime)
    await stop()
    assert tasks_of_ours() == []


async def test_stop_without_start_does_nothing() -> None:
    """So that a shutdown handler needs no bookkeeping."""
    await stop()


async def test_stop_twice_does_nothing() -> None:
    """Also at the same time: both return when it is over."""
    await start(MEMORY)
    await asyncio.gather(stop(), stop())
    await stop()


async def test_start_twice_is_refused() -> None:
    """The message says what to do, and the first runtime goes on."""
    async with running(MEMORY):
        with pytest.raises(AlreadyStartedError, match=r"waymark\.stop\(\) first, or share"):
            await start(MEMORY)
        app.application.client()


async def test_not_started_says_what_to_do() -> None:
    """Both ways in are named."""
    with pytest.raises(NotStartedError, match=r"waymark\.start\(\).*waymark\.running\(\)"):
        app.application.client()


async def test_it_can_be_started_again() -> None:
    """In the same loop, any number of times."""
    for _ in range(3):
        async with running(MEMORY):
            pass


async def test_stop_from_another_task() -> None:
    """A supervisor task may stop what a lifespan started."""
    await asyncio.create_task(start(MEMORY))
    await asyncio.create_task(stop())
    assert tasks_of_ours() == []


async def test_start_in_a_cancel_scope_that_ends() -> None:
    """The scope in which start() was awaited does not own the runtime."""
    with anyio.move_on_after(10):
        runtime = await start(MEMORY)
    async with anyio.create_task_group() as group:
        group.cancel_scope.cancel()
    runtime.client._check()
    await stop()


class SlowStore(MemoryStore):
    """Opens when told to."""

    opening = asyncio.Event()
    closed = 0

    async def open(self) -> None:
        self.opening.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        type(self).closed += 1


async def test_a_cancelled_start_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was opened is closed, and start() works afterwards."""
    SlowStore.opening = asyncio.Event()
    SlowStore.closed = 0
    monkeypatch.setattr("waymark.store.open.open_store", lambda url, **settings: SlowStore())
    starting = asyncio.create_task(start(MEMORY))
    await SlowStore.opening.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert SlowStore.closed == 1
    assert tasks_of_ours() == []
    monkeypatch.undo()
    async with running(MEMORY):
        pass


async def test_a_failing_start_raises_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a group of errors; and nothing counts as started."""
    with pytest.raises(SettingsError, match="postgresql://"):
        await start("mysql://nowhere/x")
    with pytest.raises(SettingsError, match="did you mean concurrency"):
        await start(MEMORY, concurency=3)
    async with running(MEMORY):
        pass


async def test_the_block_s_own_error_comes_out() -> None:
    """`running()` stops and passes on what was raised inside."""
    with pytest.raises(ZeroDivisionError):
        async with running(MEMORY):
            raise ZeroDivisionError
    assert tasks_of_ours() == []


async def test_another_loop_is_refused() -> None:
    """A thread's loop can neither stop the runtime nor submit to it."""
    async with running(MEMORY) as runtime:
        problems: list[BaseException] = []

        async def misuse() -> None:
            try:
                await stop()
            except WrongLoopError as error:
                problems.append(error)
            try:
                runtime.client._check()
            except WrongLoopError as error:
                problems.append(error)

        thread = threading.Thread(target=asyncio.run, args=(misuse(),))
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(problems) == 2
        assert "run_coroutine_threadsafe" in str(problems[0])


async def test_a_runtime_that_stops_takes_no_more_work() -> None:
    """Its client says so, rather than waiting for ever."""
    runtime = await start(MEMORY)
    await stop()
    with pytest.raises(StoppingError, match="takes no more work"):
        runtime.client._check()


@pytest.mark.parametrize("kind", [RuntimeError, asyncio.CancelledError])
async def test_a_failure_inside_is_logged_and_survived(
    kind: type[BaseException], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug of ours restarts the runtime under a new name; the host's task goes on. Also a
    cancellation that nobody asked for, which would end a task group without a word."""
    real = Sweep.look
    failed, recovered = asyncio.Event(), asyncio.Event()

    async def look(sweep: Sweep) -> int:
        if not failed.is_set():
            failed.set()
            raise kind("a bug of ours")
        recovered.set()
        return await real(sweep)

    monkeypatch.setattr(Sweep, "look", look)
    monkeypatch.setattr(runtime_module, "RESTART_SECONDS", 0.0)
    async with running(MEMORY) as runtime:
        name = runtime.worker
        await failed.wait()
        await recovered.wait()
        await until(lambda: runtime.worker != name)
        assert "waymark failed and starts again" in caplog.text
        assert "a bug of ours" in caplog.text
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_loops_that_end_without_stop_are_forgotten() -> None:
    """A script whose loop ended may start again in another."""

    async def forgetful() -> None:
        await start(MEMORY)

    thread = threading.Thread(target=asyncio.run, args=(forgetful(),))
    thread.start()
    await asyncio.to_thread(thread.join)
    async with running(MEMORY):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.* is multi-threaded, use of fork:DeprecationWarning")
async def test_a_forked_child_is_not_started() -> None:
    """The runtime is the parent's; the child may say so and must not touch it."""
    async with running(MEMORY):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            verdict = b"not started" if app.application._started is None else b"started"
            os.write(writing, verdict)
            os._exit(0)
        assert await asyncio.to_thread(os.read, reading, 20) == b"not started"
        await asyncio.to_thread(os.waitpid, child, 0)


async def test_in_a_web_application() -> None:
    """Starlette's TestClient runs the lifespan in a loop and thread of its own."""
    starlette = pytest.importorskip("starlette.applications")
    testclient = pytest.importorskip("starlette.testclient")
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(application: object) -> AsyncIterator[None]:
        async with running(MEMORY) as runtime:
            seen.append(repr(runtime))
            yield

    def visit() -> None:
        for _ in range(2):
            with testclient.TestClient(starlette.Starlette(lifespan=lifespan)):
                pass

    await asyncio.to_thread(visit)
    assert len(seen) == 2
