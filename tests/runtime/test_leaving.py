"""A process that leaves takes nothing more, and holds nobody up: what cannot go on in it
goes on elsewhere at once. No poll comes to the help of these tests, only hints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from tests.runtime.serving import begin, result, submit, until
from tests.runtime.workflows import Chain, Double, HoldTwo, Nap, Stage
from waymark.app import Ownership
from waymark.errors import StoppingError
from waymark.runtime.runtime import Runtime
from waymark.store.protocol import Store

pytestmark = pytest.mark.anyio

#: Longer than any test takes.
NEVER_SECONDS = 3600.0


async def pair(
    new_store: Callable[[], Store], **settings: object
) -> tuple[tuple[Runtime, Ownership], tuple[Runtime, Ownership]]:
    """Two processes; the first has the settings, the second knows its workflows."""
    settings = {"poll_seconds": NEVER_SECONDS, "drain_seconds": NEVER_SECONDS, **settings}
    first = await begin(new_store(), **settings)
    second = await begin(new_store(), poll_seconds=NEVER_SECONDS)
    for shape in (Double, HoldTwo, Chain, Nap):
        await second[0]._programs.ensure(shape.__waymark__)
    listening = getattr(second[0]._backing.store, "_hints", None)
    if listening is not None:
        await until(lambda: listening.listens)
    return first, second


async def test_what_waits_for_a_slot_goes_on_elsewhere_at_once(
    new_store: Callable[[], Store], stage: Stage
) -> None:
    """While the only slot of the leaving process is taken, others do the rest; the run in
    the slot follows when its attempt has ended, and that is not done twice."""
    (leaving, ownership), (staying, other) = await pair(new_store, concurrency=1)
    held = await submit(leaving, HoldTwo)
    await stage.begun.wait()
    waiting = [await submit(leaving, Double, number) for number in (10, 11, 12)]
    order: list[str] = []
    stop = asyncio.create_task(ownership.end())
    stop.add_done_callback(lambda _: order.append("left"))
    for run_id in waiting:
        assert await result(staying, run_id, Double) >= 20
    order.append("others done")
    assert not stop.done()
    with pytest.raises(StoppingError):
        await submit(leaving, Double, 1)
    stage.go.set()
    assert await result(staying, held, HoldTwo) == [2, "two", 4]
    await stop
    await until(lambda: len(order) > 1)  # A task is done one turn before its callbacks.
    assert order == ["others done", "left"]
    assert stage.calls["two"] == 1
    await other.end()


async def test_what_sleeps_is_given_back_at_once(
    new_store: Callable[[], Store], stage: Stage
) -> None:
    """A run that waits for a timer needs nobody who leaves."""
    (leaving, ownership), (staying, other) = await pair(new_store)
    held = await submit(leaving, HoldTwo)
    await stage.begun.wait()
    asleep = await submit(leaving, Nap, 0.05)
    stop = asyncio.create_task(ownership.end())
    assert await result(staying, asleep, Nap) == 14
    assert not stop.done()
    stage.go.set()
    assert await result(staying, held, HoldTwo) == [2, "two", 4]
    await stop
    await other.end()


async def test_the_last_word_is_a_hint(new_store: Callable[[], Store], stage: Stage) -> None:
    """Attempts that outlast the drain are interrupted, their runs go on elsewhere without
    anybody's poll."""
    (leaving, ownership), (staying, other) = await pair(new_store, drain_seconds=0.0)
    ids: list[UUID] = [await submit(leaving, HoldTwo) for _ in range(3)]
    await until(lambda: stage.calls["two"] == 3)
    await ownership.end()
    stage.go.set()
    for run_id in ids:
        assert await result(staying, run_id, HoldTwo) == [2, "two", 4]
    assert stage.calls["two"] == 6
    assert stage.calls["double 1"] == 3
    await other.end()


async def test_an_outcome_that_has_arrived_is_recorded_before_the_run_leaves(
    new_store: Callable[[], Store], stage: Stage
) -> None:
    """Leaving in the very turn in which attempts end does no work twice."""
    (leaving, ownership), (staying, other) = await pair(new_store)
    ids = [await submit(leaving, Chain, number) for number in range(20)]
    await ownership.end()
    for number, run_id in enumerate(ids):
        assert await result(staying, run_id, Chain) == 16 * number
    keys = list(stage.keys)
    assert len(keys) == len(set(keys)) == 80
    await other.end()
