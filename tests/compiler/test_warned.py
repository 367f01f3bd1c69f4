"""Each code of a warning: a program that earns it, and near misses that do not.

`warned/` holds what is shown exactly, `silent/` the programs in which a warning
would be a false alarm. `WAYMARK_WRITE_GOLDENS=1` writes the `.txt` files anew;
read the difference.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compiler.authored import body, define
from tests.compiler.test_rejected import compile_file
from waymark import RegistrationError, WorkflowWarning
from waymark.authoring import hooks
from waymark.authoring.registry import registry
from waymark.compiler import compile_workflow
from waymark.compiler.catalogue import CODES, WARNINGS
from waymark.compiler.diagnostics import Diagnostic

HERE = Path(__file__).parent
WARNED = sorted((HERE / "warned").glob("*.py"))
SILENT = sorted((HERE / "silent").glob("*.py"))

pytestmark = [
    # Python says some of these itself, where it compiles a file for the first time.
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
    pytest.mark.filterwarnings("error::waymark.WorkflowWarning"),
]


@pytest.fixture(autouse=True)
def compiler_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "compiler", compile_workflow)
    monkeypatch.chdir(HERE / "warned")


def warnings_in(path: Path) -> list[Diagnostic]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorkflowWarning)
        compile_file(path)
    return list(found_in(path.stem))


def found_in(module: str) -> Iterator[Diagnostic]:
    for definition in registry.workflows():
        if definition.cls.__module__ == module:
            yield from definition.link().warnings


@pytest.mark.parametrize("path", WARNED, ids=lambda path: path.stem)
def test_likely_mistake_is_shown_exactly(path: Path) -> None:
    """The warning is what the golden file says; the workflow is registered."""
    found = warnings_in(path)
    shown = "\n\n".join(map(str, found)) + "\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("WAYMARK_WRITE_GOLDENS"):
        golden.write_text(shown)
    assert shown == golden.read_text()
    assert {diagnostic.code for diagnostic in found} == {path.stem.partition("_")[0].upper()}
    assert {diagnostic.severity for diagnostic in found} == {"warning"}
    places = [(diagnostic.line, diagnostic.column) for diagnostic in found]
    assert places == sorted(places)


@pytest.mark.parametrize("path", SILENT, ids=lambda path: path.stem)
def test_near_miss_stays_silent(path: Path) -> None:
    """People run their tests with warnings as errors: a false alarm breaks them."""
    assert [str(diagnostic) for diagnostic in warnings_in(path)] == []


def test_every_warning_has_a_program_and_near_misses() -> None:
    codes = {code for code in CODES if code in WARNINGS}
    assert {path.stem.partition("_")[0].upper() for path in WARNED} == codes
    assert {path.stem for path in SILENT} >= {path.stem for path in WARNED}


def test_golden_files_have_programs() -> None:
    goldens = (HERE / "warned").glob("*.txt")
    assert {path.stem for path in goldens} == {path.stem for path in WARNED}


# How a warning is shown, and turned off

DEAD = body("return await slow(1)\nreturn 2")


def test_a_warning_is_pythons_own_at_the_authors_line() -> None:
    """Filters, pytest and editors know what to do with it."""
    with pytest.warns(WorkflowWarning) as caught:
        module = define(DEAD)
    (warning,) = caught
    assert str(warning.message) == (
        "WM310 unreachable-code: nothing reaches this: the `return` above leaves;"
        " take it away, or move it above"
    )
    assert warning.filename == f"<{module.__name__}>"
    text = module.W.__waymark__.graph.functions[0].source
    first = module.W.__waymark__.graph.functions[0].first_line
    assert text.split("\n")[warning.lineno - first].strip() == "return 2"


def test_a_warning_as_an_error_registers_nothing() -> None:
    """`-W error::waymark.WorkflowWarning` means it."""
    before = registry.workflows()
    with warnings.catch_warnings():
        warnings.simplefilter("error", WorkflowWarning)
        with pytest.raises(WorkflowWarning, match="WM310"):
            define(DEAD)
    assert registry.workflows() == before


@pytest.mark.parametrize(
    "comment", ["# waymark: ignore[WM310]", "# waymark: ignore[WM411, WM310]", "# waymark: ignore"]
)
def test_a_comment_on_the_line_turns_it_off(comment: str) -> None:
    define(DEAD.replace("return 2", f"return 2  {comment}"))


def test_a_comment_for_another_code_does_not() -> None:
    with pytest.warns(WorkflowWarning, match="WM310"):
        define(DEAD.replace("return 2", "return 2  # waymark: ignore[WM411]"))


def test_a_workflow_ignores_codes() -> None:
    define(DEAD.replace("@workflow", '@workflow(ignore=("WM310",))'))


@pytest.mark.parametrize(
    ("ignore", "message"),
    [
        ('("WM204",)', "names 'WM204', which is no warning's code; errors cannot be ignored"),
        ('("nonsense",)', "names 'nonsense', which is no warning's code"),
        ('"WM310"', r"ignore='WM310' is one text; write ignore=\('WM310',\)"),
    ],
)
def test_only_warnings_can_be_ignored(ignore: str, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        define(DEAD.replace("@workflow", f"@workflow(ignore={ignore})"))


def test_a_mistake_of_ours_stops_no_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for warnings may fail; the workflow compiles all the same."""

    def broken(scene: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("waymark.compiler.warned._CHECKS", (broken,))
    with pytest.warns(WorkflowWarning, match="WM901 .*ZeroDivisionError: oh"):
        module = define(DEAD)
    assert module.W.__waymark__.graph


def test_installed_packages_are_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the warning cannot change them."""
    monkeypatch.setattr("waymark.compiler.origin._INSTALLED", ("<authored_",))
    define(DEAD)
