"""All that a check of many workflows found, and its forms for people and programs.

`text` is for people; `json` has the form that docs/check.md promises; `github` are
the workflow commands that GitHub turns into annotations of a change. SARIF has a
file of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from .diagnostics import (
    Diagnostic,
    Severity,
    painted,
    quoted_line,
    render_diagnostic,
    shown_path,
)

#: Of the JSON form. Grows when a field goes or changes its meaning, not when one comes.
JSON_VERSION = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """What kept something from being checked: a module that cannot be imported,
    an action whose dependencies cannot be resolved. `text` is the author's line."""

    what: str
    message: str
    path: str
    line: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in `workflows` workflows, in source order."""

    diagnostics: tuple[Diagnostic, ...]
    failures: tuple[Failure, ...] = ()
    workflows: int = 0

    def count(self, severity: Severity) -> int:
        return sum(found.severity == severity for found in self.diagnostics)


def source_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By path and place, each once: two workflows may share a helper."""
    return tuple(
        sorted(
            dict.fromkeys(diagnostics),
            key=lambda found: (found.path, found.line, found.column, found.code),
        )
    )


def slashed(path: str) -> str:
    """`path` as it is shown, with `/` on every system."""
    return PurePath(shown_path(path)).as_posix()


def as_text(report: Report, *, colour: bool = False, summary: bool = True) -> str:
    parts = [_failure(failure, colour) for failure in report.failures]
    parts += [render_diagnostic(found, colour=colour) for found in report.diagnostics]
    if summary:
        parts.append(_summary(report, colour))
    return "\n\n".join(parts)


def _failure(failure: Failure, colour: bool) -> str:
    where = painted(f"{shown_path(failure.path)}:{failure.line}", "place", colour)
    margin = " " * len(str(failure.line))
    first, *more = failure.message.splitlines() or [""]
    return "\n".join(
        (
            f"{where} {painted(failure.what, 'error', colour)}",
            *quoted_line(failure.line, failure.text, "", colour),
            f"{margin} = {first}",
            *(f"{margin}   {line}".rstrip() for line in more),
        )
    )


def _summary(report: Report, colour: bool) -> str:
    errors, warnings = report.count("error"), report.count("warning")
    counts = [_counted(errors, "error")] if errors or not warnings else []
    if warnings:
        counts.append(_counted(warnings, "warning"))
    checked = _counted(report.workflows, "workflow")
    text = f"{' and '.join(counts)} in {checked}"
    if report.failures:
        text += f"; {_counted(len(report.failures), 'thing')} could not be checked"
    bad = "error" if errors or report.failures else "warning" if warnings else "place"
    return painted(text, bad, colour)


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def in_words(found: Diagnostic) -> str:
    """The fact, how it was reached, and the fix: what a program shows as one message."""
    note = f"note: {found.note}\n" if found.note else ""
    return f"{found.message}\n{note}fix: {found.hint}"


def as_json(report: Report) -> str:
    """One object; docs/check.md has its fields."""
    document = {
        "version": JSON_VERSION,
        "summary": {
            "workflows": report.workflows,
            "errors": report.count("error"),
            "warnings": report.count("warning"),
            "failures": len(report.failures),
        },
        "diagnostics": [
            {
                "code": found.code,
                "name": found.name,
                "severity": found.severity,
                "message": found.message,
                "note": found.note,
                "fix": found.hint,
                "path": slashed(found.path),
                "line": found.line,
                "column": found.column,
                "end_line": found.end_line,
                "end_column": found.end_column,
            }
            for found in report.diagnostics
        ],
        "failures": [
            {
                "what": failure.what,
                "message": failure.message,
                "path": slashed(failure.path),
                "line": failure.line,
            }
            for failure in report.failures
        ],
    }
    return json.dumps(document, indent=2)


def as_github(report: Report) -> str:
    """A line for each finding, as GitHub's runner reads them from the output."""
    return "\n".join(_annotations(report))


def _annotations(report: Report) -> Iterator[str]:
    for failure in report.failures:
        place = {"file": slashed(failure.path), "line": failure.line, "title": failure.what}
        yield _annotation("error", place, failure.message)
    for found in report.diagnostics:
        place = {
            "file": slashed(found.path),
            "line": found.line,
            "col": found.column,
            "endLine": found.end_line,
            "endColumn": found.end_column,
            "title": f"{found.code} {found.name}",
        }
        yield _annotation(found.severity, place, in_words(found))


def _annotation(command: str, properties: Mapping[str, object], message: str) -> str:
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{command} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
