"""Only the user whose application it is may use a server, and nobody's directories
are changed for it."""

from __future__ import annotations

import ctypes
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.embedded.application import Application, Refused, instance
from tests.embedded.conftest import for_everybody, needs_linux, needs_root
from tests.embedded.person import Person, oneself, ordinary, unknown
from waymark.store.embedded.supervisor.cluster import read_socket_directory
from waymark.store.embedded.supervisor.layout import Layout

Make = Callable[..., Application]

#: From <linux/capability.h> and <sys/prctl.h>.
CAP_CHOWN, CAP_SETGID, CAP_SETUID = 0, 6, 7
PR_CAPBSET_DROP = 24


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def without_capability(number: int) -> Callable[[], None]:
    """Run in a child before its program: root that lacks one capability."""
    library = ctypes.CDLL(None)

    def drop() -> None:
        if library.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            raise OSError("the capability cannot be dropped")

    return drop


@for_everybody
def test_only_its_user_can_reach_the_server(
    person: Person, place: Path, applications: Make
) -> None:
    """No TCP; every directory on the way to the socket that is ours is private."""
    application = applications(person)
    answer = application.start(place / "fresh")
    assert application.query("show listen_addresses") == [[""]]
    assert application.query("show unix_socket_permissions") == [["0700"]]
    private = (place / "fresh", instance(place / "fresh"), Path(answer["socket"]))
    assert [mode(path) for path in private] == [0o700, 0o700, 0o700]


@needs_root
def test_another_user_cannot_connect(place: Path, applications: Make, stage: Path) -> None:
    """Trust authentication is safe because the socket's directory is closed."""
    stranger = unknown(stage)
    application = applications(oneself())
    answer = application.start(place / "data")
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    attempt = subprocess.run(
        [stranger.python, "-c", code, f"{answer['socket']}/.s.PGSQL.5432"],
        env=stranger.environment,
        capture_output=True,
        check=False,
        **stranger.identity,
    )
    assert b"PermissionError" in attempt.stderr


def test_what_was_acknowledged_is_on_disk(person: Person, place: Path, applications: Make) -> None:
    """Durability is PostgreSQL's default."""
    application = applications(person)
    application.start(place / "data")
    names = ("fsync", "synchronous_commit", "full_page_writes")
    assert [application.query(f"show {name}") for name in names] == [[["on"]], [["on"]], [["on"]]]


@for_everybody
def test_existing_directories_keep_their_permissions(
    person: Person, place: Path, applications: Make
) -> None:
    """Neither a given data directory nor its parents are changed, only filled."""
    data = place / "shelf" / "data"
    data.mkdir(parents=True)
    for path, bits in ((place / "shelf", 0o751), (data, 0o755)):
        path.chmod(bits)
        person.give(path)
    before = [(path.stat().st_uid, mode(path)) for path in (place, data.parent, data)]
    application = applications(person)
    application.start(data)
    after = [(path.stat().st_uid, mode(path)) for path in (place, data.parent, data)]
    assert after == before
    assert mode(instance(data)) == 0o700


@needs_root
def test_a_place_that_is_closed_to_the_serving_user_is_refused(
    open_place: Path, applications: Make
) -> None:
    """Root's own 0700 home stays 0700; the message names it and both ways out."""
    closed = open_place / "closed"
    closed.mkdir(mode=0o700)
    application = applications(oneself())
    with pytest.raises(Refused) as refused:
        application.start(closed / "data")
    assert refused.value.kind == "EmbeddedUnavailable"
    for words in (str(closed), "mode 700", "nobody", "refuses to run as root"):
        assert words in str(refused.value)
    for way_out in ("WAYMARK_DATA_DIRECTORY", "WAYMARK_DATABASE_URL"):
        assert way_out in str(refused.value)
    assert mode(closed) == 0o700
    assert list(closed.iterdir()) == []


