"""Time, as the runtime sees it: nanoseconds of the engine, seconds of leases, alarms.

Engine time is wall-clock time that never goes backwards within a process. The
virtual clock stands still until it is told to jump to its next alarm.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

#: A wall clock may be set while we sleep, so no alarm sleeps longer than this.
NAP_SECONDS_MAX = 60.0


class Alarm(Protocol):
    """A pending call; `cancel` may be called at any time, any number of times."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Where engine time comes from."""

    #: Whether time moves only by `jump`.
    virtual: bool

    def now_ns(self) -> int: ...

    def monotonic(self) -> float:
        """Seconds that only go forwards, from any thread: what leases are measured by."""
        ...

    def alarm(self, deadline_ns: int, ring: Callable[[], None]) -> Alarm:
        """Call `ring` in this loop at or a little before `deadline_ns`: who is
        woken early sets the next alarm."""
        ...

    def jump(self) -> bool:
        """Move to the next alarm; False when there is none, or time is real."""
        ...


class WallClock:
    """The machine's clock, never going backwards."""

    __slots__ = ("_last_ns", "virtual")

    def __init__(self) -> None:
        self.virtual = False
        self._last_ns = 0

    def now_ns(self) -> int:
        now = time.time_ns()
        self._last_ns = max(self._last_ns, now)
        return self._last_ns

    def monotonic(self) -> float:
        return time.monotonic()

    def alarm(self, deadline_ns: int, ring: Callable[[], None]) -> Alarm:
        seconds = (deadline_ns - self.now_ns()) / 1e9
        # A nap that ends a hair early would spin, so it ends a hair late.
        return asyncio.get_running_loop().call_later(
            min(max(seconds, 0.0) + 0.0002, NAP_SECONDS_MAX), ring
        )

    def jump(self) -> bool:
        return False


class _VirtualAlarm:
    __slots__ = ("ring",)

    def __init__(self, ring: Callable[[], None]) -> None:
        self.ring: Callable[[], None] | None = ring

    def cancel(self) -> None:
        self.ring = None


class VirtualClock:
    """A clock for tests. `jump` is called by the runtime when the test waits for
    a run and nothing else can move."""

    __slots__ = ("_alarms", "_now_ns", "_order", "virtual")

    def __init__(self, now_ns: int | None = None) -> None:
        self.virtual = True
        self._now_ns = time.time_ns() if now_ns is None else now_ns
        self._alarms: list[tuple[int, int, _VirtualAlarm]] = []
        self._order = count()

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic(self) -> float:
        return time.monotonic()

    def alarm(self, deadline_ns: int, ring: Callable[[], None]) -> Alarm:
        alarm = _VirtualAlarm(ring)
        heapq.heappush(self._alarms, (deadline_ns, next(self._order), alarm))
        return alarm

    def jump(self) -> bool:
        while self._alarms:
            deadline_ns, _, alarm = heapq.heappop(self._alarms)
            if alarm.ring is not None:
                self._now_ns = max(self._now_ns, deadline_ns)
                ring, alarm.ring = alarm.ring, None
                ring()
                return True
        return False
