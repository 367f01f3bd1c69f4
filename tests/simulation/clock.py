"""The clocks of a simulated machine."""

from __future__ import annotations

from collections.abc import Callable

from waymark.runtime.clock import Agreement, Alarm

from .loop import SimLoop

#: The database's clock at the beginning, and what its answers are rounded by.
START_NS = 1_700_000_000_000_000_000
CLOCK_ERROR_NS = 1000


class SimClock:
    """The machine's clocks: its wall clock is off by a constant, and never asked once the
    database has told the time. From then on it is never ahead of that."""

    virtual = False

    def __init__(self, loop: SimLoop, skew_seconds: float, complain: Callable[[str], None]) -> None:
        self._loop = loop
        self._complain = complain
        self._agreed = False
        self._agreement = Agreement(START_NS + round(skew_seconds * 1e9))
        self._last_ns = 0

    def agree(self, database_ns: int, sent: float, received: float) -> None:
        self._agreed = True
        self._agreement.agree(database_ns, sent, received)

    def now_ns(self) -> int:
        elapsed = round(self._loop.time() * 1e9)
        self._last_ns = max(self._last_ns, self._agreement.ns + elapsed)
        ahead = self._last_ns - START_NS - elapsed
        if self._agreed and ahead > CLOCK_ERROR_NS:
            self._complain(f"engine time is {ahead} ns ahead of the database")
        return self._last_ns

    def monotonic(self) -> float:
        return self._loop.time()

    def alarm(self, deadline_ns: int, ring: Callable[[], None]) -> Alarm:
        seconds = (deadline_ns - self.now_ns()) / 1e9
        return self._loop.call_later(min(max(seconds, 0.0) + 0.0002, 60.0), ring)

    def jump(self) -> bool:
        return False
