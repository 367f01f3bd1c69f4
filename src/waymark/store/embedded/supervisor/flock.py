"""Lock files. A `flock` belongs to the open file and ends with its last holder,
however that process ends, so it is proof of life and needs no clean-up."""

from __future__ import annotations

import fcntl
import os


def open_lock_file(path: str, uid: int, gid: int) -> int:
    """Open (and make) a lock file that the serving user can open too.

    Never follows a symbolic link, since root opens files in a directory that an
    unprivileged user owns. The descriptor is not inherited by other programs.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    found = os.fstat(descriptor)
    if os.geteuid() == 0 and found.st_uid == 0 and uid != 0 and found.st_nlink == 1:
        os.fchown(descriptor, uid, gid)
    return descriptor


def try_exclusive(descriptor: int) -> bool:
    return _try(descriptor, fcntl.LOCK_EX)


def try_shared(descriptor: int) -> bool:
    return _try(descriptor, fcntl.LOCK_SH)


def wait_exclusive(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def unlock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held(path: str) -> bool:
    """Whether some process holds this lock file exclusively."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two processes that ask at once do not mistake each
        # other for the holder.
        return not try_shared(descriptor)
    finally:
        os.close(descriptor)


def _try(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
