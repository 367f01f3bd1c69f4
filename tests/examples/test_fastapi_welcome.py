"""The FastAPI example is a template: a copy of it works anywhere, and its demo loses nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fastapi_welcome"
LAST_LINE = re.compile(
    r"demo: users (\d+), active (\d+), received (\d+), duplicates (\d+), lost (\d+)"
)


def copy(target: Path) -> Path:
    """A copy of the template, as a person makes one."""
    shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    return target


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_copy_passes_its_own_tests(tmp_path: Path) -> None:
    """Nothing has to be started for them, and no warning comes up."""
    outcome = run("-m", "pytest", "-q", "-p", "no:asyncio", cwd=copy(tmp_path / "my app"))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert re.search(r"\d+ passed", outcome.stdout)
    assert "skipped" not in outcome.stdout
    assert "warning" not in outcome.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One small play of the demo."""
    app = copy(tmp_path_factory.mktemp("demo") / "my app")
    return run("demo.py", "--users", "80", "--concurrency", "4", cwd=app)


def test_the_demo_loses_nothing_over_a_kill(demo: subprocess.CompletedProcess[str]) -> None:
    """Each active user gets a mail although the app is killed midway; the last line says so."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    counts = LAST_LINE.fullmatch(demo.stdout.splitlines()[-1])
    assert counts is not None, demo.stdout
    users, active, received, duplicates, lost = map(int, counts.groups())
    assert (users, received, lost) == (80, active, 0)
    assert 0 < active < 80
    assert duplicates <= 4


def test_the_demo_kills_the_app_midway(demo: subprocess.CompletedProcess[str]) -> None:
    """The story that the demo tells has the crash in it, with mails still to come."""
    killed = re.search(r"SIGKILL: the app is dead, with (\d+) of (\d+) mails sent", demo.stdout)
    assert killed is not None, demo.stdout + demo.stderr
    assert 0 < int(killed[1]) < int(killed[2])
    assert "The app is back" in demo.stdout
