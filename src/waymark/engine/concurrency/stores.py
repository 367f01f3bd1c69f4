"""What holds items for those who wait for one, first come, first served.

Whoever finds it empty stands in line with a future of its own (a getter); each item
wakes one. A getter that is cancelled after it was woken passes that on, so no item is
left lying while somebody waits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .future import Future

if TYPE_CHECKING:
    from .loop import RunLoop


class Store:
    """Items, the oldest first, and those who wait for one."""

    def __init__(self, loop: RunLoop) -> None:
        self.loop = loop
        self.items: deque[Any] = deque()
        self.getters: list[Future] = []

    def put(self, item: Any) -> None:
        """Another item: the first who waits goes on."""
        self.items.append(item)
        self.wake_getter()

    def wake_getter(self) -> None:
        """The first who waits, and is not awake, goes on."""
        while self.getters:
            getter = self.getters.pop(0)
            if not getter.done():
                getter.set_result(None)
                break


def store_empty(store: Store) -> bool:
    """Whether there is to wait."""
    return not store.items


def join_getters(store: Store) -> Future:
    """Stand in line for an item."""
    getter = store.loop.create_future()
    store.getters.append(getter)
    return getter


def leave_getters(store: Store, getter: Future) -> None:
    """Do not wait for an item any more; another may."""
    getter.cancel()
    if getter in store.getters:
        store.getters.remove(getter)
    if store.items and not getter.cancelled():
        store.wake_getter()
