"""A finding, where it stands, and how it is shown.

Shown like this, all of a workflow's in source order:

    app/workflows.py:14:16 WM204 call-not-known-pure
       |
    14 |         user = db.session.get(User, user_id)
       |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the fact
       |
       = fix: what to write instead

Other forms of the same, for programs that read it, are in `report.py` and `sarif.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from waymark.errors import WorkflowCompileError

from .catalogue import CODES

#: An error stops the registration, a warning never does.
Severity: TypeAlias = Literal["error", "warning"]

#: Of a terminal, by what is shown: the parameters of ANSI's "select graphic rendition".
_STYLES = {"error": "1;31", "warning": "1;33", "place": "1", "margin": "1;34", "fix": "1;36"}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. Lines and columns count from 1, the end is exclusive.
    `message` states the fact, `hint` the fix, `text` is the author's line; `note`
    says how a helper was reached, and is no part of what was found."""

    code: str
    message: str
    hint: str
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str = ""
    severity: Severity = "error"
    note: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The code's name, such as `call-not-known-pure`."""
        return CODES[self.code]

    def __str__(self) -> str:
        return render_diagnostic(self)


def shown_path(path: str) -> str:
    """`path` as people know it: relative where it lies below the working
    directory, unchanged where it is none (`<stdin>`)."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path


def painted(text: str, style: str, colour: bool) -> str:
    """`text` in one of the styles of this module, unchanged without `colour`."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour else text


def render_diagnostic(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """One diagnostic as text, no newline at its end."""
    severity = diagnostic.severity
    where = f"{shown_path(diagnostic.path)}:{diagnostic.line}:{diagnostic.column}"
    code = painted(diagnostic.code, severity, colour)
    kind = "" if severity == "error" else f" ({severity})"
    lines = [f"{painted(where, 'place', colour)} {code} {diagnostic.name}{kind}"]
    text = diagnostic.text.expandtabs(1)
    marked = f"{_carets(diagnostic, text)} {diagnostic.message}" if text.strip() else ""
    lines += quoted_line(diagnostic.line, text, painted(marked, severity, colour), colour)
    margin = " " * len(str(diagnostic.line))
    if not text.strip():
        lines.append(f"{margin} {painted('|', 'margin', colour)} {diagnostic.message}")
    if diagnostic.note:
        lines.append(f"{margin} {painted('= note:', 'margin', colour)} {diagnostic.note}")
    first, *more = diagnostic.hint.splitlines()
    lines.append(f"{margin} {painted('= fix:', 'fix', colour)} {first}")
    lines += [f"{margin}     {line}".rstrip() for line in more]
    return "\n".join(lines)


def quoted_line(number: int, text: str, marked: str, colour: bool) -> list[str]:
    """A line of a file between empty margins, `marked` below it; nothing when there
    is no line to show."""
    if not text.strip():
        return []
    margin = " " * len(str(number))
    bar = painted("|", "margin", colour)
    lines = [f"{margin} {bar}", f"{painted(str(number), 'margin', colour)} {bar} {text}"]
    if marked:
        lines.append(f"{margin} {bar} {marked}")
    return [*lines, f"{margin} {bar}"]


def _carets(diagnostic: Diagnostic, text: str) -> str:
    """Marks below the span, in columns of a terminal; of several lines the first."""
    end = diagnostic.end_column - 1
    if diagnostic.end_line != diagnostic.line:
        end = len(text.rstrip())
    start = diagnostic.column - 1
    return " " * _width(text[:start]) + "^" * max(1, _width(text[start:end]))


def _width(text: str) -> int:
    """How many columns of a terminal `text` takes: wide characters take two,
    accents that join the letter before them none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(_joins, text))


def _joins(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Cf")


def compile_error(workflow: str, diagnostics: Sequence[Diagnostic]) -> WorkflowCompileError:
    """The error that shows all of `diagnostics` and points at the first."""
    count = len(diagnostics)
    what = "1 thing" if count == 1 else f"{count} things"
    head = f"{workflow} does not compile: {what} that a workflow cannot do"
    text = "\n\n".join((head, *map(render_diagnostic, diagnostics)))
    error = WorkflowCompileError(diagnostics, text)
    first = diagnostics[0]
    error.filename = first.path
    error.lineno = first.line
    error.offset = first.column
    error.end_lineno = first.end_line
    error.end_offset = first.end_column
    error.text = first.text
    return error
