"""The forms of a report for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from waymark.compiler.diagnostics import Diagnostic
from waymark.compiler.report import Failure, Report, as_github, as_json, as_text
from waymark.compiler.sarif import as_sarif

from .conftest import PRINTING, Project

FOUND = Diagnostic(
    "WM202",
    "`print` writes, 100%: here",
    "do it in an @action\nand await that",
    "/elsewhere/a b.py",
    10,
    9,
    11,
    14,
    "        print(key,",
    "warning",
    "called from `run`, line 3",
)
REPORT = Report((FOUND,), (Failure("jobs cannot be imported", "E: no", "/x/jobs.py", 3),), 2)


def sarif(report: Report) -> Any:
    return json.loads(as_sarif(report, lambda code: f"# {code}\n", "1.2"))


def test_json_is_what_the_page_promises(project: Project) -> None:
    """docs/check.md shows this very object."""
    project.write("app/workflows.py", PRINTING)

    shown = json.loads(project.call("check", "--output-format", "json").stdout)

    page = (Path(__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")
    assert shown == json.loads(page.split("```json\n")[1].split("```")[0])


def test_json_tells_failures() -> None:
    assert json.loads(as_json(REPORT))["failures"] == [
        {"what": "jobs cannot be imported", "message": "E: no", "path": "/x/jobs.py", "line": 3}
    ]


def test_github_annotations_are_escaped() -> None:
    """Each in one line, whatever stands in a path or a message."""
    failure, finding = as_github(REPORT).splitlines()

    assert failure == "::error file=/x/jobs.py,line=3,title=jobs cannot be imported::E: no"
    assert finding == (
        "::warning file=/elsewhere/a b.py,line=10,col=9,endLine=11,endColumn=14,"
        "title=WM202 builtin-not-pure::`print` writes, 100%25: here"
        "%0Anote: called from `run`, line 3%0Afix: do it in an @action%0Aand await that"
    )


def test_github_properties_are_escaped() -> None:
    report = Report((), (Failure("a, b: c", "d", "x,y:z.py", 1),))

    assert as_github(report) == "::error file=x%2Cy%3Az.py,line=1,title=a%2C b%3A c::d"


def test_sarif_has_what_the_standard_requires(project: Project) -> None:
    """SARIF 2.1.0: `version`, `runs`, `tool.driver.name`, `id` of rules, `message` of
    results, indexes that lead to their rules."""
    project.write("app/jobs.py", PRINTING)
    log = json.loads(project.call("check", "--output-format", "sarif").stdout)

    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "waymark"
    (rule,) = driver["rules"]
    assert (rule["id"], rule["name"]) == ("WM202", "BuiltinNotPure")
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["help"]["markdown"].startswith("# WM202 builtin-not-pure")
    (result,) = run["results"]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "WM202"
    assert result["level"] == "error"
    assert result["message"]["text"].startswith("`print` writes")
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_sarif_places_are_relative_and_count_from_one(project: Project) -> None:
    """A report means the same on another machine."""
    project.write("my app/jobs.py", PRINTING)
    (run,) = json.loads(project.call("check", "--output-format", "sarif").stdout)["runs"]

    (location,) = run["results"][0]["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20app/jobs.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 10, "startColumn": 9, "endLine": 10, "endColumn": 14},
    }
    root = run["originalUriBaseIds"]["%SRCROOT%"]["uri"]
    assert root == project.directory.as_uri() + "/"


def test_sarif_of_a_file_elsewhere_is_absolute() -> None:
    (run,) = sarif(REPORT)["runs"]

    location = run["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "file:///elsewhere/a%20b.py"}
    assert run["results"][0]["level"] == "warning"


def test_sarif_tells_failures() -> None:
    (run,) = sarif(REPORT)["runs"]

    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"] == {"text": "jobs cannot be imported: E: no"}


def test_sarif_fingerprints_survive_lines_above() -> None:
    """A scanner knows a finding again after an edit, and tells two equal ones apart."""
    moved = Diagnostic(
        *(FOUND.code, FOUND.message, FOUND.hint, FOUND.path, 20, 9, 21, 14), FOUND.text
    )

    def prints(*found: Diagnostic) -> list[str]:
        results = sarif(Report(found))["runs"][0]["results"]
        return [result["partialFingerprints"]["waymark/v1"] for result in results]

    assert prints(FOUND) == prints(moved)
    assert len(set(prints(FOUND, moved))) == 2


@pytest.mark.parametrize(
    ("report", "summary"),
    [
        (Report((), (), 3), "no errors in 3 workflows"),
        (Report((FOUND,), (), 1), "1 warning in 1 workflow"),
        (REPORT, "1 warning in 2 workflows; 1 thing could not be checked"),
        (Report((), (), 0), "no errors in no workflows"),
    ],
)
def test_the_summary_counts(report: Report, summary: str) -> None:
    assert as_text(report).splitlines()[-1] == summary


def test_colour_paints_and_changes_no_word() -> None:
    """Without the escapes it is the plain text."""
    import re

    painted = as_text(REPORT, colour=True)

    assert "\x1b[1;33mWM202\x1b[0m" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == as_text(REPORT)
