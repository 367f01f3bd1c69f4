"""Which calls of ours others are to make: those that own slots would not get round to soon.

Looked at twice, `LOOK_SECONDS` apart, while calls wait: how many of the first time still
wait the second time, and how many have begun meanwhile. As many as have begun will begin
until the next look; what waits beyond that is offered, the youngest calls first, since own
slots take the oldest. So a process that keeps up offers nothing, and one that does not
offers more the further it lags behind.

When everybody is busy, nobody takes what is offered, and offering only costs writes. So
not more is offered than others could take before the next look: what nobody has taken yet
counts against that (`room`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from .executor import Attempt, Executor
from .live_run import LiveRun

#: Between two looks at what waits for a slot.
LOOK_SECONDS = 0.05

#: Rows that nobody has taken yet, for each process that may.
BACKLOG_PER_WORKER = 100

#: How often to ask whether what was offered has been taken, while that is too much.
PROBE_SECONDS = 0.25


class Overflow:
    """`nudge` is called when there is something to offer (`excess`)."""

    def __init__(self, executor: Executor, nudge: Callable[[], None]) -> None:
        self._executor = executor
        self._nudge = nudge
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._last: tuple[LiveRun, Attempt] | None = None
        self._count = 0
        #: How many calls wait beyond what will begin soon.
        self.excess = 0
        self._backlog = 0
        self._probed_at = 0.0

    def crowded(self) -> None:
        """Calls wait for a slot, or for their turn. Called often."""
        if self._alarm is None:
            ready = self._executor.ready
            self._last, self._count = ready[-1] if ready else None, len(ready)
            self._alarm = self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _look(self) -> None:
        self._alarm = None
        ready = self._executor.ready
        if not ready:
            self.excess = 0
            return
        still = next((place for place, call in enumerate(ready, 1) if call is self._last), 0)
        begun = self._count - still
        self.excess = max(0, still - begun)
        self._nudge()
        self.crowded()

    def room(self, workers: int, now: float) -> int | None:
        """How much may be offered, with so many other workers that could take it. None
        when it has to be asked first how much of it has been taken."""
        room = (workers + 1) * BACKLOG_PER_WORKER - self._backlog
        if room > 0:
            return room
        if now - self._probed_at < PROBE_SECONDS:
            return 0
        self._probed_at = now
        return None

    def offered(self, backlog: int) -> None:
        """So much waits in the table for somebody."""
        self._backlog = backlog

    def take(
        self, count: int, fits: Callable[[LiveRun, Attempt], bool]
    ) -> list[tuple[LiveRun, Attempt]]:
        """Up to `count` of the youngest calls that wait and fit, taken out of the queue."""
        ready = self._executor.ready
        taken: list[tuple[LiveRun, Attempt]] = []
        kept: deque[tuple[LiveRun, Attempt]] = deque()
        for _ in range(min(count, len(ready))):
            call = ready.pop()
            if fits(*call):
                taken.append(call)
            else:
                kept.appendleft(call)
        ready.extend(kept)
        return taken[::-1]
