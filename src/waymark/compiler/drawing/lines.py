"""Code as coloured lines of a limited width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from .words import clean, clipped, columns

_WORDS = re.compile(
    r"(?P<s>\b[rbfu]{0,2}(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|\b(?P<k>await|async|return|raise|for|in|if|elif|else|while|try|except|finally|with|as|match"
    r"|case|from|not|and|or|is|lambda|break|continue|assert|def|del|yield|import|pass|None|True"
    r"|False)\b"
    r"|(?P<w>\b[^\W\d]\w*)(?=[(,])",
    re.IGNORECASE,
)
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its text, and for each character a letter: `s` for one of a
    string, `k` of a keyword, `c` of the name that is called, else a space."""

    text: str
    marks: str

    @property
    def columns(self) -> int:
        return columns(self.text)

    def runs(self) -> Iterator[tuple[str, str]]:
        """Pieces of the text with the letter that all their characters have."""
        for mark, pairs in groupby(zip(self.text, self.marks, strict=True), lambda pair: pair[1]):
            yield "".join(character for character, _ in pairs), mark.strip()


def code_lines(text: str, width: int, lines_max: int, calls: str = "") -> tuple[Line, ...]:
    """One line of code is wrapped, several are clipped; `…` stands for the rest."""
    whole = _marked(clean(text), calls)
    first, *others = _split(whole)
    if not others:
        return tuple(_wrapped(first, width, lines_max))
    if len(others) >= lines_max:
        rest = f"… {len(others) + 2 - lines_max} more lines"
        others = [*others[: lines_max - 2], Line(rest, " " * len(rest))]
    return tuple(_clipped(line, width) for line in (first, *others))


def _marked(text: str, calls: str) -> Line:
    marks = [" "] * len(text)
    for match in _WORDS.finditer(text):
        kind = match.lastgroup or " "
        if kind == "w":
            kind = "c" if match["w"] == calls else " "
        marks[match.start() : match.end()] = kind * (match.end() - match.start())
    return Line(text, "".join(marks))


def _split(whole: Line) -> list[Line]:
    found: list[Line] = []
    start = 0
    for text in whole.text.split("\n"):
        found.append(Line(text, whole.marks[start : start + len(text)]))
        start += len(text) + 1
    return found


def _clipped(line: Line, width: int) -> Line:
    text = clipped(line.text, width)
    return Line(text, line.marks[: len(text)])


def _wrapped(line: Line, width: int, lines_max: int) -> Iterator[Line]:
    """Broken after commas, brackets and spaces; what follows is indented."""
    indent = ""
    for _ in range(lines_max - 1):
        if columns(indent) + line.columns <= width:
            break
        cut = _cut(line, width - len(indent))
        yield _indented(Line(line.text[:cut].rstrip(), line.marks[:cut]), indent)
        text = line.text[cut:].lstrip()
        line, indent = Line(text, line.marks[len(line.marks) - len(text) :]), _INDENT
    yield _indented(_clipped(line, width - len(indent)), indent)


def _indented(line: Line, indent: str) -> Line:
    return Line(indent + line.text, " " * len(indent) + line.marks[: len(line.text)])


def _cut(line: Line, width: int) -> int:
    """Where to break a line that is too wide: at the last good place in the second
    half of the room, at a space rather than a bracket, in a string only at need."""
    end = max(len(clipped(line.text, width)) - 1, 1)
    for pattern, marks in ((r"\s", "kc "), (r"\s|[(\[{]", "kc "), (r"\s|[(\[{]", "skc ")):
        found = [match.end() for match in re.finditer(pattern, line.text[:end])]
        places = [each for each in found if each > end // 2 and line.marks[each - 1] in marks]
        if places:
            return places[-1]
    return end
