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
    call: Coroutine[Any, Any, T],
    retry: RetryPolicy | None,
    timeout: object,
    total_timeout: object = None,
) -> Coroutine[Any, Any, T]:
    """The call of an action, tried as often as the policies say. Raises TypeError
    for something else, and for impossible policies."""
    if not isinstance(call, CoroutineType) or call.cr_code is not _PLAIN_CALL:
        raise TypeError(NO_CALL)
    return _attempts(call, call_policy(retry, timeout, total_timeout))


async def _attempts(call: CoroutineType[Any, Any, T], given: CallPolicy) -> T:
    if inspect.getcoroutinestate(call) != inspect.CORO_CREATED:
        raise RuntimeError("cannot reuse already awaited coroutine")
    held = inspect.getcoroutinelocals(call)
    action: Action[..., T] = held["self"]
    call.close()
    policy = given.over(action.policy)
    attempt, loop = 0, asyncio.get_running_loop()
    began = loop.time()
    while True:
        attempt += 1
        try:
            again = action(*held["args"], **held["kwargs"])
            seconds, late = soonest(policy, action.name, attempt, loop.time() - began)
            return await within(again, seconds, late)
        except Exception as error:
            delay = pause(policy, attempt, error, loop.time() - began)
            if delay is None:
                raise
        await asyncio.sleep(delay)


def soonest(
    policy: CallPolicy, action: str, attempt: int, elapsed_seconds: float
) -> tuple[float | None, ActionTimeout | None]:
    """How long an attempt that begins may take, and its failure when it takes longer.
    `elapsed_seconds` have gone by since the first attempt began."""
    if policy.total_seconds is not None:
        left = policy.total_seconds - elapsed_seconds
        if policy.timeout_seconds is None or left < policy.timeout_seconds:
            total = ActionTimeout(action, attempt, policy.total_seconds, "total_timeout")
            return max(left, 0.0), total
    if policy.timeout_seconds is None:
        return None, None
    return policy.timeout_seconds, ActionTimeout(action, attempt, policy.timeout_seconds)


def pause(
    policy: CallPolicy, attempt: int, error: BaseException, elapsed_seconds: float
) -> float | None:
    """Seconds until the next attempt; None when this was the last, as it is when there
    is no time left for another."""
    if policy.retry is None:
        return None
    chance = random.random()  # noqa: S311 - jitter, no secret
    delay = policy.retry.delay_seconds(attempt, error, chance)
    total = policy.total_seconds
    if delay is None or (total is not None and elapsed_seconds + delay >= total):
        return None
    return delay


async def within(
    call: Coroutine[Any, Any, T], seconds: float | None, late: ActionTimeout | None
) -> T:
    """Await one attempt; raises `late` when it takes longer."""
    if seconds is None or late is None:
        return await call
    if seconds <= 0:
        call.close()
        raise late
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call
    except TimeoutError:
        if limit.expired():
            raise late from None
        raise
