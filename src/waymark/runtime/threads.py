"""Threads for sync actions: ours, daemonic, started on demand, reused when idle.

A pool that joins its threads at exit would hang the process on an action that
never returns, so this one does not. Results come back to the loop in bunches: one
wake-up however many threads have finished.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple


class _Task(NamedTuple):
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    context: contextvars.Context
    future: asyncio.Future[Any]


class ActionThreads:
    """Runs functions off the loop. At most as many threads as calls at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._idle = 0
        self._threads = 0
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._awake = False
        #: Calls that still run although nobody waits for them any more.
        self.abandoned = 0
        #: Called when there is one less.
        self.freed: Callable[[], None] = lambda: None

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> asyncio.Future[Any]:
        """Start the call in a thread, in a copy of this context. Cancelling the
        future does not stop the thread."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._tasks.put(_Task(function, args, kwargs, contextvars.copy_context(), future))
        if self._idle:
            self._idle -= 1
        else:
            self._threads += 1
            threading.Thread(
                target=self._work, name=f"waymark-action-{self._threads}", daemon=True
            ).start()
        return future

    def close(self) -> None:
        """Let idle threads end; busy ones end after their call."""
        for _ in range(self._threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            value, error = None, None
            try:
                value = task.context.run(task.function, *task.args, **task.kwargs)
            except BaseException as raised:  # noqa: BLE001  # an outcome like any other
                error = raised
            self._done.append((task.future, value, error))
            del task, value, error
            if not self._awake:
                self._awake = True
                try:
                    self._loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:  # The loop is closed: nobody waits any more.
                    return

    def _deliver(self) -> None:
        self._awake = False
        while self._done:
            future, value, error = self._done.popleft()
            self._idle += 1
            if future.done():
                self.abandoned -= 1
                self.freed()
                continue
            if error is None:
                future.set_result(value)
            elif isinstance(error, StopIteration):
                # A future refuses it, as a coroutine would.
                future.set_exception(RuntimeError("an action raised StopIteration"))
            else:
                future.set_exception(error)
