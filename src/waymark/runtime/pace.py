"""How many attempts may begin in one turn of the event loop.

An attempt runs until it first waits as soon as it begins. Most wait at once, so many may
begin in one turn. Where they compute first, the turn lasts as long as all of them together, and
whatever else lives in the loop stands still: the host's requests, our own questions to the
database, and with them the other processes that wait for answers. So what began is
measured, from the first step of the first attempt to that of the last, and the next turns
begin as many as fit into `TURN_SECONDS`. Nothing else that the loop does counts: two marks in
its queue stand directly before and behind the attempts.
"""

from __future__ import annotations

import asyncio

#: The most that begins in one turn.
ATTEMPTS_MAX = 50
#: What the first steps of one turn's attempts should take together.
TURN_SECONDS = 0.01
#: Fewer attempts than this are not measured while more would be allowed.
MEASURED_MIN = 8


class Pace:
    """Ask for `limit`, then call `enter`, begin them, and call `leave`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.limit = ATTEMPTS_MAX
        self._entered = 0.0
        self._stepping = 0.0

    def enter(self, count: int) -> bool:
        """Up to `count` attempts are about to begin. Whether to call `leave`."""
        if count < MEASURED_MIN and count < self.limit:
            return False
        self._entered = self._loop.time()
        self._loop.call_soon(self._first)
        return True

    def leave(self, count: int) -> None:
        """So many have begun: their first steps are in the loop's queue, or over where
        the host's tasks are eager."""
        self._loop.call_soon(self._last, count, self._loop.time() - self._entered)

    def _first(self) -> None:
        self._stepping = self._loop.time()

    def _last(self, count: int, making: float) -> None:
        if not count:
            return
        seconds = making + self._loop.time() - self._stepping
        fit = count * TURN_SECONDS / seconds if seconds else ATTEMPTS_MAX
        # One slow attempt should not hold back the many for long, nor a quick one let all loose.
        self.limit = max(1, min(round(fit), self.limit * 2, ATTEMPTS_MAX))
