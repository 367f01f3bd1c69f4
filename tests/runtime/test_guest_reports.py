"""What attempts say of themselves that are made for a run of another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.serving import run, serving
from waymark import Workflow, action, workflow
from waymark.authoring import context
from waymark.store.protocol import Store

pytestmark = pytest.mark.anyio


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
