"""Where the data goes, and which paths work."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.embedded.application import Application, Refused, instance, log, server_pid
from tests.embedded.conftest import for_everybody, needs_root
from tests.embedded.person import Person, oneself
from waymark.store.embedded import default_data_directory
from waymark.store.embedded.supervisor.flock import try_exclusive

Make = Callable[..., Application]


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYMARK_DATA_DIRECTORY", raising=False)


@pytest.mark.parametrize(
    "name",
    ["with space", "комната é", 'quoted "here"', "comma,comma", "back\\slash", "d" * 120],
)
def test_any_path_works(name: str, person: Person, place: Path, applications: Make) -> None:
    """Also one whose socket would not fit into its 107 bytes, which then lies in a
    private directory with a short path, and is cleared away with the server."""
    first, second = applications(person), applications(person)
    answer = first.start(place / name)
    assert second.start(place / name)["dsn"] == answer["dsn"]
    assert second.query("select 1") == [[1]]
    sockets = Path(answer["socket"])
    assert len(os.fsencode(sockets)) < 100
    assert sockets.stat().st_mode & 0o077 == 0
    first.end()
    second.ask("close", name="a", wait_seconds=30)
    if sockets.parent != instance(place / name):
        assert not sockets.exists()


@for_everybody
def test_the_default_is_in_the_current_project(
    person: Person, place: Path, applications: Make
) -> None:
    """A web server and a worker started in different directories of a project find
    the same database, which git does not see."""
    (place / "pyproject.toml").touch()
    (place / "src").mkdir()
    first, second = applications(person, cwd=place), applications(person, cwd=place / "src")
    answer = first.start(None)
    assert answer["directory"] == str(place / ".waymark")
    assert second.start(None)["dsn"] == answer["dsn"]
    subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    git = ["git", "-c", f"safe.directory={place}", "status", "--porcelain"]
    status = subprocess.run(git, cwd=place, capture_output=True, text=True, check=True)
    assert ".waymark" not in status.stdout


def test_the_environment_names_the_directory(
    place_of_tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WAYMARK_DATA_DIRECTORY goes before every default; `~` is the home."""
    monkeypatch.chdir(place_of_tests)
    monkeypatch.setenv("HOME", str(place_of_tests))
    monkeypatch.setenv("WAYMARK_DATA_DIRECTORY", "~/elsewhere")
    assert default_data_directory() == place_of_tests / "elsewhere"


@pytest.fixture
def place_of_tests(open_place: Path) -> Path:
    return open_place.resolve()


def test_the_project_is_the_nearest_marked_directory(
    place_of_tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any mark it is the current one; an existing `.waymark` is a mark."""
    inner = place_of_tests / "outer" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert default_data_directory() == inner / ".waymark"
    (place_of_tests / ".git").mkdir()
    assert default_data_directory() == place_of_tests / ".waymark"
    (place_of_tests / "outer" / ".waymark").mkdir()
    assert default_data_directory() == place_of_tests / "outer" / ".waymark"


@needs_root
def test_root_s_closed_project_falls_back_to_a_place_that_can_be_reached(
    place_of_tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two projects of one name do not share it."""
    seen: set[Path] = set()
    for parent in ("one", "two"):
        project = place_of_tests / parent / "app"
        project.mkdir(parents=True)
        project.chmod(0o700)
        monkeypatch.chdir(project)
        seen.add(default_data_directory())
    assert {path.parent for path in seen} == {Path("/var/lib/waymark")}
    assert len(seen) == 2


def test_the_root_of_the_file_system_is_no_project(
    monkeypatch: pytest.MonkeyPatch, place_of_tests: Path
) -> None:
    """A service without a working directory gets a place of its user's own."""
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(place_of_tests))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_data_directory().parent.name == "waymark"


@for_everybody
def test_a_file_in_the_way_is_an_error_that_names_it(
    person: Person, place: Path, applications: Make
) -> None:
    (place / "fresh").touch()
    with pytest.raises(Refused, match="WAYMARK_DATABASE_URL") as refused:
        applications(person).start(place / "fresh")
    assert refused.value.kind == "EmbeddedUnavailable"
    assert str(place / "fresh") in str(refused.value)


def test_a_server_that_cannot_run_is_an_error_with_the_end_of_its_log(
    person: Person, place: Path, applications: Make
) -> None:
    """The share that was taken is given back, so nothing is left that runs."""
    application = applications(person)
    application.start(place / "data")
    application.ask("close", name="a", wait_seconds=30)
    settings = instance(place / "data") / "data" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "\nno_such_setting = 1\n")
    with pytest.raises(Refused, match="no_such_setting") as refused:
        application.start(place / "data")
    for way_out in ("WAYMARK_DATA_DIRECTORY", "WAYMARK_DATABASE_URL"):
        assert way_out in str(refused.value)
    with (instance(place / "data") / "share.lock").open() as share:
        assert try_exclusive(share.fileno())
    settings.write_text(good)
    application.start(place / "data")
    assert application.query("select 1") == [[1]]


def test_a_half_made_cluster_is_made_anew(person: Person, place: Path, applications: Make) -> None:
    """What a killed initdb left is no cluster."""
    application = applications(person)
    application.start(place / "data")
    application.ask("close", name="a", wait_seconds=30)
    cluster = instance(place / "data") / "data"
    cluster.rename(cluster.with_name("data.new"))
    (cluster.with_name("data.new") / "PG_VERSION").unlink()
    application.start(place / "data")
    assert application.query("select 1") == [[1]]
    assert not cluster.with_name("data.new").exists()


def test_volume_mounts_that_open_the_directories_are_mended(
    person: Person, place: Path, applications: Make
) -> None:
    """A cluster's volume may come back group-writable, which PostgreSQL refuses."""
    application = applications(person)
    application.start(place / "data")
    application.ask("close", name="a", wait_seconds=30)
    ours = [instance(place / "data"), *(instance(place / "data") / n for n in ("data", "run"))]
    for path in ours:
        path.chmod(0o2775)
    application.start(place / "data")
    assert [path.stat().st_mode & 0o777 for path in ours] == [0o700, 0o700, 0o700]


def test_a_directory_that_is_removed_under_a_server_is_made_anew(
    open_place: Path, applications: Make
) -> None:
    """A user who deletes it while an application runs can start another one."""
    first, second = applications(oneself()), applications(oneself())
    first.start(open_place / "data")
    old = server_pid(open_place / "data")
    (open_place / "data").rename(open_place / "gone")
    second.start(open_place / "data")
    assert second.query("select 1") == [[1]]
    assert server_pid(open_place / "data") != old
    assert "ready to accept" in log(open_place / "data")
