"""One attempt that may take so long and no longer, or has to show that it lives.

A heartbeat only notes its time. Whether it came in time is looked at when it had to:
a beat costs no timer, and may come from a thread. When the look itself comes late, the
loop stood still and with it the actions that had to beat: they get their time again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from ..authoring.action import Action
from ..authoring.context import attempt_context
from ..authoring.policies import pause, soonest, within
from ..errors import ActionTimeout
from ..graph.policies import CallPolicy
from .clock import Clock
from .report import Report
from .threads import ActionThreads

#: The furthest deadline that an action is told: some thirty years.
_DEADLINE_SECONDS_MAX = 1e9

#: How long the next attempt waits for a thread whose time is over.
THREAD_SECONDS = 10.0

#: A look that is late by this share of the time between two beats excuses a missing one.
_LATE = 0.1


class TimeLimit:
    """Called in the action's place, so that its time begins when the function does.

    A thread cannot be stopped: one that outlives its time keeps its slot, is told by its next
    beat, and the next attempt waits for its end, but no longer than `THREAD_SECONDS`: what
    hangs for good is what limits are for. `began` is called when the first attempt of a call
    that has a limit over all of them begins.
    """

    __slots__ = ("_action", "_began", "_clock", "_policy", "_report", "_thread", "_threads")

    def __init__(
        self,
        threads: ActionThreads,
        action: Action[..., Any],
        policy: CallPolicy,
        clock: Clock,
        report: Report,
        began: Callable[[], None],
    ) -> None:
        self._threads = threads
        self._action = action
        self._policy = policy
        self._clock = clock
        self._report = report
        self._began = began
        self._thread: asyncio.Future[Any] | None = None

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises ActionTimeout."""
        report, context = self._report, attempt_context.get()
        if not report.since_ns:
            report.since_ns = self._clock.now_ns()
            if self._policy.total_seconds is not None:
                self._began()
        name, number = self._action.name, context.attempt
        seconds, late = soonest(self._policy, name, number, self._elapsed_seconds())
        if seconds is not None:
            left = timedelta(seconds=min(seconds, _DEADLINE_SECONDS_MAX))
            attempt_context.set(context._replace(deadline=datetime.now(UTC) + left))
        function = self._action.function if self._action.is_async else self._in_thread
        call: Coroutine[Any, Any, Any] = function(*args, **kwargs)
        beat_seconds = self._policy.heartbeat_seconds
        if beat_seconds is not None:
            silent = ActionTimeout(name, number, beat_seconds, "heartbeat_timeout")
            call = self._beating(call, beat_seconds, silent)
        try:
            return await within(call, seconds, late)
        finally:
            report.over = number

    async def pause_after_thread(self, attempt: int, error: BaseException) -> float | None:
        """Seconds until the next attempt, None when this was the last. When there is one, that
        is known once no thread works at this one any more, or for too long."""
        delay = self._pause(attempt, error)
        if delay is None or self._thread is None or self._thread.done():
            return delay
        total = self._policy.total_seconds
        left = THREAD_SECONDS if total is None else total - self._elapsed_seconds()
        await asyncio.wait([self._thread], timeout=min(left, THREAD_SECONDS))
        if self._thread.done() and not self._thread.cancelled():
            self._thread.exception()  # Nobody asks for it: its time was over.
        return self._pause(attempt, error)

    def _pause(self, attempt: int, error: BaseException) -> float | None:
        return pause(self._policy, attempt, error, self._elapsed_seconds())

    def _elapsed_seconds(self) -> float:
        """Since the first attempt began, by the run's clock."""
        since_ns = self._report.since_ns
        return (self._clock.now_ns() - since_ns) / 1e9 if since_ns else 0.0

    async def _beating(
        self, call: Coroutine[Any, Any, Any], seconds: float, silent: ActionTimeout
    ) -> Any:
        """Await the call as long as it beats; raises `silent`."""
        loop, now, report = asyncio.get_running_loop(), self._clock.monotonic, self._report
        report.beaten_at = planned = now()
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer, planned
            time = now()
            if time - planned > seconds * _LATE:
                report.beaten_at = max(report.beaten_at, time)
            due = report.beaten_at + seconds
            if due > time:
                planned = due
                timer = loop.call_later(due - time, look)
            else:
                limit.reschedule(loop.time())

        planned += seconds
        timer = loop.call_later(seconds, look)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                return await call
        except TimeoutError:
            if limit.expired():
                raise silent from None
            raise
        finally:
            timer.cancel()

    async def _in_thread(self, *args: Any, **kwargs: Any) -> Any:
        self._thread = self._threads.call(self._action.function, args, kwargs)
        # Shielded, so that its end can be waited for when its time is over.
        return await asyncio.shield(self._thread)

    def leave(self) -> None:
        """Nobody waits for the thread any more, if there still is one."""
        if self._thread is not None and not self._thread.done():
            self._thread.cancel()
            self._threads.abandoned += 1
