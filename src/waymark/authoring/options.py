"""How one run is submitted: `Workflow.options`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

#: What a column of the store holds.
PRIORITY_MIN, PRIORITY_MAX = -32_768, 32_767

#: Some thirty years.
DELAY_SECONDS_MAX = 1e9


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a submission, checked. `delay_seconds` is 0 for at once; of what waits,
    the highest `priority` goes first."""

    delay_seconds: float = 0.0
    priority: int = 0


NO_OPTIONS = RunOptions()


def checked_options(
    before: RunOptions, delay: float | timedelta | None, priority: int | None
) -> RunOptions:
    """Options with what is given in the place of what was there before. Raises TypeError
    and ValueError."""
    return RunOptions(
        before.delay_seconds if delay is None else _checked_delay(delay),
        before.priority if priority is None else _checked_priority(priority),
    )


def _checked_delay(delay: object) -> float:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"delay={delay!r}: pass seconds or a timedelta")
    if seconds < 0:
        raise ValueError(
            f"delay={delay!r} is negative, and no run can begin before it is submitted; leave"
            " delay out to begin at once"
        )
    if not math.isfinite(seconds) or seconds > DELAY_SECONDS_MAX:
        raise ValueError(
            f"delay={delay!r}: the longest is {DELAY_SECONDS_MAX:,.0f} seconds, some thirty years"
        )
    return float(seconds)


def _checked_priority(priority: object) -> int:
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise TypeError(f"priority={priority!r}: pass an integer; the highest goes first")
    if not PRIORITY_MIN <= priority <= PRIORITY_MAX:
        raise ValueError(
            f"priority={priority!r} is beyond {PRIORITY_MIN:,} to {PRIORITY_MAX:,}; the highest"
            " goes first, and without one a run has 0"
        )
    return priority
