"""Which calls of ours others are to make: those that own slots would not get round to soon.

Looked at twice, `LOOK_SECONDS` apart, while calls wait: how many of the first time still
wait the second time, and how many have begun meanwhile. As many as have begun will begin
until the next look; what waits beyond that is offered, the youngest calls first, since own
slots take the oldest. So a process that keeps up offers nothing, and one that does not
offers more the further it lags behind.

Others get their share of that, as if all were equally fast, and what nobody has taken yet
counts as theirs. When everybody is busy, nobody takes what is offered, and offering only
costs writes; so not more than a bound may lie there before nothing is added (`share`).
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
BACKLOG_PER_WORKER = 1000

#: How often to ask whether what was offered has been taken, while that is too much.
PROBE_SECONDS = 0.25


class Overflow:
    """`nudge` is called when there is something to offer (`excess`)."""

    def __init__(self, executor: Executor, nudge: Callable[[], None]) -> None:
        self._executor = executor
        self._nudge = nudge
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        #: How many calls had left the front of the queue at the last look, and how many will
        #: have when all that waited then are gone.
        self._passed = self._end = 0
        #: How many calls wait beyond what will begin soon.
        self.excess = 0
        self._backlog = 0
        self._backlog_at = 0.0

    def crowded(self) -> None:
        """Calls wait for a slot, or for their turn. Called often."""
        if self._alarm is None:
            self._passed = self._executor.passed
            self._end = self._passed + len(self._executor.ready)
            self._alarm = self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _look(self) -> None:
        self._alarm = None
        if not self._executor.ready:
            self.excess = 0
            return
        passed = self._executor.passed
        still, begun = max(0, self._end - passed), passed - self._passed
        self.excess = max(0, still - begun)
        self._nudge()
        self.crowded()

    def share(self, excess: int, workers: int, now: float) -> int | None:
        """How much of the excess to offer, with so many other workers that could take it.
        None when it has to be asked first how much of what lies there has been taken."""
        room = backlog_max(workers) - self._backlog
        fresh = now - self._backlog_at < PROBE_SECONDS
        if room <= 0:
            return 0 if fresh else None
        lies = self._backlog if fresh else 0
        return max(0, min(room, (excess * workers - lies) // (workers + 1)))

    def offered(self, backlog: int, now: float) -> None:
        """So much lies in the table for somebody to take."""
        self._backlog, self._backlog_at = backlog, now

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
        if taken:  # So the next look cannot tell what has begun from what was taken.
            self._end = self._executor.passed
        return taken[::-1]


def backlog_max(workers: int) -> int:
    """How much may lie in the table, with so many other workers."""
    return (workers + 1) * BACKLOG_PER_WORKER
