"""One attempt that may take so long and no longer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from ..authoring.action import Action
from ..authoring.context import attempt_context
from ..authoring.policies import within
from .threads import ActionThreads

#: The furthest deadline that an action is told: some thirty years.
_DEADLINE_SECONDS_MAX = 1e9


class TimeLimit:
    """Called in the action's place, so that its time begins when the function does.

    A thread cannot be stopped: one that outlives its time keeps its slot, and the next
    attempt waits for its end.
    """

    __slots__ = ("_action", "_seconds", "_thread", "_threads")

    def __init__(self, threads: ActionThreads, action: Action[..., Any], seconds: float) -> None:
        self._threads = threads
        self._action = action
        self._seconds = seconds
        self._thread: asyncio.Future[Any] | None = None

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises ActionTimeout."""
        context = attempt_context.get()
        left = timedelta(seconds=min(self._seconds, _DEADLINE_SECONDS_MAX))
        attempt_context.set(context._replace(deadline=datetime.now(UTC) + left))
        function = self._action.function if self._action.is_async else self._in_thread
        return await within(
            function(*args, **kwargs), self._seconds, self._action.name, context.attempt
        )

    async def _in_thread(self, *args: Any, **kwargs: Any) -> Any:
        self._thread = self._threads.call(self._action.function, args, kwargs)
        # Shielded, so that its end can be waited for when its time is over.
        return await asyncio.shield(self._thread)

    async def thread_ended(self) -> None:
        """Returns once no thread works at this attempt any more."""
        if self._thread is not None and not self._thread.done():
            await asyncio.wait([self._thread])

    def leave(self) -> None:
        """Nobody waits for the thread any more, if there still is one."""
        if self._thread is not None and not self._thread.done():
            self._thread.cancel()
            self._threads.abandoned += 1
