"""The hook that .pre-commit-hooks.yaml defines, run as pre-commit runs it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import PRINTING

ROOT = Path(__file__).resolve().parents[2]
HOOK = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")


def run_hook(project: Path) -> subprocess.CompletedProcess[str]:
    """The entry, with no file names, in the root of the project."""
    assert "pass_filenames: false" in HOOK
    (entry,) = re.findall(r"^  entry: (.+)$", HOOK, flags=re.MULTILINE)
    script, *arguments = shlex.split(entry)
    command = [sys.executable, "-m", script, *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example project."""
    target = tmp_path / "welcome"
    ignored = shutil.ignore_patterns(".*", "__pycache__")
    return shutil.copytree(ROOT / "examples" / "fastapi_welcome", target, ignore=ignored)


def test_the_example_project_passes(example: Path) -> None:
    done = run_hook(example)

    assert (done.stdout, done.stderr) == ("no errors in 1 workflow\n", "")
    assert done.returncode == 0


def test_a_mistake_in_it_is_found(example: Path) -> None:
    (example / "welcome" / "jobs.py").write_text(PRINTING, encoding="utf-8")

    done = run_hook(example)

    assert "welcome/jobs.py:10:9 WM202 builtin-not-pure" in done.stdout
    assert done.returncode == 1
