"""Places on disk, users and applications for the tests of the embedded server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.application import PATIENCE_SECONDS, Application, instance, until
from tests.embedded.person import Person, oneself, ordinary
from waymark.store.embedded.supervisor.flock import is_held

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can act as another user")
needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="asks the kernel in Linux's way"
)


@pytest.fixture(scope="session")
def stage() -> Iterator[Path]:
    """A directory that every user may enter, for programs that some could not reach."""
    directory = Path(tempfile.mkdtemp(prefix="waymark-stage-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


#: For what must hold for root and for an ordinary user alike. Other tests run as the
#: one who runs the tests; when that is root, more can go wrong.
for_everybody = pytest.mark.parametrize(
    "person", ["self", "ordinary"] if ROOT else ["self"], indirect=True
)


@pytest.fixture
def person(request: pytest.FixtureRequest) -> Person:
    if getattr(request, "param", "self") == "self":
        return oneself()
    stage: Path = request.getfixturevalue("stage")
    return ordinary(stage)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may enter; after the test no server runs in it."""
    directory = Path(tempfile.mkdtemp(prefix="waymark-test-"))
    directory.chmod(0o755)
    yield directory
    locks = list(directory.glob("**/supervisor.lock"))
    until(lambda: not any(is_held(str(lock)) for lock in locks), "the servers to stop")
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def ready_made(stage: Path) -> Path:
    """A data directory in which no server ran yet: copying it is what most tests do
    instead of a cold start."""
    directory = stage / "ready-made"
    application = Application(oneself())
    application.start(directory)
    application.ask("close", name="a", wait_seconds=PATIENCE_SECONDS)
    application.end()
    for name in ("server.log", "socket"):
        (instance(directory) / name).unlink()
    return directory


@pytest.fixture
def place(person: Person, open_place: Path, ready_made: Path) -> Path:
    """A directory of `person`'s own with a ready-made data directory `data`."""
    home = open_place / "home"
    home.mkdir(mode=0o755)
    person.give(home)
    subprocess.run(["cp", "-a", ready_made, home / "data"], check=True)
    return home


@pytest.fixture
def applications(open_place: Path) -> Iterator[Callable[..., Application]]:
    """Starts applications, and ends those that the test leaves."""
    started: list[Application] = []

    def make(person: Person, **options: Any) -> Application:
        started.append(Application(person, **options))
        return started[-1]

    yield make
    for application in started:
        application.end()
