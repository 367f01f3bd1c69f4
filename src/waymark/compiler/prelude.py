"""asyncio's functions that wait, written in the workflow language.

The compiler puts those that a workflow needs into its graph, as functions like any
other (`graph/concurrency.py` has who needs which). So they are frames in the
engine, recovery repeats them as it repeats the author's own, and a run in flight
keeps the definitions it began with. They do what CPython 3.13's do, in the same
turns of the loop; the sync steps in between are the engine's, see `primitives`.

Awaiting a future that is pending is the only thing here that gives up a turn.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, ensure_future
from collections.abc import Callable
from typing import Any

from .primitives import (
    abort_group,
    begin_leaving,
    claim_lock,
    condition_lock,
    end_watch,
    event_seconds,
    finish_group,
    forget_emptied,
    group_aborting,
    group_emptied,
    group_has_tasks,
    hand_back,
    join_getters,
    join_line,
    leave_getters,
    leave_line,
    mailbox,
    notify_another,
    pass_lock_on,
    store_empty,
    take_completed,
    take_event,
    take_lock,
    take_semaphore,
    wake_waiters,
    watch,
    watch_results,
    watched,
)


async def leave_group(group: Any, error: BaseException | None) -> None:
    """`TaskGroup.__aexit__`. A cancellation of the parent is held back until all
    tasks are over; the end decides whether it was the group's own."""
    begin_leaving(group, error)
    lost = error if isinstance(error, CancelledError) else None
    while group_has_tasks(group):
        try:
            await group_emptied(group)
        except CancelledError as cancelled:
            if not group_aborting(group):
                lost = cancelled
                abort_group(group)
        forget_emptied(group)
    finish_group(group, error, lost)


async def wait_for(fut: Any, timeout: Any) -> Any:
    """`asyncio.wait_for`: the awaitable runs in the task that called."""
    if timeout is not None and timeout <= 0:
        future: Any = ensure_future(fut)
        if future.done():
            return future.result()
        seen = watch([future], None, "ALL_COMPLETED")
        try:
            future.cancel()
            await watched(seen)
        finally:
            end_watch(seen)
        try:
            return future.result()
        except CancelledError as error:
            raise TimeoutError from error
    async with asyncio.timeout(timeout):
        return await fut


async def wait(fs: Any, *, timeout: Any = None, return_when: str = "ALL_COMPLETED") -> Any:
    """`asyncio.wait`."""
    seen = watch(fs, timeout, return_when)
    try:
        await watched(seen)
    finally:
        end_watch(seen)
    return watch_results(seen)


async def next_completed(completed: Any, resolve: bool) -> Any:
    """What an item of `asyncio.as_completed` comes to."""
    await has_item(completed)
    return take_completed(completed, resolve)


async def has_item(store: Any) -> None:
    """Wait until there is an item to take, as `Queue.get` does."""
    while store_empty(store):
        getter = join_getters(store)
        try:
            await getter
        except BaseException:
            leave_getters(store, getter)
            raise


async def wait_for_event(
    name: str,
    *,
    type: Any = None,  # noqa: A002 - as the author gives it
    timeout: Any = None,
) -> Any:
    """`Workflow.wait_for_event`: the time limit is that of `asyncio.timeout`."""
    box = mailbox(name)
    async with asyncio.timeout(event_seconds(timeout)):
        await has_item(box)
        return take_event(box, type)


async def acquire_lock(lock: Any) -> bool:
    """`Lock.acquire`."""
    if take_lock(lock):
        return True
    waiter = join_line(lock)
    try:
        try:
            await waiter
        finally:
            leave_line(lock, waiter)
    except CancelledError:
        pass_lock_on(lock)
        raise
    claim_lock(lock)
    return True


async def enter_lock(lock: Any) -> None:
    """`async with lock`, which binds nothing."""
    await acquire_lock(lock)


async def acquire_semaphore(semaphore: Any) -> bool:
    """`Semaphore.acquire`: whoever wakes a waiter has taken one for it."""
    if take_semaphore(semaphore):
        return True
    waiter = join_line(semaphore)
    try:
        try:
            await waiter
        finally:
            leave_line(semaphore, waiter)
    except CancelledError:
        hand_back(semaphore, waiter)
        raise
    finally:
        wake_waiters(semaphore)
    return True


async def enter_semaphore(semaphore: Any) -> None:
    """`async with semaphore`, which binds nothing."""
    await acquire_semaphore(semaphore)


async def wait_event(event: Any) -> bool:
    """`Event.wait`."""
    if event.is_set():
        return True
    waiter = join_line(event)
    try:
        await waiter
        return True
    finally:
        leave_line(event, waiter)


async def wait_condition(condition: Any) -> bool:
    """`Condition.wait`: the lock is taken again whatever happens."""
    if not condition.locked():
        raise RuntimeError("cannot wait on un-acquired lock")
    condition.release()
    try:
        try:
            waiter = join_line(condition)
            try:
                await waiter
                return True
            finally:
                leave_line(condition, waiter)
        finally:
            await take_again(condition)
    except BaseException:
        notify_another(condition)
        raise


async def take_again(condition: Any) -> None:
    """Take a condition's lock, and raise the last cancellation only then."""
    lost: BaseException | None = None
    while True:
        try:
            await acquire_lock(condition_lock(condition))
            break
        except CancelledError as cancelled:
            lost = cancelled
    if lost is not None:
        raise lost


async def wait_until(condition: Any, predicate: Callable[[], Any]) -> Any:
    """`Condition.wait_for`."""
    result = predicate()
    while not result:
        await wait_condition(condition)
        result = predicate()
    return result
