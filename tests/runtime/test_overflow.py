"""What is offered to others, by what waits and what begins between two looks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

import pytest

from waymark.runtime.executor import Executor
from waymark.runtime.overflow import Overflow

pytestmark = pytest.mark.anyio


class Queue:
    """An executor's queue: calls come at its end and leave at its front."""

    def __init__(self) -> None:
        self.ready: deque[Any] = deque()
        self.passed = 0

    def come(self, count: int) -> None:
        self.ready.extend((None, number) for number in range(count))

    def begin(self, count: int) -> None:
        for _ in range(count):
            self.ready.popleft()
        self.passed += count


@pytest.fixture
async def looks(monkeypatch: pytest.MonkeyPatch) -> deque[Any]:
    """What the loop is to call later, which the test calls itself."""
    later: deque[Any] = deque()

    def call_later(_: float, callback: Any) -> None:
        later.append(callback)

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    return later


async def test_as_many_as_begin_between_two_looks_are_kept(looks: deque[Any]) -> None:
    """What came after the first look counts for nothing yet."""
    queue = Queue()
    overflow = Overflow(cast("Executor", queue), lambda: None)
    queue.come(100)
    overflow.crowded()
    queue.begin(10)
    queue.come(1_000)
    looks.pop()()
    assert overflow.excess == 90 - 10
    queue.begin(1_090)
    looks.pop()()
    assert overflow.excess == 0


async def test_what_was_taken_away_is_not_taken_for_begun(looks: deque[Any]) -> None:
    """The next look after calls were given to others tells nothing; the one after it does."""
    queue = Queue()
    overflow = Overflow(cast("Executor", queue), lambda: None)
    queue.come(100)
    overflow.crowded()
    taken = overflow.take(60, lambda run, call: True)
    assert [call for _, call in taken] == list(range(40, 100))
    looks.pop()()
    assert overflow.excess == 0
    queue.begin(5)
    looks.pop()()
    assert overflow.excess == 35 - 5
