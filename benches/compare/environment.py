"""A virtualenv for each library, with the versions that its file in `requirements/` pins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
ENVIRONMENTS = FOLDER / ".virtualenvs"

INSTALL_SECONDS_MAX = 600.0


class Unavailable(Exception):
    """What was tried, and why the library cannot be measured here."""


@dataclass(frozen=True, slots=True)
class Library:
    """`name` is that of its files, `distribution` that of PyPI."""

    name: str
    distribution: str
    python: tuple[int, int] = (3, 11)

    @property
    def requirements(self) -> Path:
        return FOLDER / "requirements" / f"{self.name}.txt"

    @property
    def version(self) -> str:
        """The version that is pinned."""
        found = re.search(
            rf"^{self.distribution}==(\S+)$", self.requirements.read_text(), re.MULTILINE
        )
        assert found is not None, f"{self.requirements} pins no {self.distribution}"
        return found[1]


#: All of them have an async Python API.
LIBRARIES = (
    Library("dbos", "dbos"),
    Library("oban", "oban", python=(3, 12)),
    Library("procrastinate", "procrastinate"),
    Library("pgqueuer", "pgqueuer"),
    Library("absurd", "absurd-sdk"),
)


def interpreter(library: Library, newer: str | None = None) -> str:
    """The Python of the library's virtualenv, made and filled when it is not there yet."""
    home = ENVIRONMENTS / library.name
    wanted = library.requirements.read_text()
    stamp = home / "installed.txt"
    python = home / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        _run(python_for(library, newer), "-m", "venv", str(home))
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _run(str(python), *pip, "-r", str(library.requirements))
        stamp.write_text(wanted)
    return str(python)


def environment_of(library: Library) -> dict[str, str]:
    """Its process finds `benches` and nothing of Waymark."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PYTHONPATH": str(ROOT)}


def python_for(library: Library, newer: str | None) -> str:
    """This Python if it is new enough, else `newer`, else one that can be found."""
    if sys.version_info[:2] >= library.python:
        return sys.executable
    least = ".".join(map(str, library.python))
    names = [f"python3.{minor}" for minor in range(library.python[1], library.python[1] + 3)]
    check = f"import ensurepip, sys; sys.exit(sys.version_info < {library.python})"
    tried = [newer] if newer else names
    for name in filter(shutil.which, tried):
        if subprocess.run([name, "-c", check], check=False, capture_output=True).returncode == 0:
            return name
    raise Unavailable(
        f"{library.distribution} needs Python {least}; tried {sys.executable}, {', '.join(tried)}. "
        "Name another with --python"
    )


def _run(*command: str) -> None:
    """Run, or say what was tried and what came out."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS_MAX
    )
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}\n{(done.stderr or done.stdout).strip()[-2000:]}")
