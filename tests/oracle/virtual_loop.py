"""An asyncio loop whose time jumps: sleeping costs nothing, order is kept.

Three things that asyncio leaves open are decided here, for both sides of a
comparison: timers of one moment fire in the order in which they were made, the
tasks that are left at the end are cancelled in that order, too, and so are those
of a group or a call of `wait`, which are sets.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from waymark.values import OrderedSet

T = TypeVar("T")

#: Beyond, a float no longer parts two timers of one moment.
LONGEST_SECONDS = 16_000_000.0


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting, moves the loop's time by what it was asked to wait."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen: the program hangs")
        self.elapsed += max(0.0, timeout)
        if self.elapsed > LONGEST_SECONDS:
            raise RuntimeError("the program waits for more than half a year; let it wait less")
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self.set_exception_handler(lambda loop, context: None)
        self.set_task_factory(self._new_task)
        self.tasks: list[asyncio.Task[Any]] = []
        self._timers = 0

    def time(self) -> float:
        return self._jumping.elapsed

    def call_at(self, when: float, *rest: Any, **keywords: Any) -> asyncio.TimerHandle:
        self._timers += 1
        return super().call_at(when + self._timers * _MOMENT, *rest, **keywords)

    def _new_task(self, loop: Any, main: Any, **keywords: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(main, loop=loop, **keywords)
        self.tasks.append(task)
        return task

    def cancel_rest(self) -> None:
        """What `asyncio.run` does at its end, in order."""
        left = [task for task in self.tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            self.run_until_complete(asyncio.gather(*left, return_exceptions=True))


#: Parts two timers of one moment; longer than the loop's resolution.
_MOMENT = 4e-9


@contextmanager
def ordered_sets() -> Iterator[None]:
    """Let asyncio's own sets of tasks keep their order."""
    modules: list[Any] = [asyncio.tasks, asyncio.taskgroups]
    for module in modules:
        module.set = OrderedSet
    try:
        yield
    finally:
        for module in modules:
            del module.set


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on a loop of virtual time."""
    loop = VirtualLoop()
    with ordered_sets(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(main)
        finally:
            loop.cancel_rest()
