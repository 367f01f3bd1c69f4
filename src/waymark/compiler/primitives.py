"""What the definitions of `prelude` are made of: declarations alone.

The compiler finds each by identity and writes its name, `waymark.<name>`, into the
graph; the engine has what they do (`engine/concurrency`). They are never called here.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeAlias

Waiter: TypeAlias = Awaitable[Any]


def begin_leaving(group: Any, error: BaseException | None) -> None:
    """No task may begin any more once all are over; an error ends them."""


def group_has_tasks(group: Any) -> bool:
    """Whether there is to wait for."""
    raise NotImplementedError


def group_emptied(group: Any) -> Waiter:
    """Resolved when the last task is over."""
    raise NotImplementedError


def forget_emptied(group: Any) -> None:
    """The wait is over, or was cancelled."""


def group_aborting(group: Any) -> bool:
    """Whether the tasks were told to end."""
    raise NotImplementedError


def abort_group(group: Any) -> None:
    """Tell the tasks to end."""


def finish_group(group: Any, error: BaseException | None, lost: BaseException | None) -> None:
    """Raise what the group comes to, if it is an error."""


def join_line(line: Any) -> Waiter:
    """Stand in line."""
    raise NotImplementedError


def leave_line(line: Any, waiter: Waiter) -> None:
    """Do not wait any more."""


def take_lock(lock: Any) -> bool:
    """Take it if it is free and nobody waits."""
    raise NotImplementedError


def claim_lock(lock: Any) -> None:
    """Take it: one's turn has come."""


def pass_lock_on(lock: Any) -> None:
    """One does not take it although one's turn may have come: the next may."""


def take_semaphore(semaphore: Any) -> bool:
    """Take one if there is one and nobody waits."""
    raise NotImplementedError


def hand_back(semaphore: Any, waiter: Waiter) -> None:
    """One was woken and yet does not take it."""


def wake_waiters(semaphore: Any) -> None:
    """Wake as many as there are to give."""


def condition_lock(condition: Any) -> Any:
    """The lock under a condition."""


def notify_another(condition: Any) -> None:
    """One was woken and yet does not go on: another may."""


def watch(fs: Any, timeout: float | None, return_when: str) -> Any:
    """Check the arguments of `asyncio.wait`, and begin to look on."""


def watched(watch: Any) -> Waiter:
    """What to wait for."""
    raise NotImplementedError


def end_watch(watch: Any) -> None:
    """Look no more."""


def watch_results(watch: Any) -> Any:
    """Which are over and which are not."""


def take_completed(completed: Any, resolve: bool) -> Any:
    """The next that is over: its result, or itself."""


def store_empty(store: Any) -> bool:
    """Whether there is to wait."""
    raise NotImplementedError


def join_getters(store: Any) -> Waiter:
    """Stand in line for an item."""
    raise NotImplementedError


def leave_getters(store: Any, getter: Waiter) -> None:
    """Do not wait for an item any more; another may."""


def mailbox(name: Any) -> Any:
    """Where events of this name are kept."""


def take_event(box: Any, expected: Any) -> Any:
    """What the oldest event says, as what is expected."""


def event_seconds(timeout: Any) -> float | None:
    """A time limit in seconds."""


def async_items(items: Any) -> Any:
    """`aiter(items)`, as something that gives what to await."""
