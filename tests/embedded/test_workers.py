"""A worker's lock is the proof of its life."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.embedded.application import (
    Application,
    Refused,
    instance,
    is_alive,
    supervisor_pid,
    until,
)
from tests.embedded.conftest import for_everybody
from tests.embedded.person import Person

Make = Callable[..., Application]


@for_everybody
def test_a_killed_process_s_workers_are_proven_dead_at_once(
    person: Person, place: Path, applications: Make
) -> None:
    """Only the killed one's: not the asker's own, and not another live one's."""
    asker, other, killed = (applications(person) for _ in range(3))
    ids = [str(uuid4()) for _ in range(3)]
    for application, worker in zip((asker, other, killed), ids, strict=True):
        application.start(place / "data")
        application.ask("lock", name="a", worker=worker)
    assert asker.ask("dead", name="a", workers=ids) == []
    killed.kill()
    assert asker.ask("dead", name="a", workers=ids) == [ids[2]]
    assert other.ask("dead", name="a", workers=ids) == [ids[2]]


def test_the_proof_outlives_the_server(person: Person, place: Path, applications: Make) -> None:
    """The server stopped in between; the next application still knows who died."""
    worker = str(uuid4())
    first = applications(person)
    first.start(place / "data")
    first.ask("lock", name="a", worker=worker)
    supervisor = supervisor_pid(place / "data")
    first.kill()
    until(lambda: not is_alive(supervisor), "the supervisor to end")
    second = applications(person)
    second.start(place / "data")
    assert second.ask("dead", name="a", workers=[worker]) == [worker]


def test_a_worker_of_another_handle_of_the_same_process_lives(
    person: Person, place: Path, applications: Make
) -> None:
    """Until its own handle is closed, also by way of a forked child's attempts."""
    worker = str(uuid4())
    application = applications(person)
    application.start(place / "data", "a")
    application.start(place / "data", "b")
    application.ask("lock", name="a", worker=worker)
    child = application.ask("fork", name="a")
    try:
        assert application.ask("dead", name="b", workers=[worker]) == []
        application.ask("close", name="a")
    finally:
        os.kill(child, signal.SIGKILL)
    assert application.ask("dead", name="b", workers=[worker]) == [worker]


def test_an_unlocked_worker_is_gone_and_leaves_no_file(
    person: Person, place: Path, applications: Make
) -> None:
    """Without a file nothing is proven. Unlocking twice is nothing, locking twice a bug."""
    worker = str(uuid4())
    application = applications(person)
    application.start(place / "data")
    application.ask("lock", name="a", worker=worker)
    with pytest.raises(Refused, match="already locked"):
        application.ask("lock", name="a", worker=worker)
    application.ask("unlock", name="a", worker=worker)
    application.ask("unlock", name="a", worker=worker)
    assert list((instance(place / "data") / "workers").iterdir()) == []
    assert application.ask("dead", name="a", workers=[worker]) == []
    application.ask("lock", name="a", worker=worker)
    assert application.ask("dead", name="a", workers=[worker]) == []
