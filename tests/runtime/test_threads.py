"""Threads of sync actions: reused, daemonic, never joined."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from tests.runtime.serving import until
from waymark.runtime.threads import ActionThreads

pytestmark = pytest.mark.anyio


async def test_calls_run_off_the_loop_and_threads_are_reused() -> None:
    """Results and exceptions come back; ten calls in a row need one thread."""
    threads = ActionThreads(asyncio.get_running_loop())
    used = [await threads.call(threading.get_ident, (), {}) for _ in range(10)]
    assert len(set(used)) == 1
    assert used[0] != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 / 0, (), {})
    threads.close()


async def test_the_context_goes_along() -> None:
    """A call sees the context variables of its attempt."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(5)
    threads = ActionThreads(asyncio.get_running_loop())
    assert await threads.call(variable.get, (), {}) == 5
    threads.close()


async def test_an_abandoned_call_keeps_its_slot() -> None:
    """Nobody waits for it any more, but its thread is busy until it returns."""
    threads = ActionThreads(asyncio.get_running_loop())
    begun, release = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        release.wait(10)

    future = threads.call(block, (), {})
    await asyncio.to_thread(begun.wait, 10)
    future.cancel()
    threads.abandoned += 1
    release.set()
    other = threads.call(threading.get_ident, (), {})
    await other
    await until(lambda: threads.abandoned == 0)
    threads.close()


async def test_threads_are_daemons() -> None:
    """A call that never returns does not keep the process from ending."""
    threads = ActionThreads(asyncio.get_running_loop())
    assert (await threads.call(threading.current_thread, (), {})).daemon
    threads.close()
