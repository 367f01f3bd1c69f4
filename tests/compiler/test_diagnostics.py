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


def shown(text: str, part: str, end_line: int = 3) -> tuple[str, str]:
    """The quoted line and its marks, of a finding at `part` of `text`."""
    start = text.index(part) + 1
    found = replace(FOUND, text=text, column=start, end_column=start + len(part), end_line=end_line)
    _, _, quoted, marks, *_ = str(found).splitlines()
    return quoted.removeprefix("3 | "), marks.removeprefix("  | ").removesuffix(found.message)


def test_marks_stand_below_what_they_mean() -> None:
    """In columns of a terminal, where a tab, a wide letter or an accent before it
    takes another number of them than it has characters."""
    assert shown("    return total", "total") == ("    return total", "           ^^^^^ ")
    assert shown("\treturn total", "total") == (" return total", "        ^^^^^ ")
    assert shown("x = '\u5831\u544a' + total", "total")[1] == " " * 13 + "^^^^^ "
    assert shown("x = 'e\u0301' + total", "total")[1] == " " * 10 + "^^^^^ "
    assert shown("x = \u5831\u544a", "\u5831\u544a")[1] == "    ^^^^ "


def test_marks_of_several_lines_end_with_the_first() -> None:
    assert shown("x = f(a,  ", "f(a", end_line=5)[1] == "    ^^^^ "