@needs_root
def test_root_serves_as_the_owner_of_the_place(
    open_place: Path, applications: Make, stage: Path
) -> None:
    """So that root and the owner of a project can use one database in turn."""
    owner = ordinary(stage)
    home = open_place / "home"
    home.mkdir(mode=0o700)
    owner.give(home)
    first = applications(oneself())
    first.start(home / "data")
    first.query("create table kept as select 7 as number")
    note = instance(home / "data") / "data" / "postmaster.pid"
    assert note.stat().st_uid == owner.identity["user"]
    first.ask("close", name="a", wait_seconds=30)

    second = applications(owner)
    second.start(home / "data")
    assert second.query("select number from kept") == [[7]]


@needs_root
def test_another_user_s_database_is_refused(
    open_place: Path, applications: Make, stage: Path
) -> None:
    """The message says whose it is."""
    stranger = unknown(stage)
    applications(oneself()).start(open_place / "data")
    (open_place / "data").chmod(0o755)
    with pytest.raises(Refused, match=r"belongs to nobody, not to uid 54321"):
        applications(stranger).start(open_place / "data")


@needs_linux
@needs_root
@pytest.mark.parametrize("capability", [CAP_SETUID, CAP_SETGID, CAP_CHOWN])
def test_root_that_may_not_change_its_uid_is_told_so(
    open_place: Path, applications: Make, capability: int
) -> None:
    """As in a container without capabilities: an error that asks for a URL."""
    application = applications(oneself(), preexec_fn=without_capability(capability))
    with pytest.raises(Refused, match="set WAYMARK_DATABASE_URL") as refused:
        application.start(open_place / "data")
    assert refused.value.kind == "EmbeddedUnavailable"
    assert "ermitted" in str(refused.value)


@needs_root
def test_a_user_without_an_entry_is_told_what_to_do(
    open_place: Path, applications: Make, stage: Path
) -> None:
    """`docker run -u 54321`: initdb would refuse with less to say."""
    stranger = unknown(stage)
    home = open_place / "home"
    home.mkdir()
    stranger.give(home)
    with pytest.raises(Refused, match=r"uid 54321 has no entry .*useradd --uid 54321") as refused:
        applications(stranger).start(home / "data")
    assert "WAYMARK_DATABASE_URL" in str(refused.value)


@needs_root
def test_a_user_without_an_entry_can_use_a_database_that_is_there(
    open_place: Path, applications: Make, stage: Path
) -> None:
    """Only the making of one needs the entry."""
    stranger = unknown(stage)
    home = open_place / "home"
    home.mkdir()
    first = applications(oneself())
    first.start(home / "data")
    first.query("create table kept as select 7 as number")
    first.ask("close", name="a", wait_seconds=30)
    for path in (home, *home.rglob("*")):
        stranger.give(path)
    second = applications(stranger)
    second.start(home / "data")
    assert second.query("select number from kept") == [[7]]


@needs_root
def test_root_follows_no_link_that_the_serving_user_left(
    open_place: Path, applications: Make, stage: Path
) -> None:
    """Root opens files in a directory that an unprivileged user owns."""
    application = applications(oneself())
    application.start(open_place / "data")
    application.ask("close", name="a", wait_seconds=30)
    target = open_place / "target"
    for name in ("start.lock", "server.log"):
        path = instance(open_place / "data") / name
        kept = path.rename(path.with_suffix(".kept"))
        path.symlink_to(target)
        with pytest.raises(Refused):
            application.start(open_place / "data")
        assert not target.exists()
        path.unlink()
        kept.rename(path)
    application.start(open_place / "data")


def test_a_socket_directory_that_is_not_private_is_not_used(tmp_path: Path) -> None:
    """One that lies in a shared place may have been made anew by somebody else."""
    layout = Layout(str(tmp_path))
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    (tmp_path / "socket").write_text(str(sockets))
    owner = sockets.stat().st_uid
    assert read_socket_directory(layout, owner) == str(sockets)
    assert read_socket_directory(layout, owner + 1) is None
    sockets.chmod(0o755)
    assert read_socket_directory(layout, owner) is None
    sockets.rmdir()
    sockets.symlink_to(tmp_path)
    assert read_socket_directory(layout, owner) is None
