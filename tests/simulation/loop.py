"""An event loop whose time jumps and whose parts can be stopped and killed.

Everything that runs belongs to a *domain*, named by a context variable: one for the
app's loop of each simulated process, one for its heartbeat thread, none for the server
and the script. The loop asks a callback's domain whether it may run: a paused domain's
callbacks wait in its backlog, a dead domain's are dropped. So a process can be killed
between any two turns of its loop, as `kill -9` does, without its code noticing.

With one seed for all that is random, a simulation is a pure function of that seed.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Hang(Exception):
    """Nothing is left that could happen."""


class Domain:
    """What can be stopped and killed as one. `context` is what its code runs in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.paused = 0
        self.backlog: list[_Call] = []
        self.context = contextvars.copy_context()
        self.context.run(_domain.set, self)

    def pause(self) -> None:
        self.paused += 1

    def resume(self, loop: SimLoop) -> None:
        self.paused -= 1
        if not self.paused:
            backlog, self.backlog = self.backlog, []
            for call in backlog:
                loop.repeat(call)

    def kill(self) -> None:
        self.dead = True
        self.backlog.clear()

    def __repr__(self) -> str:
        return f"<{self.name}>"


_domain: contextvars.ContextVar[Domain | None] = contextvars.ContextVar("domain", default=None)


def current_domain() -> Domain | None:
    """Whose code runs now."""
    return _domain.get()


class _Call(asyncio.TimerHandle):
    """A callback that is due, and the handle by which it may be cancelled. Nothing of what
    asyncio keeps for its debugging is set."""

    __slots__ = ("args", "callback", "context", "is_cancelled")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def __repr__(self) -> str:
        return f"<call of {self.callback}>"


class SimLoop(asyncio.SelectorEventLoop):
    """Virtual time in seconds from 0. Nothing comes from outside; where nothing is left to
    do at this time, the next timer's time has come."""

    def __init__(self) -> None:
        super().__init__()
        self.set_exception_handler(self._failed)
        #: What would be printed as "exception was never retrieved".
        self.failures: list[dict[str, Any]] = []
        self._now = 0.0
        self._calls: deque[_Call] = deque()
        #: Timers that are set at one time ring in the order in which they were set.
        self._timers: list[tuple[float, int, _Call]] = []
        self._count = 0

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        domain = _domain.get()
        if domain is None or not domain.dead:
            self.failures.append(context)

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        """All turns until the loop is stopped."""
        calls, timers = self._calls, self._timers
        while not self._stopping:  # type: ignore[attr-defined]  # of asyncio's base
            while timers and (timers[0][2].is_cancelled or timers[0][0] <= self._now):
                calls.append(heappop(timers)[2])
            if not calls:
                if not timers:
                    raise Hang("nothing is left that could happen")
                self._now = timers[0][0]
                continue
            for _ in range(len(calls)):
                self._run_call(calls.popleft())

    def _run_call(self, call: _Call) -> None:
        if call.is_cancelled:
            return
        domain = call.context.get(_domain)
        if domain is not None:
            if domain.dead:
                return
            if domain.paused:
                domain.backlog.append(call)
                return
        try:
            call.context.run(call.callback, *call.args)
        except Exception as error:  # as asyncio does
            call.context.run(
                self.call_exception_handler,
                {"message": f"exception in {call.callback}", "exception": error},
            )

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        call = _Call(callback, args, contextvars.copy_context() if context is None else context)
        self._calls.append(call)
        return call

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        call = _Call(callback, args, contextvars.copy_context() if context is None else context)
        self._count += 1
        heappush(self._timers, (when, self._count, call))
        return call

    def call_soon_threadsafe(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """From the heartbeat's thread into the app's loop: its domain is that of the
        object whose method is called."""
        owner = getattr(callback, "__self__", None)
        domain = getattr(owner, "sim_domain", None)
        return self.call_soon(callback, *args, context=domain.context if domain else context)

    def repeat(self, call: _Call) -> None:
        """Run a call that waited in a backlog."""
        self._calls.append(call)


async def until(true: Callable[[], bool], seconds: float = 1e9) -> None:
    """Returns once `true()` is, or the simulated time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not true() and loop.time() < end:  # noqa: ASYNC110  # this time costs nothing
        await asyncio.sleep(0.2)
