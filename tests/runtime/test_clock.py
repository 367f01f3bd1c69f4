"""Clocks and timers: nothing fires early, dropped timers never."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import uuid4

import pytest

from waymark.runtime.clock import Agreement, VirtualClock, WallClock
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


async def test_time_never_goes_back() -> None:
    """A clock that the database sets back stands still until time has caught up."""
    clock = WallClock()
    before, now = clock.now_ns(), clock.monotonic()
    clock.agree(before - 3_600 * 10**9, now, now)
    assert clock.now_ns() - before < 10**9
    clock.agree(before + 3_600 * 10**9, now, now)
    assert clock.now_ns() >= before + 3_600 * 10**9


def test_time_is_never_ahead_of_the_database() -> None:
    """Whatever answers take to come and go, and however the clocks drift."""
    dice = Random(7)
    agreement, slow = Agreement(123), 0.0
    for turn in range(500):
        sent = turn + dice.random()
        given, received = sent + dice.expovariate(20), sent + dice.expovariate(20)
        given, received = min(given, received), max(given, received)
        true = 50 + (1 - 3e-4) * given  # the database's clock, which is slow
        agreement.agree(int(true * 1e9), sent, received)
        behind = true - (given * 1e9 + agreement.ns) / 1e9
        assert behind > -1e-6
        slow = max(slow, behind if turn > 50 else 0.0)
    assert slow < 0.05


def test_a_database_whose_clock_was_set_back_is_followed() -> None:
    """With the next answer, as far as it tells."""
    agreement = Agreement(0)
    agreement.agree(5_000_000_000, 1.0, 1.1)
    agreement.agree(3_000_000_000, 2.0, 2.5)
    assert agreement.ns == 1_000_000_000


async def test_a_wall_alarm_is_never_early() -> None:
    """When the alarm rings the deadline has passed, so nobody spins."""
    clock = WallClock()
    rung: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    deadline = clock.now_ns() + 3_000_000
    clock.alarm(deadline, lambda: rung.set_result(clock.now_ns()))
    assert await rung >= deadline
