"""A clock that tests move, and workflows that wait for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.runtime.workflows import Hold, double
from waymark.authoring import Workflow, workflow
from waymark.runtime.clock import Alarm
from waymark.store.memory import MemoryDatabase

HOUR_NS = 3_600_000_000_000


class _Alarm:
    def __init__(self, deadline_ns: int, ring: Callable[[], None]) -> None:
        self.deadline_ns = deadline_ns
        self.ring = ring
        self.over = False

    def cancel(self) -> None:
        self.over = True


class MovedClock:
    """Time of the database and of all processes; stands still until it is moved."""

    virtual = False

    def __init__(self) -> None:
        self._now_ns = 1_700_000_000 * 10**9
        self._alarms: list[_Alarm] = []
        self._loop = asyncio.get_running_loop()

    def now_ns(self) -> int:
        return self._now_ns

    def agree(self, database_ns: int, sent: float, received: float) -> None:
        pass

    def monotonic(self) -> float:
        return self._loop.time()

    def alarm(self, deadline_ns: int, ring: Callable[[], None]) -> Alarm:
        alarm = _Alarm(deadline_ns, ring)
        self._alarms.append(alarm)
        self._loop.call_soon(self.move, 0)
        return alarm

    def jump(self) -> bool:
        return False

    def move(self, nanoseconds: int) -> None:
        """Let time pass, and ring what is due."""
        self._now_ns += nanoseconds
        due = [alarm for alarm in self._alarms if alarm.deadline_ns <= self._now_ns]
        self._alarms = [alarm for alarm in self._alarms if alarm not in due]
        for alarm in due:
            if not alarm.over:
                alarm.ring()

    def database(self) -> MemoryDatabase:
        return MemoryDatabase(lambda: self._now_ns / 1e9)


@workflow
class Overnight(Workflow):
    """Sleeps between two actions."""

    async def run(self, seconds: float) -> list[int]:
        first = await double(1)
        await asyncio.sleep(seconds)
        return [first, await double(2)]


@workflow
class Sleeping(Workflow):
    """Sleeps at once."""

    async def run(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds


@workflow
class Alarms(Workflow):
    """Several timers, of which one is near, and an action beside one that is far."""

    async def run(self, seconds: list[float], name: str) -> list[Any]:
        naps = asyncio.gather(*[asyncio.sleep(each, each) for each in seconds])
        held = await Hold().run(name) if name else name
        return [held, *await naps]


@workflow
class Limited(Workflow):
    """Waits for a child, for so long at most."""

    async def run(self, name: str, seconds: float) -> str:
        try:
            return await asyncio.wait_for(Hold().run(name), seconds)
        except TimeoutError:
            return "too late"


@workflow
class Waiting(Workflow):
    """Waits for a child that sleeps, and counts."""

    async def run(self, seconds: float) -> list[float]:
        return [await Sleeping().run(seconds), await Sleeping().run(seconds)]


@workflow
class Tidy(Workflow):
    """Cleans up when it is cancelled in its sleep."""

    async def run(self, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            return f"cleaned {await double(4)}"
        return "slept"
