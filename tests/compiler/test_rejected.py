"""Each diagnostic code: a program that earns it, and exactly what is shown.

`fixed/` holds each program again with the fixes applied that it is shown, and compiles.

`WAYMARK_WRITE_GOLDENS=1` writes the `.txt` files anew; read the difference.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from waymark.authoring import hooks
from waymark.authoring.registry import registry
from waymark.compiler import compile_workflow
from waymark.compiler.catalogue import CODES, WARNINGS
from waymark.errors import WorkflowCompileError

REJECTED = Path(__file__).parent / "rejected"
PROGRAMS = sorted(REJECTED.glob("*.py"))
FIXED = REJECTED.with_name("fixed")


def compile_file(path: Path) -> None:
    """Import a file of workflows and resolve every name of them."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
        for definition in registry.workflows():
            if definition.cls.__module__ == path.stem:
                definition.link()
    finally:
        del sys.modules[path.stem]


@pytest.fixture(autouse=True)
def compiler_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "compiler", compile_workflow)
    monkeypatch.chdir(REJECTED)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_rejected_program_is_shown_exactly(path: Path) -> None:
    """The message is what the golden file says, and names the file's code."""
    with pytest.raises(WorkflowCompileError) as caught:
        compile_file(path)
    error = caught.value
    shown = f"{error.msg}\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("WAYMARK_WRITE_GOLDENS"):
        golden.write_text(shown)
    assert shown == golden.read_text()
    code = path.stem.partition("_")[0].upper()
    assert code in {diagnostic.code for diagnostic in error.diagnostics}
    assert error.lineno == error.diagnostics[0].line
    assert error.offset == error.diagnostics[0].column
    places = [(found.path, found.line, found.column) for found in error.diagnostics]
    assert places == sorted(places)


def test_every_code_has_a_program() -> None:
    """A code without an example of it may be dead, or worse, untested."""
    shown = {path.stem.partition("_")[0].upper() for path in PROGRAMS}
    # Syntax of a later Python and a bug of ours have tests of their own.
    assert shown == set(CODES) - WARNINGS - {"WM108", "WM901"}


def test_golden_files_have_programs() -> None:
    assert {path.stem for path in REJECTED.glob("*.txt")} == {path.stem for path in PROGRAMS}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("error::waymark.WorkflowWarning")
def test_the_fix_that_is_shown_compiles(path: Path) -> None:
    """A remedy that is refused itself, or earns a warning, is none."""
    compile_file(FIXED / path.name)
    found = [each for each in registry.workflows() if each.cls.__module__ == path.stem]
    assert found, "the fixed program defines the workflow"


def test_every_program_has_its_fix() -> None:
    """As many as there are rejected programs, each with lines of its own."""
    assert {path.name for path in FIXED.glob("*.py")} == {path.name for path in PROGRAMS}
    for path in PROGRAMS:
        assert (FIXED / path.name).read_text() != path.read_text()
