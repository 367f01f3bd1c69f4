"""Small files, small functions, and names that a newcomer can guess."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
FOLDERS = ("src", "tests", "benches", "examples")

#: Files and functions that may be longer, each with its reason: `"path"` or `"path:function"`.
EXCEPTIONS: dict[str, str] = {
    "tests/compiler/checkout.py:run": "a workflow that is long on purpose",
}

#: Names that say nothing about what a file holds.
EMPTY_NAMES = {"base", "common", "core", "helpers", "manager", "misc", "util", "utils"}


def sources() -> list[Path]:
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of each function of a file, inner ones included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def too_long() -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sources():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > FILE_LINES_MAX:
            found[relative(path)] = lines
        for name, length in functions(path):
            if length > FUNCTION_LINES_MAX:
                found[f"{relative(path)}:{name}"] = length
    return found


def test_files_and_functions_stay_small() -> None:
    """A file at the wall holds two ideas, and so does a function."""
    long = {place: lines for place, lines in too_long().items() if place not in EXCEPTIONS}

    assert long == {}


def test_exceptions_are_still_needed() -> None:
    """An exception goes when what it excused has become small."""
    assert set(EXCEPTIONS) <= set(too_long())


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_files_are_named_for_what_they_hold(folder: str) -> None:
    """Nobody finds a thing in `utils`."""
    found = [
        relative(path)
        for path in sources()
        if relative(path).startswith(f"{folder}/")
        and path.stem.removeprefix("test_") in EMPTY_NAMES
    ]

    assert found == []
