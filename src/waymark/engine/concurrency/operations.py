"""asyncio's functions and classes as a graph of this process has them.

Each acts on the run that is being evaluated. Those that wait are not here: they
are definitions of the graph itself (`compiler/prelude.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .future import Future, GatheringFuture, Task
from .loop import RunLoop

if TYPE_CHECKING:
    from waymark.engine.running import Running

#: Types that no code may construct: their objects stand for what the machine has.
MADE_BY_ENGINE: tuple[type, ...] = (Future, RunLoop)


class _Functions:
    """Functions with asyncio's own signatures, bound to one program."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def gather(self, *coros_or_futures: Any, return_exceptions: object = False) -> GatheringFuture:
        return self.running.loop.gather(coros_or_futures, bool(return_exceptions))

    def create_task(self, coro: Any, *, name: object = None) -> Task:
        return self.running.loop.create_task(coro, name=name)

    def ensure_future(self, coro_or_future: Any) -> Future:
        return self.running.loop.ensure_future(coro_or_future)

    def current_task(self) -> Task:
        return self.running.loop.current_task()

    def get_running_loop(self) -> RunLoop:
        return self.running.loop


def operations(running: Running) -> Mapping[str, Any]:
    """By dotted path, everything of kind `concurrency` in the catalogue."""
    functions = _Functions(running)
    return {
        "asyncio.gather": functions.gather,
        "asyncio.create_task": functions.create_task,
        "asyncio.ensure_future": functions.ensure_future,
        "asyncio.current_task": functions.current_task,
        "asyncio.get_running_loop": functions.get_running_loop,
    }
