"""How one finding is shown."""

from __future__ import annotations

from dataclasses import replace

from waymark.compiler.diagnostics import Diagnostic

FOUND = Diagnostic(
    "WM201",
    "the name `total` is not defined",
    "define it",
    "work.py",
    3,
    12,
    3,
    17,
    "    return total",
)


def test_an_error_is_shown_without_a_word_for_it() -> None:
    """Most findings are errors; their first line is place, code and name."""
    assert str(FOUND).splitlines()[0] == "work.py:3:12 WM201 unknown-name"


def test_a_warning_says_that_it_is_one() -> None:
    """Nobody takes a warning for what keeps the workflow from being registered."""
    warning = replace(FOUND, severity="warning")

    assert str(warning).splitlines()[0] == "work.py:3:12 WM201 unknown-name (warning)"
    assert str(warning).splitlines()[1:] == str(FOUND).splitlines()[1:]
