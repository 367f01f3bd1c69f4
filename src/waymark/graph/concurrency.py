"""What of asyncio a graph may name, and what of its objects code may reach.

Three kinds of names. `concurrency`: functions and classes that the engine has
itself, `engine/concurrency`. `definition`: functions that wait, which the
compiler adds to each graph that uses them, written in the workflow language
(`compiler/prelude.py`); `NEEDS` says which a name brings with it. `primitive`: what
those definitions are made of, under `waymark.`; no author has a name for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["concurrency", "definition", "primitive"]

_CONCURRENCY = (
    "gather create_task ensure_future current_task get_running_loop shield timeout timeout_at"
    " as_completed TaskGroup Lock Semaphore BoundedSemaphore Event Condition"
)
_DEFINITIONS = "wait wait_for"
_PRIMITIVES = (
    "begin_leaving group_has_tasks group_emptied forget_emptied group_aborting abort_group"
    " finish_group join_line leave_line take_lock claim_lock pass_lock_on take_semaphore"
    " hand_back wake_waiters condition_lock notify_another watch watched end_watch"
    " watch_results take_completed store_empty join_getters leave_getters async_items mailbox"
    " take_event event_seconds"
)

_NEEDS = {
    "wait": "wait",
    "wait_for": "wait_for",
    "as_completed": "next_completed",
    "TaskGroup": "leave_group",
    "Lock": "acquire_lock enter_lock",
    "Semaphore": "acquire_semaphore enter_semaphore",
    "BoundedSemaphore": "acquire_semaphore enter_semaphore",
    "Event": "wait_event",
    "Condition": "acquire_lock enter_lock wait_condition wait_until",
}

#: Definitions that a name of asyncio, or of a workflow's base class, needs in the graph.
NEEDS: Mapping[str, tuple[str, ...]] = {
    f"asyncio.{name}": tuple(needed.split()) for name, needed in _NEEDS.items()
} | {"waymark.wait_for_event": ("wait_for_event",)}

#: What a call of gives something to await.
_AWAITABLE = "sleep gather create_task ensure_future current_task shield wait wait_for"
AWAITABLE = frozenset(f"asyncio.{name}" for name in _AWAITABLE.split())

_FUTURE = "cancel cancelled done exception result"

_METHODS = {
    "Future": f"{_FUTURE} set_exception set_result",
    "Task": f"{_FUTURE} cancelling get_name set_name uncancel",
    "GatheringFuture": _FUTURE,
    "RunLoop": "create_future create_task time",
    "TaskGroup": "create_task",
    "Timeout": "expired reschedule when",
    "Lock": "acquire locked release",
    "Semaphore": "acquire locked release",
    "BoundedSemaphore": "acquire locked release",
    "Event": "clear is_set set wait",
    "Condition": "acquire locked notify notify_all release wait wait_for",
}

#: The engine's modules whose types are listed here, for `methods.type_key`.
MODULES = frozenset({"future", "groups", "locks", "loop", "timeouts"})


def paths() -> dict[str, Kind]:
    """Every dotted path, with its kind."""
    found: dict[str, Kind] = {}
    for name in _CONCURRENCY.split():
        found[f"asyncio.{name}"] = "concurrency"
    for name in _DEFINITIONS.split():
        found[f"asyncio.{name}"] = "definition"
    for name in _PRIMITIVES.split():
        found[f"waymark.{name}"] = "primitive"
    return found


def methods() -> dict[str, str]:
    """The methods that code may call, by `type_key`."""
    return {f"waymark.{owner}": names for owner, names in _METHODS.items()}
