"""The operating system's account that the server runs under.

An ordinary user's server runs as that user. PostgreSQL refuses to run as root, so
root's server runs as the owner of the place where it is kept, or as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from waymark.errors import EmbeddedUnavailable

#: The account with no rights of its own that every usual system has.
UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int

    @property
    def name(self) -> str:
        entry = _entry(self.uid)
        return f"uid {self.uid}" if entry is None else entry.pw_name

    @property
    def known(self) -> bool:
        """Whether the system has an entry for it; `initdb` refuses without."""
        return _entry(self.uid) is not None


def serving_account(directory: Path) -> Account:
    """Who serves a cluster in `directory`, which need not exist yet."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    found = _nearest(directory)
    owner = Account(found.st_uid, found.st_gid)
    if owner.uid != 0 and (owner.known or directory.exists()):
        return owner
    try:
        nobody = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise EmbeddedUnavailable(
            "this process is root, PostgreSQL refuses to run as root, and this system has no user "
            f"{UNPRIVILEGED_USER!r} to run it as. Start the application as an ordinary user, or "
            "set WAYMARK_DATABASE_URL."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def closed_ancestor(path: Path, account: Account) -> Path | None:
    """The first existing directory on the way to `path`, itself included, that
    `account` may not enter. Goes by owner and mode alone."""
    if account.uid == 0:
        return None
    for directory in (*reversed(path.parents), path):
        if directory.is_dir() and not _may_enter(directory, account):
            return directory
    return None


def _may_enter(directory: Path, account: Account) -> bool:
    found = directory.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _nearest(directory: Path) -> os.stat_result:
    for candidate in (directory, *directory.parents):
        try:
            return candidate.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
    return Path("/").stat()


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
