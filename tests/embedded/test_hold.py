"""A lock of this process, whatever else has a copy of it."""

from __future__ import annotations

import os
from pathlib import Path

from waymark.store.embedded.account import Account
from waymark.store.embedded.hold import HeldLock

ONESELF = Account(os.geteuid(), os.getegid())


def test_a_released_lock_is_free_although_a_copy_is_open(tmp_path: Path) -> None:
    """A child that forked in C runs none of our hooks and keeps its copy."""
    held, other = (HeldLock(tmp_path / "a.lock", ONESELF) for _ in range(2))
    assert held.take_exclusive()
    assert not other.take_shared()
    assert held._descriptor is not None
    copy = os.dup(held._descriptor)
    held.release()
    held.release()
    assert other.take_exclusive()
    other.release()
    os.close(copy)


def test_a_lock_on_a_removed_file_is_not_current(tmp_path: Path) -> None:
    """Who locks a file that somebody else removed must not believe it has the lock."""
    first = HeldLock(tmp_path / "a.lock", ONESELF)
    assert first.is_current
    first.path.unlink()
    assert not first.is_current
    second = HeldLock(tmp_path / "a.lock", ONESELF)
    assert second.is_current
    assert not first.is_current
    for lock in (first, second):
        lock.release()


def test_a_lock_is_not_inherited_by_programs(tmp_path: Path) -> None:
    """Else a subprocess of the application would keep the server."""
    lock = HeldLock(tmp_path / "a.lock", ONESELF)
    assert lock._descriptor is not None
    assert not os.get_inheritable(lock._descriptor)
    lock.release()
