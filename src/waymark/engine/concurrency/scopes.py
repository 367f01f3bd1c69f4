"""`async with`: what its manager does at the two ends.

A manager has `enter(loop)` and `leave(error)`, which give something to await: at
once ready, or a call of a definition of the graph where there is to wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waymark.engine.awaitables import HelperCall, Ready
from waymark.engine.wording import no_manager

if TYPE_CHECKING:
    from waymark.engine.running import Running

    from .loop import RunLoop


class Manager:
    """What may stand in `async with`."""

    def enter(self, loop: RunLoop) -> Ready | HelperCall:
        """`__aenter__`: what it comes to is bound by `as`."""
        raise NotImplementedError

    def leave(self, error: BaseException | None) -> Ready | HelperCall:
        """`__aexit__`: a true outcome takes the exception away. None of asyncio's
        does, but each may raise another."""
        raise NotImplementedError


class Scopes:
    """The two ends of `async with`, as flat code calls them."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def enter(self, manager: Any) -> Ready | HelperCall:
        """Evaluated where the scope begins."""
        return _manager(manager).enter(self.running.loop)

    def leave(self, manager: Any, error: BaseException | None) -> Ready | HelperCall:
        """Evaluated on each way out. A stored graph may have put anything in the
        manager's place meanwhile."""
        return _manager(manager).leave(error)


def _manager(value: Any) -> Manager:
    if not isinstance(value, Manager):
        raise no_manager(value)
    return value
