"""A project of its own for each test, and a clean process after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from waymark.authoring.registry import registry
from waymark.cli import commands

HEAD = """\
from waymark import Workflow, action, workflow

@action
async def fetch(key: str) -> str:
    return key

"""
#: One violation, in line 10: `print` in column 9.
PRINTING = (
    HEAD
    + """\
@workflow
class Printing(Workflow):
    async def run(self, key: str) -> str:
        print(key)
        return await fetch(key)
"""
)
CLEAN = PRINTING.replace("        print(key)\n", "").replace("Printing", "Clean")


class Project:
    """The working directory of a test, and `waymark` called in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, path: str, text: str) -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(commands, arguments, prog_name="waymark")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Modules that a test imports are forgotten after it, and what they registered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    before = set(sys.modules)
    with registry.isolated():
        for name in ("_actions", "_workflows"):
            getattr(registry, name).clear()
        yield Project(tmp_path)
    imported = [name for name in sys.modules if name not in before and _is_below(name, tmp_path)]
    for name in imported:
        del sys.modules[name]
    sys.path_importer_cache.clear()


def _is_below(name: str, directory: Path) -> bool:
    """Whether a module comes from there. A package without `__init__.py` has no file."""
    module = sys.modules[name]
    places = (getattr(module, "__file__", None), *getattr(module, "__path__", ()))
    return any(str(directory) in str(place) for place in places)
