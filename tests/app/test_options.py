"""`Workflow.options`: what it takes, what it refuses, and that it binds one object alone."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

import waymark
from waymark import Workflow, action, workflow

pytestmark = pytest.mark.anyio

begun: list[int] = []


@action
async def begin(number: int) -> int:
    begun.append(number)
    return number


@workflow
class Begin(Workflow):
    async def run(self, number: int) -> int:
        return await begin(number)


@workflow
class Born(Workflow):
    def __init__(self, number: int = 5) -> None:
        self.number = number

    async def run(self) -> int:
        return await begin(self.number)


@pytest.mark.parametrize("delay", [3600, timedelta(days=30), 0.5, 0])
async def test_in_a_test_a_delay_takes_no_time(delay: Any) -> None:
    began = time.monotonic()
    assert await Begin().options(delay=delay).run(1) == 1
    handle = await Begin().options(delay=delay).submit(2)
    assert await handle.result() == 2
    assert time.monotonic() - began < 30


async def test_a_delayed_run_may_be_cancelled_in_a_test() -> None:
    """It never begins."""
    begun.clear()
    handle = await Begin().options(delay=3600).submit(3)
    await handle.cancel()
    with pytest.raises(waymark.RunCancelled):
        await handle.result()
    assert not begun


async def test_the_first_that_is_due_begins_first() -> None:
    """Whatever came first."""
    begun.clear()
    late = await Begin().options(delay=20).submit(2)
    early = await Begin().options(delay=10).submit(1)
    assert [await late.result(), await early.result()] == [2, 1]
    assert begun == [1, 2]


async def test_options_leave_their_object_alone() -> None:
    """What is given last counts, and what is not given stays."""
    plain = Begin()
    urgent = plain.options(priority=3, delay=5)
    later = urgent.options(delay=timedelta(minutes=1))
    assert (plain.__waymark_options__.delay_seconds, plain.__waymark_options__.priority) == (0, 0)
    assert (urgent.__waymark_options__.delay_seconds, urgent.__waymark_options__.priority) == (5, 3)
    assert (later.__waymark_options__.delay_seconds, later.__waymark_options__.priority) == (60, 3)
    assert await later.run(4) == 4
    assert await Born().options(delay=1).run() == 5
    with pytest.raises(TypeError, match="was made with arguments"):
        await Born(6).options(delay=1).run()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"delay": -5},
            ValueError,
            (
                "delay=-5 is negative, and no run can begin before it is submitted; leave delay"
                " out to begin at once"
            ),
        ),
        (
            {"delay": timedelta(seconds=-1)},
            ValueError,
            (
                "delay=datetime.timedelta(days=-1, seconds=86399) is negative, and no run can begin"
                " before it is submitted; leave delay out to begin at once"
            ),
        ),
        (
            {"delay": float("nan")},
            ValueError,
            "delay=nan: the longest is 1,000,000,000 seconds, some thirty years",
        ),
        (
            {"delay": float("inf")},
            ValueError,
            "delay=inf: the longest is 1,000,000,000 seconds, some thirty years",
        ),
        ({"delay": "5"}, TypeError, "delay='5': pass seconds or a timedelta"),
        ({"delay": True}, TypeError, "delay=True: pass seconds or a timedelta"),
        (
            {"priority": 40_000},
            ValueError,
            (
                "priority=40000 is beyond -32,768 to 32,767; the highest goes first, and without"
                " one a run has 0"
            ),
        ),
        (
            {"priority": 1.5},
            TypeError,
            "priority=1.5: pass an integer; the highest goes first",
        ),
        (
            {"priority": True},
            TypeError,
            "priority=True: pass an integer; the highest goes first",
        ),
    ],
)
async def test_what_can_never_apply_is_refused(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """Before anything is stored."""
    with pytest.raises(kind) as refused:
        Begin().options(**options)
    assert str(refused.value) == message
