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
import selectors
from collections.abc import Callable
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


class _Call:
    """A callback, with the handle by which it may have been cancelled."""

    __slots__ = ("args", "callback", "context", "handle")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.handle: asyncio.Handle | None = None

    def __call__(self) -> None:
        if self.handle is not None and self.handle.cancelled():
            return
        domain = self.context.get(_domain)
        if domain is not None:
            if domain.dead:
                return
            if domain.paused:
                domain.backlog.append(self)
                return
        self.callback(*self.args)


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting, moves the loop's time by what it was asked to wait."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Hang("nothing is left that could happen")
        self.elapsed += max(0.0, timeout)
        return []  # Nothing comes from outside.


class SimLoop(asyncio.SelectorEventLoop):
    """Virtual time in seconds from 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self.set_exception_handler(self._failed)
        #: What would be printed as "exception was never retrieved".
        self.failures: list[dict[str, Any]] = []

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        domain = _domain.get()
        if domain is None or not domain.dead:
            self.failures.append(context)

    def time(self) -> float:
        return self._jumping.elapsed

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        call = _Call(callback, args, contextvars.copy_context() if context is None else context)
        call.handle = super().call_soon(call, context=call.context)
        return call.handle

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        call = _Call(callback, args, contextvars.copy_context() if context is None else context)
        call.handle = handle = super().call_at(when, call, context=call.context)
        return handle

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
        super().call_soon(call, context=call.context)


async def until(true: Callable[[], bool], seconds: float = 1e9) -> None:
    """Returns once `true()` is, or the simulated time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not true() and loop.time() < end:  # noqa: ASYNC110  # this time costs nothing
        await asyncio.sleep(0.2)
