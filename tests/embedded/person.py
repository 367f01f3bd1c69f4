"""The users that the tests run an application as: the one who runs the tests, and,
when that is root, an ordinary one."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import waymark
from waymark.store.embedded.account import Account, closed_ancestor

#: An account without rights, and a number without an account.
ORDINARY = "nobody"
UNKNOWN_UID = 54321


@dataclass(frozen=True, slots=True)
class Person:
    """Who runs a process, with an interpreter that this user can reach."""

    name: str
    python: str
    environment: dict[str, str]
    identity: dict[str, Any] = field(default_factory=dict[str, Any])

    def give(self, path: Path) -> None:
        """Make `path` this person's own."""
        if self.identity:
            os.chown(path, self.identity["user"], self.identity["group"])


def oneself() -> Person:
    return Person("root" if os.geteuid() == 0 else "self", sys.executable, dict(os.environ))


def ordinary(stage: Path) -> Person:
    """An ordinary user, for root. What this user cannot reach is linked to `stage`."""
    entry = pwd.getpwnam(ORDINARY)
    return _other(ORDINARY, entry.pw_uid, entry.pw_gid, stage)


def unknown(stage: Path) -> Person:
    """A user of whom the system knows the number only."""
    return _other("unknown", UNKNOWN_UID, UNKNOWN_UID, stage)


def _other(name: str, uid: int, gid: int, stage: Path) -> Person:
    account = Account(uid, gid)
    packages = Path(sysconfig.get_paths()["purelib"])
    source = Path(waymark.__file__).parents[1]
    paths = [
        _reachable(path, account, stage / path.name) for path in dict.fromkeys((source, packages))
    ]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, paths))}
    python = Path(sys.executable)
    if closed_ancestor(python.resolve(), account) or closed_ancestor(python, account):
        python = _link_interpreter(stage / "python")
        environment["LD_LIBRARY_PATH"] = str(stage / "python" / "lib")
    identity = {"user": uid, "group": gid, "extra_groups": []}
    return Person(name, str(python), environment, identity)


def _reachable(path: Path, account: Account, copy: Path) -> Path:
    if closed_ancestor(path, account) is None:
        return path
    if not copy.exists():
        _link_tree(path, copy)
    return copy


def _link_interpreter(target: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = target / "bin" / version
    if not python.exists():
        base = Path(sys.base_prefix)
        _link_tree(base / "lib" / version, target / "lib" / version)
        for library in (base / "lib").glob("libpython*"):
            _link(str(library), str(target / "lib" / library.name))
        python.parent.mkdir()
        _link(str(Path(sys.executable).resolve()), str(python))
    return python


def _link_tree(source: Path, target: Path) -> None:
    unneeded = shutil.ignore_patterns(
        "test", "tests", "site-packages", "config-*", "pyright", "mypy*"
    )
    shutil.copytree(source, target, copy_function=_link, ignore=unneeded)
    target.chmod(0o755)


def _link(source: str, target: str) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another file system
        shutil.copy2(source, target)
