"""Says what holds up the app's event loop while it does, from the heartbeat's thread.

The loop shows now and then that it turns. When it has not for a while, the stack of its
thread is looked at: among its frames is that of the action's function, or whatever else
of the app does not give way. Nothing of this costs anything while the loop turns.
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import PurePath
from types import CodeType, FrameType

from ..authoring.registry import registry

log = logging.getLogger("waymark.watchdog")

#: A loop that has not turned for this long is spoken of, and again after `AGAIN` times
#: as long.
STILL_SECONDS = 2.0
AGAIN = 4

#: How often the thread looks.
LOOK_SECONDS = 1.0

#: Where a loop is that only waits: it is about to turn.
_WAITING = ("asyncio", "selectors.py")


class Watchdog:
    """Made in the thread of the loop; `look` is called in another."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._next_seconds = STILL_SECONDS
        self._still_seconds = 0.0

    def look(self, still_seconds: float) -> None:
        """Say what the loop does that has not turned for so long, if that is long."""
        if still_seconds < STILL_SECONDS:
            if self._still_seconds:
                log.warning("the event loop turns again, after about %.0f s", self._still_seconds)
            self._still_seconds, self._next_seconds = 0.0, STILL_SECONDS
            return
        if still_seconds < self._next_seconds:
            self._still_seconds = self._still_seconds and still_seconds
            return
        frame = sys._current_frames().get(self._thread)  # pyright: ignore[reportPrivateUsage]  # no other way
        if frame is None or _is_waiting(frame):
            return
        self._still_seconds, self._next_seconds = still_seconds, still_seconds * AGAIN
        log.warning(
            "the event loop has not turned for %.0f s: %s. Leases are kept, but nothing else goes"
            " on; what blocks belongs into an action that is a plain `def`, which runs in a thread",
            still_seconds,
            _described(frame),
        )


def _is_waiting(frame: FrameType) -> bool:
    path = PurePath(frame.f_code.co_filename)
    return path.parent.name in _WAITING or path.name in _WAITING


def _described(innermost: FrameType) -> str:
    """The action that is on the stack, else what is innermost, with its line."""
    actions = _actions_by_code()
    inside = f"in {innermost.f_code.co_qualname}"
    for frame in _outwards(innermost):
        action = actions.get(frame.f_code)
        if action is not None:
            further = "" if frame is innermost else f", {inside} at {_line(innermost)}"
            return f"action {action} is at {_line(frame)}{further}"
    return f"it is {inside} at {_line(innermost)}"


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _actions_by_code() -> dict[CodeType, str]:
    found: dict[CodeType, str] = {}
    for action in registry.actions():
        code = getattr(inspect.unwrap(action.function), "__code__", None)
        if isinstance(code, CodeType):
            found[code] = action.name
    return found
