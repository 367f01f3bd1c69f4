"""Locks that this process holds, and what a fork does to them.

A lock belongs to the open file, which a forked child shares. The child closes
its copies at once, without unlocking, so that it neither keeps the parent's
share alive nor gives it up.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

from .account import Account
from .supervisor.flock import open_lock_file, try_exclusive, try_shared, unlock


class HeldLock:
    """An open lock file; locked from a successful `take_*` until `release`."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path, account: Account) -> None:
        self.path = path
        with _fork_guard:
            self._descriptor: int | None = open_lock_file(str(path), account.uid, account.gid)
            _open_locks.add(self)

    def take_exclusive(self) -> bool:
        """Try to lock it alone; False when somebody else has it."""
        return self._descriptor is not None and try_exclusive(self._descriptor)

    def take_shared(self) -> bool:
        return self._descriptor is not None and try_shared(self._descriptor)

    @property
    def is_current(self) -> bool:
        """Whether the path still leads to the file that is open here."""
        try:
            return self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), os.lstat(self.path)
            )
        except FileNotFoundError:
            return False

    def release(self, *, remove: bool = False) -> None:
        """Unlock and close, and remove the file if asked. May be called again; in a
        forked child it does nothing."""
        with _fork_guard:
            _open_locks.discard(self)
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            if remove:
                self.path.unlink(missing_ok=True)
            # Unlocked by name: a child that forked in C may still have a copy.
            unlock(descriptor)
            os.close(descriptor)

    def forget(self) -> None:
        """Close without unlocking: the lock is the parent's."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


# A fork must reach every open lock of the process, so they are known here.
_open_locks: set[HeldLock] = set()
_fork_guard = Lock()


def _after_fork_in_child() -> None:
    for lock in _open_locks:
        lock.forget()
    _open_locks.clear()
    _fork_guard.release()


os.register_at_fork(
    before=_fork_guard.acquire,
    after_in_parent=_fork_guard.release,
    after_in_child=_after_fork_in_child,
)
