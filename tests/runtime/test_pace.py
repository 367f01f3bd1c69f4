"""How many attempts begin in one turn of the loop, by a clock that only they move."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from waymark import Workflow, action, workflow
from waymark.runtime.pace import ATTEMPTS_MAX, TURN_SECONDS, Pace

pytestmark = pytest.mark.anyio


class Turns:
    """A clock for the running loop, and the number of the turn it is in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = asyncio.get_running_loop()
        self.ahead = 0.0
        self.number = 0
        time: Callable[[], float] = self._loop.time
        monkeypatch.setattr(self._loop, "time", lambda: time() * 1e-9 + self.ahead)
        self._count()

    def _count(self) -> None:
        self.number += 1
        self._handle = self._loop.call_soon(self._count)

    def close(self) -> None:
        self._handle.cancel()


def begin(pace: Pace, turns: Turns, seconds: float, waiting: int = 1000) -> int:
    """One turn: begin what may begin, each of which computes for `seconds`."""
    count = min(waiting, pace.limit)
    measured = pace.enter(count)
    for _ in range(count):
        asyncio.get_running_loop().call_soon(_compute, turns, seconds)
    if measured:
        pace.leave(count)
    return count


def _compute(turns: Turns, seconds: float) -> None:
    turns.ahead += seconds


async def test_as_many_begin_as_fit_into_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(monkeypatch)
    pace = Pace(asyncio.get_running_loop())
    begun = []
    for seconds in (0.0, 0.001, 0.001, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0):
        begun.append(begin(pace, turns, seconds))
        await asyncio.sleep(0)
    turns.close()
    assert TURN_SECONDS == 0.01
    assert begun == [50, 50, 10, 10, 1, 1, 2, 4, 8, 16, 32, 50]


async def test_what_else_the_loop_does_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(monkeypatch)
    pace = Pace(asyncio.get_running_loop())
    for _ in range(5):
        asyncio.get_running_loop().call_soon(_compute, turns, 1.0)
        begin(pace, turns, 0.0)
        asyncio.get_running_loop().call_soon(_compute, turns, 1.0)
        await asyncio.sleep(0)
    turns.close()
    assert pace.limit == ATTEMPTS_MAX


async def test_few_attempts_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(monkeypatch)
    pace = Pace(asyncio.get_running_loop())
    begin(pace, turns, 0.001, waiting=3)
    await asyncio.sleep(0)
    turns.close()
    assert pace.limit == ATTEMPTS_MAX


_compute_in_action: Callable[[], None] = lambda: None  # noqa: E731


@action
async def computing(number: int) -> int:
    _compute_in_action()
    return number


@workflow
class Computing(Workflow):
    async def run(self, width: int) -> int:
        return sum(await asyncio.gather(*[computing(number) for number in range(width)]))


async def test_actions_that_compute_leave_the_loop_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = Turns(monkeypatch)
    by_turn: Counter[int] = Counter()

    def compute() -> None:
        turns.ahead += 0.002
        by_turn[turns.number] += 1

    monkeypatch.setitem(globals(), "_compute_in_action", compute)
    assert await Computing().run(400) == sum(range(400))
    turns.close()
    counts = list(by_turn.values())
    assert sum(counts) == 400
    assert counts[0] == ATTEMPTS_MAX  # nothing is known yet
    assert max(counts[2:]) <= 5, counts
