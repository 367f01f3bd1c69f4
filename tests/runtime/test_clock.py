"""Clocks and timers: nothing fires early, dropped timers never."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from waymark.runtime.clock import VirtualClock, WallClock
from waymark.runtime.live_run import LiveRun
from waymark.runtime.timers import Timers

pytestmark = pytest.mark.anyio


def make_run() -> LiveRun:
    return LiveRun(uuid4(), "w", 1, 0, None)


async def test_virtual_time_jumps_from_alarm_to_alarm() -> None:
    """Timers fire in order of their deadlines, and time is then that deadline."""
    clock = VirtualClock(now_ns=1_000)
    fired: list[tuple[int, int]] = []
    timers = Timers(clock, lambda run, timer: fired.append((timer, clock.now_ns())))
    run = make_run()
    timers.set(run, 2, 9_000)
    timers.set(run, 1, 5_000)
    assert clock.jump()
    assert clock.jump()
    assert not clock.jump()
    assert fired == [(1, 5_000), (2, 9_000)]


async def test_a_dropped_timer_never_fires() -> None:
    """Neither one that was dropped alone, nor all those of a closed run."""
    clock = VirtualClock(now_ns=0)
    fired: list[int] = []
    timers = Timers(clock, lambda run, timer: fired.append(timer))
    kept, gone = make_run(), make_run()
    for timer in range(200):
        timers.set(gone, timer, 10 + timer)
    timers.set(kept, 7, 50)
    timers.set(kept, 8, 60)
    timers.drop(kept, 8)
    timers.drop_all(gone)
    while clock.jump():
        pass
    assert fired == [7]


async def test_wall_clock_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back stands still until time has caught up."""
    times = iter([100, 50, 120])
    monkeypatch.setattr("waymark.runtime.clock.time.time_ns", lambda: next(times))
    clock = WallClock()
    assert [clock.now_ns() for _ in range(3)] == [100, 100, 120]


async def test_a_wall_alarm_is_never_early() -> None:
    """When the alarm rings the deadline has passed, so nobody spins."""
    clock = WallClock()
    rung: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    deadline = clock.now_ns() + 3_000_000
    clock.alarm(deadline, lambda: rung.set_result(clock.now_ns()))
    assert await rung >= deadline
