"""What survives when the server, its supervisor, or both are killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.application import (
    Application,
    Refused,
    instance,
    is_alive,
    log,
    server_pid,
    supervisor_pid,
    until,
)
from tests.embedded.conftest import for_everybody, needs_linux
from tests.embedded.person import Person

Make = Callable[..., Application]


@pytest.fixture
def application(person: Person, place: Path, applications: Make) -> Application:
    """One with a server and a row whose commit was acknowledged."""
    application = applications(person)
    application.start(place / "data")
    application.query("create table kept as select 7 as number")
    return application


@pytest.fixture
def bystander(person: Person) -> Iterator[int]:
    """An innocent process of the same user that serves."""
    sleeper = subprocess.Popen(["sleep", "600"], **person.identity)
    yield sleeper.pid
    sleeper.kill()
    sleeper.wait()


def answers(application: Application) -> bool:
    try:
        return application.query("select number from kept") == [[7]]
    except Refused:
        return False


@for_everybody
def test_a_killed_server_comes_back_with_every_acknowledged_row(
    application: Application, place: Path
) -> None:
    """While an application needs it, the supervisor starts the server again."""
    killed = server_pid(place / "data")
    os.kill(killed, signal.SIGKILL)
    until(lambda: answers(application), "the server to come back")
    assert server_pid(place / "data") != killed


def test_a_killed_server_is_back_when_asked_for(application: Application, place: Path) -> None:
    """`ensure_running` returns once the server takes connections again."""
    os.kill(server_pid(place / "data"), signal.SIGKILL)
    application.ask("ensure", name="a")
    assert answers(application)


@needs_linux
def test_a_killed_supervisor_takes_the_server_along_and_both_can_be_had_again(
    application: Application, place: Path
) -> None:
    """No server is left that nobody would stop."""
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not is_alive(server), "the server to end")
    application.ask("ensure", name="a")
    assert answers(application)
    assert supervisor_pid(place / "data") != supervisor


def test_an_orphan_server_is_stopped_before_another_starts(
    application: Application, place: Path, applications: Make, person: Person
) -> None:
    """Where the kernel sends no signal at a parent's death, the next start clears up."""
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")
    # A stopped server cannot act on the signal, as if it had never come.
    os.kill(server, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not is_alive(supervisor), "the supervisor to end")
    second = applications(person)
    second.send("start", name="a", directory=str(place / "data"))
    until(lambda: "lost its supervisor" in log(place / "data"), "the orphan to be found")
    os.kill(server, signal.SIGCONT)
    second.receive()
    assert not is_alive(server)
    assert answers(second)


def test_a_stale_note_that_names_another_process_is_cleared(
    application: Application,
    place: Path,
    applications: Make,
    person: Person,
    bystander: int,
) -> None:
    """The killed server's number may belong to somebody else by now, who must live,
    and whom PostgreSQL itself would take for a running server."""
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(server, signal.SIGKILL)
    application.kill()
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not is_alive(supervisor) and not is_alive(server), "both to end")
    for note in (
        instance(place / "data") / "data" / "postmaster.pid",
        instance(place / "data") / "run" / ".s.PGSQL.5432.lock",
    ):
        note.write_text(note.read_text().replace(str(server), str(bystander), 1))

    second = applications(person)
    second.start(place / "data")
    assert answers(second)
    assert is_alive(bystander)


@for_everybody
def test_everything_killed_at_once_keeps_every_acknowledged_row(
    application: Application, place: Path, applications: Make, person: Person
) -> None:
    """As when the machine's memory runs out, or a container is removed."""
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")
    for pid in (supervisor, server, application.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(is_alive, (server, supervisor))), "all to end")
    second = applications(person)
    second.start(place / "data")
    assert answers(second)


@needs_linux
def test_two_servers_never_work_on_one_cluster(
    application: Application, place: Path, applications: Make, person: Person
) -> None:
    """A process of the killed server that is still busy keeps the next one waiting."""
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")
    application.send("query", name="a", sql="select pg_sleep(600)")
    until(lambda: backends(server, "SELECT"), "the query to run")
    (busy,) = backends(server, "SELECT")
    os.kill(busy, signal.SIGSTOP)
    for pid in (supervisor, server):
        os.kill(pid, signal.SIGKILL)
    second = applications(person)
    second.send("start", name="a", directory=str(place / "data"))
    until(lambda: "still in use" in log(place / "data"), "the next server to find it")
    os.kill(busy, signal.SIGCONT)
    second.receive()
    assert answers(second)
    assert not is_alive(busy)


def backends(server: int, activity: str) -> list[int]:
    """Child processes of the server whose title shows this activity."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    titles = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [int(pid) for pid, title in titles.items() if activity.encode() in title]
