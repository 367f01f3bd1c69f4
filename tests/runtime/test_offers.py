"""Calls that are offered to other processes, over a connection that loses the answers."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.runtime.serving import result, serving, submit
from waymark import RetryPolicy, Workflow, action, context, workflow
from waymark.errors import StoreUnavailable
from waymark.store.memory import MemoryDatabase, MemoryStore

pytestmark = pytest.mark.anyio

begun: list[int] = []


@action(queue="gpu", retry=RetryPolicy(attempts=3, backoff_seconds=0.01))
async def second_time() -> int:
    begun.append(context().attempt)
    if context().attempt == 1:
        raise OSError("not yet")
    return context().attempt


@workflow
class Twice(Workflow):
    async def run(self) -> int:
        return await second_time()


async def test_an_attempt_whose_outcome_is_known_is_not_offered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The offer of the first attempt arrives, and its answer never does."""
    begun.clear()
    database = MemoryDatabase()
    store = MemoryStore(database)
    offer = store.tasks.offer

    async def lossy(worker: UUID, offers: Any, count_max: int) -> tuple[int, list[UUID]]:
        answer = await offer(worker, offers, count_max)
        if any(each.attempt == 1 for each in offers):
            raise StoreUnavailable("the answer is lost")
        return answer

    monkeypatch.setattr(store.tasks, "offer", lossy)
    async with serving(store) as web, serving(MemoryStore(database), queues=("gpu",)):
        async with asyncio.timeout(20):
            assert await result(web, await submit(web, Twice)) == 2
    assert begun == [1, 2]
