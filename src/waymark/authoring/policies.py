"""Attempts outside of a run: what `Workflow.run_action` does under plain asyncio.

In a run the same policies are obeyed by the runtime, which records each failure.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, TypeVar

from waymark.errors import ActionTimeout
from waymark.graph.policies import NO_CALL, CallPolicy, RetryPolicy, call_policy

from .action import Action

__all__ = ["CallPolicy", "RetryPolicy", "attempts", "call_policy"]

T = TypeVar("T")

#: What the coroutine of an action's plain call executes.
_PLAIN_CALL = vars(Action)["__call__"].__code__


def attempts(
    call: Coroutine[Any, Any, T], retry: RetryPolicy | None, timeout: object
) -> Coroutine[Any, Any, T]:
    """The call of an action, tried as often as the policies say. Raises TypeError
    for something else, and for impossible policies."""
    if not isinstance(call, CoroutineType) or call.cr_code is not _PLAIN_CALL:
        raise TypeError(NO_CALL)
    return _attempts(call, call_policy(retry, timeout))


async def _attempts(call: CoroutineType[Any, Any, T], given: CallPolicy) -> T:
    if inspect.getcoroutinestate(call) != inspect.CORO_CREATED:
        raise RuntimeError("cannot reuse already awaited coroutine")
    held = inspect.getcoroutinelocals(call)
    action: Action[..., T] = held["self"]
    call.close()
    policy = given.over(action.policy)
    attempt = 0
    while True:
        attempt += 1
        try:
            again = action(*held["args"], **held["kwargs"])
            return await within(again, policy.timeout_seconds, action.name, attempt)
        except Exception as error:
            delay = None
            if policy.retry is not None:
                chance = random.random()  # noqa: S311 - jitter, no secret
                delay = policy.retry.delay_seconds(attempt, error, chance)
            if delay is None:
                raise
        await asyncio.sleep(delay)


async def within(
    call: Coroutine[Any, Any, T], seconds: float | None, action: str, attempt: int
) -> T:
    """Await one attempt; ActionTimeout when it takes longer."""
    if seconds is None:
        return await call
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call
    except TimeoutError:
        if limit.expired():
            raise ActionTimeout(action, attempt, seconds) from None
        raise
