"""The types of the public surface, as mypy and pyright in strict mode see them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

#: `path:line:` of an error, with or without a column, in the form of either tool.
ERROR_LINE = re.compile(r"(?P<path>\S+\.py):(?P<line>\d+):(\d+ -)? error: ")


def check(tool: str, sample: str, cache: Path) -> tuple[set[int], str]:
    """Lines of the sample on which the tool reports an error, and its whole output."""
    path = HERE / sample
    options = {
        "mypy": ["--strict", "--follow-imports=silent", f"--cache-dir={cache}"],
        "pyright": ["--pythonpath", sys.executable],
    }
    command = [sys.executable, "-m", tool, *options[tool], str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode in (0, 1), output
    lines = path.read_text().splitlines()
    found: set[int] = set()
    for match in ERROR_LINE.finditer(output):
        assert Path(match["path"]).name == sample, output
        line = int(match["line"])
        # One tool points at a decorator, the other at the class below it.
        found.add(line - 1 if lines[line - 2].startswith("@") else line)
    return found, output


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_a_users_code_is_typed_without_annotations_of_its_own(tool: str, tmp_path: Path) -> None:
    """Results of actions, `run`, `submit` and handles are inferred; nothing is `Any`
    or an error in strict mode."""
    errors, output = check(tool, "accepted.py", tmp_path)
    assert errors == set(), output


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_each_mistake_is_found_by_the_type_checker(tool: str, tmp_path: Path) -> None:
    """Wrong arguments and results, a workflow without an async `run`: an error on
    exactly the lines that say so."""
    marked = {
        number
        for number, line in enumerate((HERE / "rejected.py").read_text().splitlines(), 1)
        if "# error:" in line
    }
    errors, output = check(tool, "rejected.py", tmp_path)
    assert errors == marked, output
