"""What attempts say of themselves that are made for a run of another process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from waymark import ActionTimeout, RetryPolicy, Workflow, action, workflow
from waymark.authoring import context
from waymark.runtime import reports
from waymark.store.protocol import Store
from waymark.store.tasks import ReportedTask

pytestmark = pytest.mark.anyio

#: Progress as each attempt found it.
found: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_found() -> None:
    found.clear()


def beat(numbers: list[int]) -> list[Any]:
    here, found = context(), []
    for number in numbers:
        here.heartbeat(number)
        found.append(here.progress)
    return found


async def beat_in_loop(numbers: list[int]) -> list[Any]:
    return beat(numbers)


in_thread = action(queue="gpu")(beat)
in_loop = action(queue="gpu", heartbeat_timeout=30.0)(beat_in_loop)


@workflow
class Beat(Workflow):
    async def run(self, numbers: list[int]) -> list[Any]:
        return [*await in_thread(numbers), *await in_loop(numbers)]


async def test_who_works_for_another_beats(new_store: Callable[[], Store]) -> None:
    """With a limit for its beats and without, in the loop and in a thread; and it finds what it
    said of its progress."""
    async with (
        serving(new_store(), queues=("default",)) as web,
        serving(new_store(), queues=("gpu",)),
    ):
        assert await run(web, Beat, [1, 2]) == [1, 2, 1, 2]


@action(queue="gpu", retry=RetryPolicy(attempts=4, backoff_seconds=0))
async def climb() -> int:
    here = context()
    found.append(here.progress)
    here.heartbeat((here.progress or 0) + 10)
    if here.attempt < 4:
        raise ConnectionError(f"slipped at {here.progress}")
    return int(here.progress)


@workflow
class Climb(Workflow):
    async def run(self) -> int:
        return await climb()


async def test_the_next_attempt_finds_what_the_last_one_said(
    new_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes it, and before anything was written on the way."""
    monkeypatch.setattr(reports, "WRITE_SECONDS", 3600.0)
    async with (
        serving(new_store(), queues=("default",)) as web,
        serving(new_store(), queues=("gpu",)),
        serving(new_store(), queues=("gpu",)),
    ):
        assert await run(web, Climb) == 40
    assert found == [None, 10, 20, 30]


@action(queue="gpu")
async def linger() -> int:
    here = context()
    before = here.progress
    here.heartbeat(-1)
    await asyncio.sleep(0.05)  # By then that may be written.
    here.heartbeat((before or 0) + 1)
    found.append(before)
    if len(found) < 3:
        await asyncio.Event().wait()
    return int(here.progress)


@workflow
class Linger(Workflow):
    async def run(self) -> int:
        return await linger()


async def test_who_takes_over_from_one_that_leaves_finds_its_progress(
    new_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last word of it, which is written when the attempt is given back."""
    monkeypatch.setattr(reports, "WRITE_SECONDS", 3600.0)
    async with serving(new_store(), queues=("default",)) as web:
        run_id = await submit(web, Linger)
        for attempts in (1, 2):
            async with serving(new_store(), queues=("gpu",), drain_seconds=0.0):
                await until(lambda: len(found) == attempts)  # noqa: B023  # called at once
        async with serving(new_store(), queues=("gpu",)):
            assert await result(web, run_id) == 3
    assert found == [None, 1, 2]


async def test_who_takes_over_from_one_that_died_finds_its_progress(
    new_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was written last."""
    monkeypatch.setattr(reports, "WRITE_SECONDS", 0.01)
    written: list[bytes] = []

    def watched(store: Store) -> Store:
        report = store.tasks.report

        async def watch(worker: UUID, tasks: Sequence[ReportedTask]) -> None:
            await report(worker, tasks)
            written.extend(task.report for task in tasks)

        monkeypatch.setattr(store.tasks, "report", watch)
        return store

    async with serving(new_store(), queues=("default",)) as web:
        run_id = await submit(web, Linger)
        helper, ownership = await begin(watched(new_store()), queues=("gpu",))
        for progress in (1, 2):
            last = b'{"since":0,"progress":%d}' % progress
            await until(lambda: last in written)  # noqa: B023  # called at once
            await bury(new_store, helper.worker)
        assert await result(web, run_id) == 3
        await ownership.end()
    assert found == [None, 1, 2]


async def bury(new_store: Callable[[], Store], dead: UUID) -> None:
    """Declare a worker dead; it goes on under another name."""
    store = new_store()
    await store.open()
    await store.remove_worker(dead)
    await store.close()


STEADILY = RetryPolicy(attempts=30, backoff_seconds=0.05, max_backoff_seconds=0.05)


@action(queue="gpu", retry=STEADILY, total_timeout=0.5)
async def insist() -> None:
    found.append(context().attempt)
    raise ConnectionError("not yet")


@workflow
class Insist(Workflow):
    async def run(self) -> None:
        await insist()


#: Who made attempts of `share`.
shares: ContextVar[str] = ContextVar("shares", default="owner")


@action(heartbeat_timeout=30.0, total_timeout=60.0)
async def share() -> str:
    """Ends when both processes have begun some."""
    found.append(shares.get())
    await until(lambda: len(set(found)) == 2)
    return shares.get()


@workflow
class Share(Workflow):
    async def run(self, width: int) -> list[str]:
        return await asyncio.gather(*[share() for _ in range(width)])


async def test_calls_with_limits_are_shared_too(new_store: Callable[[], Store]) -> None:
    """With those for their beats and over all their attempts."""
    async with serving(new_store(), concurrency=2) as owner:
        shares.set("helper")
        async with serving(new_store(), concurrency=2):
            assert set(await run(owner, Share, 40)) == {"owner", "helper"}


#: What the owner of `Mark` waits for.
gates: list[asyncio.Event] = []


@action(retry=RetryPolicy(attempts=4, backoff_seconds=0), heartbeat_timeout=30.0)
async def mark(number: int) -> int:
    """Each attempt finds what the one before said. Who helps never ends a second one."""
    here = context()
    if shares.get() == "owner":
        await gates[-1].wait()
    elif here.attempt > 1:
        found.append(number)
        await asyncio.Event().wait()
    assert (here.progress or 0) == here.attempt - 1
    here.heartbeat(here.attempt)
    if here.attempt < 4:
        raise ConnectionError(f"attempt {here.attempt}")
    return number


@workflow
class Mark(Workflow):
    async def run(self, width: int) -> list[int]:
        return await asyncio.gather(*[mark(number) for number in range(width)])


async def test_who_takes_back_what_it_offered_finds_its_progress(
    new_store: Callable[[], Store],
) -> None:
    """The owner of the run makes attempts for itself as it does for others."""
    gates.append(asyncio.Event())
    async with serving(new_store(), concurrency=1) as owner:
        run_id = await submit(owner, Mark, 8)
        shares.set("helper")
        async with serving(new_store(), concurrency=10, drain_seconds=0.0):
            await until(lambda: len(found) >= 2)
        gates[-1].set()
        assert await result(owner, run_id) == list(range(8))


async def test_a_limit_over_all_attempts_begins_with_the_first(
    new_store: Callable[[], Store],
) -> None:
    """Though each of them is an offer of its own."""
    async with (
        serving(new_store(), queues=("default",)) as web,
        serving(new_store(), queues=("gpu",)),
    ):
        with pytest.raises((ConnectionError, ActionTimeout)):
            await run(web, Insist)
    assert 1 <= len(found) <= 11
