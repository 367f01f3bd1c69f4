"""Time, as the runtime sees it: nanoseconds of the engine, seconds of leases, alarms.

Engine time is the database's clock, which all processes share whatever the clocks of
their machines say: a deadline that one process has set means the same moment to the
next. It never goes backwards within a process. The virtual clock stands still until
it is told to jump to its next alarm.

Theory. No process reads the database's clock for each step; it keeps the difference
to its own monotonic clock (`Agreement`). An answer that was asked for at `sent` and
received at `received` was given somewhere in between, so the difference lies between
`database - received` and `database - sent`. We take the lower bound, and of several
answers the highest one, lowered by what the clocks may have drifted apart since: so
engine time is behind the database's by less than the quickest of the last answers took
to come back, and ahead of it only when that clock itself was set back; then the next
answer lowers it. Hence a timer never fires before its time.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

#: A clock may be set while we sleep, so no alarm sleeps longer than this.
NAP_SECONDS_MAX = 60.0

#: How far two clocks part in a second, at most: twice what NTP allows itself.
DRIFT_NS_PER_SECOND = 1_000_000


class Alarm(Protocol):
    """A pending call; `cancel` may be called at any time, any number of times."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Where engine time comes from."""

    #: Whether time moves only by `jump`.
    virtual: bool

    def now_ns(self) -> int: ...

    def agree(self, database_ns: int, sent: float, received: float) -> None:
        """The database's clock stood at `database_ns` at some time between `sent` and
        `received` (of `monotonic`)."""
        ...

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


class Agreement:
    """How far the database's clock is ahead of our monotonic one."""

    __slots__ = ("_at", "ns")

    def __init__(self, ns: int) -> None:
        self.ns = ns
        self._at: float | None = None

    def agree(self, database_ns: int, sent: float, received: float) -> None:
        """See `Clock.agree`."""
        least, most = database_ns - int(received * 1e9), database_ns - int(sent * 1e9)
        if self._at is None:
            self.ns = least
        else:
            drift_ns = int((received - self._at) * DRIFT_NS_PER_SECOND)
            self.ns = min(max(self.ns - drift_ns, least), most)
        self._at = received


class WallClock:
    """The database's clock; the machine's until there is an answer to go by."""

    __slots__ = ("_agreement", "_last_ns", "agree", "virtual")

    def __init__(self) -> None:
        self.virtual = False
        self._last_ns = 0
        self._agreement = Agreement(time.time_ns() - time.monotonic_ns())
        self.agree = self._agreement.agree

    def now_ns(self) -> int:
        now = time.monotonic_ns() + self._agreement.ns
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

    def agree(self, database_ns: int, sent: float, received: float) -> None:
        pass  # Time moves only by `jump`.

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
