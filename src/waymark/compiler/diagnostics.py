"""A violation, where it stands, and how it is shown.

Shown like this, all of a workflow's in source order:

    app/workflows.py:14:16 WM204 call-not-known-pure
       |
    14 |         user = db.session.get(User, user_id)
       |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the fact
       |
       = fix: what to write instead
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from waymark.errors import WorkflowCompileError

from .catalogue import CODES

#: An error stops the registration, a warning never does.
Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. Lines and columns count from 1, the end is exclusive.
    `message` states the fact, `hint` the fix, `text` is the author's line."""

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


def render_diagnostic(diagnostic: Diagnostic) -> str:
    """One diagnostic as text, no newline at its end."""
    number = str(diagnostic.line)
    margin = " " * len(number)
    where = f"{shown_path(diagnostic.path)}:{number}:{diagnostic.column}"
    kind = "" if diagnostic.severity == "error" else f" ({diagnostic.severity})"
    lines = [f"{where} {diagnostic.code} {diagnostic.name}{kind}"]
    if diagnostic.text.strip():
        text = diagnostic.text.expandtabs(1)
        lines += [
            f"{margin} |",
            f"{number} | {text}",
            f"{margin} | {_carets(diagnostic, text)} {diagnostic.message}",
            f"{margin} |",
        ]
    else:
        lines.append(f"{margin} | {diagnostic.message}")
    first, *more = diagnostic.hint.splitlines()
    lines.append(f"{margin} = fix: {first}")
    lines += [f"{margin}     {line}".rstrip() for line in more]
    return "\n".join(lines)


def _carets(diagnostic: Diagnostic, text: str) -> str:
    end = diagnostic.end_column - 1
    if diagnostic.end_line != diagnostic.line:
        end = len(text.rstrip())
    start = diagnostic.column - 1
    return " " * start + "^" * max(1, end - start)


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
