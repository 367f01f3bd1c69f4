"""Where an embedded server keeps its data, and who may enter there."""

from __future__ import annotations

import os
import stat
import sys
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from waymark.errors import EmbeddedUnavailable

from .account import Account, closed_ancestor, serving_account

#: Names the data directory; goes before every default.
DIRECTORY_VARIABLE = "WAYMARK_DATA_DIRECTORY"

#: The data directory's name inside a project.
LOCAL_NAME = ".waymark"

#: What marks the root of a project, so that a web server and a worker that were
#: started in different directories of it share one database.
PROJECT_MARKS = (LOCAL_NAME, "pyproject.toml", "setup.py", ".git")

WAYS_OUT = (
    f"Set {DIRECTORY_VARIABLE} to a directory on a local disk that this user may write, "
    "or set WAYMARK_DATABASE_URL."
)


def default_data_directory() -> Path:
    """WAYMARK_DATA_DIRECTORY, else `.waymark` in the project, else a place of this
    user's own that is keyed by the project.

    The project is the nearest directory, from the current one upwards, that has
    `.waymark`, `pyproject.toml`, `setup.py` or `.git`; else the current one. The
    place of the user's own is taken when the account that serves cannot reach the
    project: below `~/.local/share/waymark` (`~/Library/Application Support/waymark`
    on macOS), for root below `/var/lib/waymark`.
    """
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    try:
        project = _project(Path.cwd())
    except FileNotFoundError:
        raise EmbeddedUnavailable(f"the current directory is gone. {WAYS_OUT}") from None
    local = project / LOCAL_NAME
    return local if _usable(local) else _fallback(project)


def instance_directory(data_directory: Path, major: int) -> Path:
    """A cluster belongs to one major version of PostgreSQL."""
    return data_directory / f"postgres-{major}"


def other_clusters(data_directory: Path, major: int) -> list[Path]:
    """Instances of other major versions, whose runs this one does not show."""
    ours = instance_directory(data_directory, major)
    found = sorted(data_directory.glob("postgres-*/data/PG_VERSION"))
    return [path.parent.parent for path in found if path.parent.parent != ours]


def prepare_instance(data_directory: Path, instance: Path, account: Account) -> None:
    """Make what is missing, private to `account`; what exists stays as it is."""
    blocked = closed_ancestor(data_directory, account)
    if blocked is not None:
        raise EmbeddedUnavailable(
            f"the database would be kept in {data_directory}, but {blocked} (mode "
            f"{stat.S_IMODE(blocked.stat().st_mode):o}) is closed to the user {account.name}, "
            f"who runs it{_why(account)}. {WAYS_OUT}"
        )
    data_directory.parent.mkdir(parents=True, exist_ok=True)
    if _make_private(data_directory, account):
        # Nobody wants a database in a commit.
        _write_new(data_directory / ".gitignore", "*\n", account)
    _make_private(instance, account)
    _check_ours(instance, account)


def _why(account: Account) -> str:
    return "" if account.uid == os.geteuid() else " since PostgreSQL refuses to run as root"


def _check_ours(instance: Path, account: Account) -> None:
    found = instance.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid:
        owner = Account(found.st_uid, found.st_gid).name
        raise EmbeddedUnavailable(
            f"{instance} belongs to {owner}, not to {account.name}. Start the application as "
            f"{owner}, or else: {WAYS_OUT}"
        )
    if found.st_mode & 0o077:
        instance.chmod(0o700)
    if instance.lstat().st_mode & 0o077:
        raise EmbeddedUnavailable(
            f"the file system of {instance} does not keep permissions, so the database "
            f"would be open to every user. {WAYS_OUT}"
        )


def _make_private(directory: Path, account: Account) -> bool:
    """Make a directory that appears with its final owner and mode; False when it
    was there already."""
    if directory.is_dir():
        return False
    draft = directory.with_name(f"{directory.name}.{token_hex(4)}")
    draft.mkdir(mode=0o700)
    try:
        if os.geteuid() == 0:
            os.chown(draft, account.uid, account.gid)
        draft.rename(directory)
    except OSError:
        draft.rmdir()
        if not directory.is_dir():  # else another process was faster
            raise
        return False
    return True


def _write_new(path: Path, text: str, account: Account) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if os.geteuid() == 0:
            os.fchown(descriptor, account.uid, account.gid)


def _project(directory: Path) -> Path:
    for candidate in (directory, *directory.parents):
        if any((candidate / mark).exists() for mark in PROJECT_MARKS):
            return candidate
    return directory


def _usable(local: Path) -> bool:
    project = local.parent
    if project == Path(project.anchor):
        return False  # a service that was given no directory of its own
    account = serving_account(local)
    if closed_ancestor(local, account) is not None:
        return False
    place = local if local.is_dir() else project
    return os.access(place, os.W_OK | os.X_OK)


def _fallback(project: Path) -> Path:
    key = f"{project.name or 'root'}-{sha256(os.fsencode(project)).hexdigest()[:8]}"
    if os.geteuid() == 0:
        return Path("/var/lib/waymark") / key
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "waymark" / key
    share = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(share) / "waymark" / key
