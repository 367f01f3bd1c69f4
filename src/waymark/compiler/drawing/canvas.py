"""Shapes as SVG text. Coordinates are whole pixels, so that equal pictures are
equal texts; every text is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from html import escape
from math import ceil
from typing import TypeAlias

from .lines import Line
from .words import clean, columns

#: Widths of characters, a little more than the widest of the fonts that are asked
#: for: no font is measured, and none is loaded.
CODE_WIDTH = 7.25
SMALL_WIDTH = 6.65
LABEL_WIDTH = 8.1
TITLE_WIDTH = 9.6
LINE_HEIGHT = 17

_ARROW = 5
#: How far from a corner a line begins to turn.
ROUND = 8


def width_of(text: str, per_column: float) -> int:
    """Pixels that `text` takes, rounded up to an even number."""
    return 2 * ceil(columns(text) * per_column / 2)


def code_width(lines: tuple[Line, ...]) -> int:
    """Pixels that the widest of `lines` takes."""
    return 2 * ceil(max(line.columns for line in lines) * CODE_WIDTH / 2)


_Point: TypeAlias = tuple[int, int]


class Canvas:
    """Collects the lines of one SVG document."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def group(self, kind: str, nodes: tuple[int, ...] = (), hint: str = "") -> Generator[None]:
        """Shapes that belong together. `hint` shows under the mouse."""
        named = f' data-node="{" ".join(map(str, nodes))}"' if nodes else ""
        self.lines.append(f'<g class="{kind}"{named}>')
        if hint:
            self.lines.append(f"<title>{escape(clean(hint))}</title>")
        yield
        self.lines.append("</g>")

    def box(self, kind: str, x: int, y: int, width: int, height: int, radius: int) -> None:
        self.lines.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"'
            f' rx="{radius}"/>'
        )

    def band(self, kind: str, x: int, y: int, width: int, height: int, radius: int) -> None:
        """A box that is rounded at its top only."""
        r, down, across = radius, height - radius, width - 2 * radius
        d = f"M{x} {y + height}v{-down}q0 {-r} {r} {-r}h{across}q{r} 0 {r} {r}v{down}z"
        self.lines.append(f'<path class="{kind}" d="{d}"/>')

    def text(self, kind: str, x: int, y: int, text: str, anchor: str = "") -> None:
        placed = f' text-anchor="{anchor}"' if anchor else ""
        shown = escape(clean(text), quote=False)
        self.lines.append(f'<text class="{kind}" x="{x}" y="{y}"{placed}>{shown}</text>')

    def code(self, x: int, y: int, line: Line) -> None:
        """A line of code, its indentation as distance."""
        x += round((len(line.text) - len(line.text.lstrip(" "))) * CODE_WIDTH)
        parts = [_run(text, mark) for text, mark in line.runs()]
        shown = "".join(parts).lstrip(" ")
        self.lines.append(f'<text class="code" x="{x}" y="{y}">{shown}</text>')

    def dot(self, x: int, y: int) -> None:
        """The end of a function."""
        self.lines.append(f'<circle class="end" cx="{x}" cy="{y}" r="7"/>')
        self.lines.append(f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>')

    def line(self, points: list[_Point], kind: str = "flow", *, arrow: bool = True) -> None:
        """A line through `points`, its corners rounded, with an arrow at its end."""
        self.lines.append(f'<path class="{kind}" d="{_path(points)}"/>')
        if arrow:
            self.lines.append(f'<path class="{kind} tip" d="{_tip(points[-2], points[-1])}"/>')


def _path(points: list[_Point]) -> str:
    drawn = [f"M{points[0][0]} {points[0][1]}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, end = _towards(corner, before), _towards(corner, after)
        drawn.append(f"L{start[0]} {start[1]}Q{corner[0]} {corner[1]} {end[0]} {end[1]}")
    return "".join([*drawn, f"L{points[-1][0]} {points[-1][1]}"])


def _towards(corner: _Point, other: _Point) -> _Point:
    """The point a little away from a corner."""
    step = [
        max(-ROUND, min(ROUND, (there - here) // 2))
        for here, there in zip(corner, other, strict=True)
    ]
    return corner[0] + step[0], corner[1] + step[1]


def _tip(before: _Point, end: _Point) -> str:
    x, y = end
    dx, dy = (_sign(end[0] - before[0]), _sign(end[1] - before[1]))
    back_x, back_y = x - dx * _ARROW, y - dy * _ARROW
    side_x, side_y = dy * 4, dx * 4
    return f"M{x} {y}L{back_x - side_x} {back_y - side_y}L{back_x + side_x} {back_y + side_y}z"


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _run(text: str, mark: str) -> str:
    escaped = escape(text, quote=False)
    return f'<tspan class="{mark}">{escaped}</tspan>' if mark else escaped
