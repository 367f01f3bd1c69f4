"""`asyncio.Lock`, `Semaphore`, `Event` and `Condition`.

Whoever has to wait stands in line with a future of its own. The sync halves are
methods here; what waits is a definition in the workflow language, made of the
operations at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waymark.engine.awaitables import HelperCall, Ready, defined
from waymark.engine.futures import CANCELLED

from .future import Future
from .scopes import Manager

if TYPE_CHECKING:
    from .loop import RunLoop


class Line:
    """Those who wait, the first first."""

    def __init__(self) -> None:
        self.waiters: list[Future] = []

    def waiting(self) -> bool:
        """Whether anybody waits who was not cancelled."""
        return any(waiter.over() != CANCELLED for waiter in self.waiters)

    def wake(self, count: int, result: bool) -> int:
        """Wake the first who are not awake yet; returns how many."""
        woken = 0
        for waiter in self.waiters:
            if woken >= count:
                break
            if not waiter.done():
                waiter.set_result(result)
                woken += 1
        return woken


class Lock(Line, Manager):
    """`asyncio.Lock`."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = False

    def __repr__(self) -> str:
        return f"<Lock [{'locked' if self.taken else 'unlocked'}]>"

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self.taken

    def acquire(self) -> HelperCall:
        """Take it, or wait in line."""
        return defined("acquire_lock", self)

    def release(self) -> None:
        """Give it to the next in line."""
        if not self.taken:
            raise RuntimeError("Lock is not acquired.")
        self.taken = False
        self.wake_first()

    def wake_first(self) -> None:
        """The first may have it, unless it is awake already."""
        if self.waiters and not self.waiters[0].done():
            self.waiters[0].set_result(True)

    def enter(self, loop: RunLoop) -> HelperCall:
        return defined("enter_lock", self)

    def leave(self, error: BaseException | None) -> Ready:
        self.release()
        return Ready(None)


class Semaphore(Line, Manager):
    """`asyncio.Semaphore`."""

    def __init__(self, value: int = 1) -> None:
        super().__init__()
        if value < 0:
            raise ValueError("Semaphore initial value must be >= 0")
        self.value = value

    def __repr__(self) -> str:
        state = "locked" if self.locked() else f"unlocked, value:{self.value}"
        return f"<{type(self).__name__} [{state}]>"

    def locked(self) -> bool:
        """Whether taking it now would wait. Who waits already comes first."""
        return self.value == 0 or self.waiting()

    def acquire(self) -> HelperCall:
        """Take one, or wait in line."""
        return defined("acquire_semaphore", self)

    def release(self) -> None:
        """Give one back."""
        self.value += 1
        self.wake_next()

    def wake_next(self) -> bool:
        """Give one to the next in line, if there is anybody."""
        self.value -= 1
        if self.wake(1, True):
            return True
        self.value += 1
        return False

    def enter(self, loop: RunLoop) -> HelperCall:
        return defined("enter_semaphore", self)

    def leave(self, error: BaseException | None) -> Ready:
        self.release()
        return Ready(None)


class BoundedSemaphore(Semaphore):
    """`asyncio.BoundedSemaphore`: no more may be given back than were there."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self.bound = value

    def release(self) -> None:
        """Give one back."""
        if self.value >= self.bound:
            raise ValueError("BoundedSemaphore released too many times")
        super().release()


class Event(Line):
    """`asyncio.Event`."""

    def __init__(self) -> None:
        super().__init__()
        self.happened = False

    def __repr__(self) -> str:
        return f"<Event [{'set' if self.happened else 'unset'}]>"

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self.happened

    def set(self) -> None:
        """It happens: all who wait go on."""
        if not self.happened:
            self.happened = True
            self.wake(len(self.waiters), True)

    def clear(self) -> None:
        """It has not happened any more."""
        self.happened = False

    def wait(self) -> HelperCall:
        """Wait until it happens."""
        return defined("wait_event", self)


class Condition(Line, Manager):
    """`asyncio.Condition` over a lock."""

    def __init__(self, lock: Any = None) -> None:
        super().__init__()
        if lock is not None and not isinstance(lock, Lock):
            raise TypeError(f"a lock was expected, got {lock!r}")
        self.lock: Lock = Lock() if lock is None else lock

    def __repr__(self) -> str:
        return f"<Condition [{'locked' if self.lock.taken else 'unlocked'}]>"

    def locked(self) -> bool:
        """Whether somebody has the lock."""
        return self.lock.taken

    def acquire(self) -> HelperCall:
        """Take the lock."""
        return self.lock.acquire()

    def release(self) -> None:
        """Give the lock back."""
        self.lock.release()

    def wait(self) -> HelperCall:
        """Give the lock back, wait to be notified, and take it again."""
        return defined("wait_condition", self)

    def wait_for(self, predicate: Any) -> HelperCall:
        """Wait until the predicate holds."""
        return defined("wait_until", self, predicate)

    def notify(self, n: int = 1) -> None:
        """Wake some of those who wait."""
        if not self.lock.taken:
            raise RuntimeError("cannot notify on un-acquired lock")
        self.wake(n, False)

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self.waiters))

    def enter(self, loop: RunLoop) -> HelperCall:
        return self.lock.enter(loop)

    def leave(self, error: BaseException | None) -> Ready:
        return self.lock.leave(error)


# What the definitions of waiting are made of


def leave_line(line: Line, waiter: Future) -> None:
    """Do not wait any more."""
    line.waiters.remove(waiter)


def take_lock(lock: Lock) -> bool:
    """Take it if it is free and nobody waits."""
    if lock.taken or lock.waiting():
        return False
    lock.taken = True
    return True


def claim_lock(lock: Lock) -> None:
    """Take it: one's turn has come."""
    lock.taken = True


def pass_lock_on(lock: Lock) -> None:
    """One does not take it although one's turn may have come: the next may."""
    if not lock.taken:
        lock.wake_first()


def take_semaphore(semaphore: Semaphore) -> bool:
    """Take one if there is one and nobody waits."""
    if semaphore.locked():
        return False
    semaphore.value -= 1
    return True


def hand_back(semaphore: Semaphore, waiter: Future) -> None:
    """One was woken and yet does not take it."""
    if waiter.done() and not waiter.cancelled():
        semaphore.value += 1


def wake_waiters(semaphore: Semaphore) -> None:
    """Wake as many as there are to give."""
    while semaphore.value > 0 and semaphore.wake_next():
        pass


def condition_lock(condition: Condition) -> Lock:
    """The lock under a condition."""
    return condition.lock


def notify_another(condition: Condition) -> None:
    """One was woken and yet does not go on: another may."""
    condition.wake(1, False)
