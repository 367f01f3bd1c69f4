"""`waymark check`: all that is wrong, at once, and how a script learns of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CLEAN, HEAD, PRINTING, Project

SHOWN = """\
jobs.py:10:9 WM202 builtin-not-pure
   |
10 |         print(key)
   |         ^^^^^ `print` writes to the process that happens to run this
   |
   = fix: do it in an @action and await that

1 error in 1 workflow
"""


def test_shows_what_is_wrong_and_fails(project: Project) -> None:
    """The diagnostic as the decorator shows it, a summary, and exit status 1."""
    project.write("jobs.py", PRINTING)

    result = project.call("check", "jobs.py")

    assert (result.stdout, result.exit_code) == (SHOWN, 1)


def test_is_content_with_what_compiles(project: Project) -> None:
    project.write("jobs.py", CLEAN)

    result = project.call("check", "jobs.py")

    assert (result.stdout, result.exit_code) == ("no errors in 1 workflow\n", 0)


def test_one_bad_workflow_does_not_hide_the_next(project: Project) -> None:
    """Outside of the check the first of these ends the import of its module."""
    second = PRINTING.removeprefix(HEAD).replace("Printing", "Opening").replace("print", "open")
    project.write("jobs.py", PRINTING + "\n" + second + "\n" + CLEAN.removeprefix(HEAD))

    result = project.call("check", "jobs.py", "--output-format", "json")

    found = json.loads(result.stdout)
    assert [one["line"] for one in found["diagnostics"]] == [10, 16]
    assert found["summary"] == {"workflows": 3, "errors": 2, "warnings": 0, "failures": 0}


def test_names_that_never_get_a_meaning_are_found(project: Project) -> None:
    """The decorator leaves them open, since an action may stand further down."""
    project.write("jobs.py", CLEAN.replace("return await fetch", "return await fetsh"))

    result = project.call("check", "jobs.py")

    assert "jobs.py:10:22 WM201 unknown-name" in result.stdout
    assert result.exit_code == 1


def test_a_shared_helper_is_reported_once(project: Project) -> None:
    helper = "async def page(key: str) -> str:\n    print(key)\n    return await fetch(key)\n\n\n"
    first = CLEAN.removeprefix(HEAD).replace("await fetch", "await page")
    project.write("jobs.py", HEAD + helper + first + "\n" + first.replace("Clean", "Second"))

    result = project.call("check", "jobs.py", "--output-format", "json")

    found = json.loads(result.stdout)
    assert [one["code"] for one in found["diagnostics"]] == ["WM202"]
    assert found["summary"]["workflows"] == 2


def test_warnings_are_shown_and_fail_nothing(project: Project) -> None:
    """A likely mistake is told in its place, and only there; the exit status is that of success."""
    dead = CLEAN.replace("await fetch(key)", "await fetch(key)\n        return key")
    project.write("flows.py", dead)

    result = project.call("check", "flows.py")

    assert result.exit_code == 0
    assert "flows.py:11:9 WM310 unreachable-code (warning)" in result.stdout
    assert "WorkflowWarning" not in result.output
    assert "1 warning" in result.output
    assert project.call("check", "flows.py", "--ignore", "WM310").stdout.count("WM310") == 0


def test_findings_come_in_the_order_of_files_and_lines(project: Project) -> None:
    project.write("b.py", PRINTING)
    project.write("a.py", PRINTING + "\n" + PRINTING.removeprefix(HEAD).replace("Printing", "P2"))

    result = project.call("check", "b.py", "a.py", "--output-format", "json")

    places = [(one["path"], one["line"]) for one in json.loads(result.stdout)["diagnostics"]]
    assert places == [("a.py", 10), ("a.py", 16), ("b.py", 10)]


def test_the_current_directory_is_the_default(project: Project) -> None:
    project.write("app/__init__.py", "")
    project.write("app/jobs.py", PRINTING)

    result = project.call("check")

    assert "app/jobs.py:10:9 WM202" in result.stdout


def test_says_so_when_there_is_nothing_to_check(project: Project) -> None:
    """A check of the wrong directory must not look like one that passed."""
    result = project.call("check", "--quiet")

    assert result.stdout == ""
    assert result.stderr == "no workflow was found in this directory\n"
    assert result.exit_code == 0


def test_quiet_leaves_the_summary_out(project: Project) -> None:
    project.write("jobs.py", CLEAN)

    assert project.call("check", "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ((), ["WM202", "WM201"]),
        (("--select", "WM201"), ["WM201"]),
        (("--select", "wm201,WM202"), ["WM202", "WM201"]),
        (("--select", "WM2", "--ignore", "WM202"), ["WM201"]),
        (("--ignore", "WM2"), []),
        (("--select", "WM1", "--select", "WM201"), ["WM201"]),
    ],
)
def test_select_and_ignore(project: Project, options: tuple[str, ...], codes: list[str]) -> None:
    """Codes or beginnings of codes, after commas or repeated; `--ignore` wins. What
    is not shown does not count."""
    project.write("jobs.py", PRINTING.replace("fetch(key)", "fetch(kye)"))

    result = project.call("check", "--output-format", "json", *options)

    found = json.loads(result.stdout)
    assert [one["code"] for one in found["diagnostics"]] == codes
    assert result.exit_code == (1 if codes else 0)


def test_a_code_that_does_not_exist_is_a_mistake(project: Project) -> None:
    """A typing error in `--ignore` would otherwise go unnoticed."""
    result = project.call("check", "--ignore", "WM2,WM7")

    assert "no code begins with WM7; `waymark explain` lists all" in result.stderr
    assert result.exit_code == 2


@pytest.mark.parametrize("name", ["nowhere", "nowhere/jobs.py", "waymark.nowhere"])
def test_what_does_not_exist_is_a_mistake(project: Project, name: str) -> None:
    result = project.call("check", name)

    assert repr(name) in result.stderr
    assert result.exit_code == 2


def test_an_import_that_fails_shows_the_authors_line(project: Project) -> None:
    """Other modules are checked all the same; the status says that not all were."""
    project.write("broken.py", "import jobs\nimport missing_library\n" + CLEAN)
    project.write("jobs.py", PRINTING)

    result = project.call("check", "broken.py", "jobs.py")

    assert result.stdout.startswith(
        "broken.py:2 broken cannot be imported\n"
        "  |\n"
        "2 | import missing_library\n"
        "  |\n"
        "  = ModuleNotFoundError: No module named 'missing_library'\n"
    )
    assert "jobs.py:10:9 WM202" in result.stdout
    assert "1 thing could not be checked" in result.stdout
    assert result.exit_code == 2


def test_a_failure_in_a_module_that_another_imports_shows_its_line(project: Project) -> None:
    project.write("jobs.py", "import settings\n" + CLEAN)
    project.write("settings.py", "import os\nHOST = os.environ['NO_SUCH_HOST']\n")

    result = project.call("check", "jobs.py")

    assert result.stdout.startswith("settings.py:2 jobs cannot be imported\n")


def test_a_failure_inside_a_library_shows_the_line_that_called_it(project: Project) -> None:
    project.write("jobs.py", "import json\nSETTINGS = json.loads('{')\n" + CLEAN)

    result = project.call("check", "jobs.py", "--output-format", "json")

    (failure,) = json.loads(result.stdout)["failures"]
    assert (failure["path"], failure["line"]) == ("jobs.py", 2)
    assert "JSONDecodeError" in failure["message"]


def test_what_cannot_be_registered_is_shown_and_hides_nothing(project: Project) -> None:
    """A class that is no workflow at all; those that follow in its module are checked."""
    second = CLEAN.removeprefix(HEAD).replace("Clean", "Second")
    sync = second.replace("async def run", "def run").replace("await ", "")
    printing = PRINTING.removeprefix(HEAD)
    project.write("jobs.py", f"{HEAD}{sync}\n{printing}")

    result = project.call("check", "jobs.py")

    assert result.stdout.startswith(
        "jobs.py:7 this workflow cannot be registered\n"
        "  |\n"
        "7 | @workflow\n"
        "  |\n"
        "  = Second.run is not async; write `async def run(self, ...)`\n"
    )
    assert "jobs.py:15:9 WM202" in result.stdout
    assert result.exit_code == 2


def test_a_file_that_does_not_parse_is_shown(project: Project) -> None:
    """Also one that the search in a directory found."""
    project.write("jobs.py", CLEAN + "\nreturn (\n")

    result = project.call("check")

    assert result.stdout.startswith("jobs.py:12 jobs cannot be imported\n")
    assert "12 | return (" in result.stdout
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "last", ["raise SystemExit(3)", "import pytest; pytest.skip('no', allow_module_level=True)"]
)
def test_a_module_that_exits_does_not_end_the_check(project: Project, last: str) -> None:
    project.write("a.py", f"{CLEAN}\n{last}\n")
    project.write("b.py", PRINTING)

    result = project.call("check", "a.py", "b.py")

    assert "a.py:12 a cannot be imported" in result.stdout
    assert "b.py:10:9 WM202" in result.stdout


def test_what_modules_print_stays_out_of_the_report(project: Project) -> None:
    project.write("jobs.py", "print('hello')\n" + CLEAN)

    result = project.call("check", "--output-format", "json")

    assert json.loads(result.stdout)["failures"] == []
    assert result.stderr == "hello\n"


def test_an_action_that_cannot_get_what_it_depends_on_is_told(project: Project) -> None:
    """What `start()` would raise."""
    head = "from __future__ import annotations\nfrom waymark import Depends, INJECTED\n"
    action = (
        "@action\nasync def store(pool: Pool = Depends(lambda pool: pool)) -> None: ...\n\n"
        "class Pool: ...\n"
    )
    project.write("jobs.py", head + CLEAN + "\n" + action)

    result = project.call("check", "jobs.py")

    assert result.stdout.startswith("jobs.py:14 jobs:store cannot be used\n")
    assert "14 | @action" in result.stdout
    assert "nothing provides it" in result.stdout
    assert result.exit_code == 2


COLOURED = "\x1b["


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": ""}, False),
    ],
)
def test_colour_is_for_terminals(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    coloured: bool,
) -> None:
    """Output that goes into a file has none, unless the environment asks for it."""
    project.write("jobs.py", PRINTING)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert (COLOURED in project.call("check").stdout) is coloured


def test_works_as_a_program_with_no_database(tmp_path: Path) -> None:
    """`python -m waymark check` in CI: nothing is started, nothing is asked for."""
    (tmp_path / "jobs.py").write_text(PRINTING, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "waymark", "check"],
        cwd=tmp_path,
        env={**os.environ, "WAYMARK_DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == (SHOWN, "", 1)


def test_an_output_of_few_characters_is_no_failure(tmp_path: Path) -> None:
    """What cannot be written in its encoding is escaped, as on a Windows console."""
    text = PRINTING.replace("print(key)", "print('→')")
    (tmp_path / "jobs.py").write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "waymark", "check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "10 |         print('\\u2192')" in done.stdout
    assert (done.stderr, done.returncode) == ("", 1)
