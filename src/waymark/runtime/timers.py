"""Timers of all runs in one heap, with one alarm for the earliest."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from .clock import Alarm, Clock
from .live_run import LiveRun

#: Dropped timers stay in the heap until they outnumber the others by this factor.
_STALE_FACTOR = 2
_STALE_MIN = 64


class Timers:
    """`fire(run, timer)` is called in this loop when a timer is due.

    A timer counts while its number is in `run.timers`: dropping it, or closing the
    run, only takes it out there.
    """

    def __init__(self, clock: Clock, fire: Callable[[LiveRun, int], None]) -> None:
        self._clock = clock
        self._fire = fire
        #: Called with each timer that is set.
        self.noticed: Callable[[LiveRun, int], None] = lambda run, deadline_ns: None
        self._heap: list[tuple[int, int, LiveRun, int]] = []
        self._order = count()
        self._alarm: Alarm | None = None
        self._alarm_ns = 0
        self._dropped = 0

    def set(self, run: LiveRun, timer: int, deadline_ns: int) -> None:
        if run.timers is None:
            run.timers = set()
        run.timers.add(timer)
        heapq.heappush(self._heap, (deadline_ns, next(self._order), run, timer))
        self.noticed(run, deadline_ns)
        if self._alarm is None or deadline_ns < self._alarm_ns:
            self._set_alarm()

    def drop(self, run: LiveRun, timer: int) -> None:
        if run.timers is not None:
            run.timers.discard(timer)
            self._forget(1)

    def drop_all(self, run: LiveRun) -> None:
        if run.timers:
            dropped, run.timers = len(run.timers), None
            self._forget(dropped)

    def close(self) -> None:
        """Ring no more."""
        self._heap.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _forget(self, count: int) -> None:
        self._dropped += count
        if self._dropped > _STALE_MIN and self._dropped * _STALE_FACTOR > len(self._heap):
            self._heap = [item for item in self._heap if _pending(item)]
            heapq.heapify(self._heap)
            self._dropped = 0

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._heap:
            self._alarm_ns = self._heap[0][0]
            self._alarm = self._clock.alarm(self._alarm_ns, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now_ns = self._clock.now_ns()
        heap = self._heap
        while heap and (heap[0][0] <= now_ns or not _pending(heap[0])):
            _, _, run, timer = heapq.heappop(heap)
            if run.timers is not None and timer in run.timers:
                run.timers.discard(timer)
                self._fire(run, timer)
        self._set_alarm()


def _pending(item: tuple[int, int, LiveRun, int]) -> bool:
    _, _, run, timer = item
    return run.timers is not None and timer in run.timers
