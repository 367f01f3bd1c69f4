"""Who shares a server, and when it ends."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.embedded.application import (
    Application,
    instance,
    is_alive,
    log,
    server_pid,
    supervisor_pid,
    until,
)
from tests.embedded.conftest import for_everybody, needs_linux
from tests.embedded.person import Person
from waymark.store.embedded.supervisor.flock import try_shared

Make = Callable[..., Application]


@for_everybody
def test_rows_outlive_the_server_between_two_applications(
    person: Person, place: Path, applications: Make
) -> None:
    """A cold start makes the database `waymark`; a warm one finds what was written."""
    first = applications(person)
    first.start(place / "fresh")
    assert first.query("select current_database(), current_user") == [["waymark", "waymark"]]
    first.query("create table kept as select 7 as number")
    before = server_pid(place / "fresh")
    first.ask("close", name="a", wait_seconds=30)
    assert not is_alive(before)

    second = applications(person)
    second.start(place / "fresh")
    assert second.query("select number from kept") == [[7]]


@for_everybody
def test_a_second_process_shares_the_server_and_the_last_one_stops_it(
    person: Person, place: Path, applications: Make
) -> None:
    """One server for all; it stays while one application is left, and then ends."""
    first, second = applications(person), applications(person)
    one, two = first.start(place / "data"), second.start(place / "data")
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")
    assert one["dsn"] == two["dsn"]

    first.end()
    assert second.query("select 1") == [[1]]
    assert server_pid(place / "data") == server

    second.end()
    until(lambda: not is_alive(supervisor), "the supervisor to end")
    assert not is_alive(server)


@for_everybody
def test_a_killed_application_gives_its_share_up(
    person: Person, place: Path, applications: Make
) -> None:
    """SIGKILL of the last application stops the server cleanly."""
    first, second = applications(person), applications(person)
    first.start(place / "data")
    second.start(place / "data")
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")

    first.kill()
    assert second.query("select 1") == [[1]]
    second.kill()
    until(lambda: not is_alive(supervisor), "the supervisor to end")
    assert not is_alive(server)
    assert log(place / "data").rstrip().endswith("database system is shut down")


@for_everybody
def test_five_processes_that_start_at_once_get_one_server(
    person: Person, place: Path, applications: Make
) -> None:
    """The start lock lets one of them decide; the others attach."""
    five = [applications(person) for _ in range(5)]
    for application in five:
        application.send("start", name="a", directory=str(place / "fresh"))
    answers = {application.receive()["dsn"] for application in five}
    assert len(answers) == 1
    assert [application.query("select 1") for application in five] == 5 * [[[1]]]
    assert log(place / "fresh").count("ready to accept connections") == 1
    assert "another supervisor" not in log(place / "fresh")


def test_handles_of_one_process_are_independent(
    person: Person, place: Path, applications: Make
) -> None:
    """Closing one handle, even twice, leaves the other's share alone."""
    application = applications(person)
    application.start(place / "data", "a")
    application.start(place / "data", "b")
    server = server_pid(place / "data")
    application.ask("close", name="a")
    application.ask("close", name="a")
    assert application.query("select 1", "b") == [[1]]
    assert server_pid(place / "data") == server
    application.ask("close", name="b", wait_seconds=30)
    assert not is_alive(server)


@for_everybody
def test_a_forked_child_neither_keeps_nor_gives_up_the_share(
    person: Person, place: Path, applications: Make
) -> None:
    """A child closes its copies: it cannot end the parent's share, nor outlive it."""
    application = applications(person)
    application.start(place / "data")
    server, supervisor = server_pid(place / "data"), supervisor_pid(place / "data")
    child = application.ask("fork", name="a")
    try:
        assert application.query("select 1") == [[1]]
        application.kill()
        until(lambda: not is_alive(supervisor), "the supervisor to end")
        assert not is_alive(server)
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_the_server_does_not_hold_its_starter_s_output(
    person: Person, place: Path, applications: Make
) -> None:
    """`app | tail` ends with the app, although another one keeps the server."""
    first, second = applications(person), applications(person)
    first.start(place / "data")
    second.start(place / "data")
    first.orders.close()
    assert first.answers.read() == b""  # the end of the pipe, while the server runs
    assert is_alive(server_pid(place / "data"))
    assert second.query("select 1") == [[1]]


def test_a_starter_killed_midway_leaves_nothing_that_stops_the_next(
    person: Person, place: Path, applications: Make
) -> None:
    """Whatever moment of a cold start the kill hits, the next start succeeds."""
    first = applications(person)
    first.send("start", name="a", directory=str(place / "fresh"))
    until(lambda: list(place.glob("fresh/*/supervisor.lock")), "a supervisor")
    first.kill()
    second = applications(person)
    second.start(place / "fresh")
    assert second.query("select 1") == [[1]]


def test_signals_to_the_supervisor_do_not_take_the_server_from_its_applications(
    person: Person, place: Path, applications: Make
) -> None:
    """A service manager that signals the whole group must not end a draining app's
    database."""
    application = applications(person)
    application.start(place / "data")
    supervisor = supervisor_pid(place / "data")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(supervisor, number)
    assert application.query("select 1") == [[1]]
    assert supervisor_pid(place / "data") == supervisor


@needs_linux
def test_the_supervisor_knows_nothing_of_the_application(
    person: Person, place: Path, applications: Make
) -> None:
    """Secrets in the environment stay with the application, and so do its modules."""
    trap = place / "trap"
    trap.mkdir()
    (trap / "sitecustomize.py").write_text(
        f"import os\nopen({str(trap / 'seen')!r}, 'a').write(f'{{os.getpid()}} ')\n"
    )
    person.give(trap)
    path = os.pathsep.join([str(trap), person.environment.get("PYTHONPATH", "")])
    application = applications(person, environment={"PYTHONPATH": path, "SECRET": "hush"})
    application.start(place / "data")
    supervisor = supervisor_pid(place / "data")
    arguments = Path(f"/proc/{supervisor}/cmdline").read_bytes().split(b"\0")
    assert {b"-I", b"-S"} <= set(arguments)  # no user's directory, no site-packages
    assert b"hush" not in Path(f"/proc/{supervisor}/environ").read_bytes()
    assert str(supervisor) not in (trap / "seen").read_text().split()


def test_a_supervisor_that_finds_itself_unneeded_lets_a_new_application_in(
    person: Person, place: Path, applications: Make
) -> None:
    """While it waits for its turn to decide it keeps no lock, else it and a starting
    application would wait for each other; and then it sees the newcomer."""
    application = applications(person)
    application.start(place / "data")
    server = server_pid(place / "data")
    with (instance(place / "data") / "start.lock").open() as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        application.kill()
        with (instance(place / "data") / "share.lock").open() as share:
            until(lambda: try_shared(share.fileno()), "the supervisor to let go")
            fcntl.flock(start, fcntl.LOCK_UN)
            second = applications(person)
            second.start(place / "data")
    assert server_pid(place / "data") == server
    assert second.query("select 1") == [[1]]
