"""Steps as boxes: how large they are, and how they are drawn.

Sizes are known before anything is placed: a block says how much room it needs,
then is drawn into as much or more. Widths may grow, heights never do.
"""

from __future__ import annotations

from typing import Protocol

from .canvas import LABEL_WIDTH, LINE_HEIGHT, SMALL_WIDTH, Canvas, code_width, width_of
from .lines import code_lines
from .picture import LEAVING, Step
from .words import clipped, flat

CODE_COLUMNS = 60
WRAPPED_LINES = 4
COMPUTE_LINES = 7
CAPTION_LINES = 3
_PAD = 12
_STACK = 5
#: How the kinds of steps look; what is not named looks like any other await.
_LOOKS = {
    "action": "action",
    "call": "call",
    "child": "child",
    "compute": "compute",
    "start": "start",
    "sleep": "time",
    "wait": "time",
    "event": "time",
    "wait_for": "time",
}
_LABELS = {"start": "starts", "call": "helper", "child": "child run"}


class Block(Protocol):
    """Something that takes room."""

    width: int
    height: int
    #: Whether the flow leaves it at the bottom.
    goes_on: bool

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        """Draw it with its upper left corner at `x`, `y`."""
        ...


class Card:
    """A step that something follows."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.goes_on = step.goes_on
        self.look = _LOOKS.get(step.kind, "wait")
        count = WRAPPED_LINES if "\n" not in step.text else COMPUTE_LINES
        text = step.text if step.kind == "compute" else flat(step.text)
        self.lines = code_lines(text, CODE_COLUMNS, count, step.calls)
        self.shortened = any("…" in line.text for line in self.lines)
        self.label = _LABELS.get(step.kind, step.kind).replace("_", " ").upper()
        code = code_width(self.lines)
        self.header = 0 if step.kind == "compute" else 18
        self.note = clipped(step.note, CODE_COLUMNS - 8) if step.note else ""
        number = width_of(str(step.line), SMALL_WIDTH)
        labels = width_of(self.label, LABEL_WIDTH) + width_of(self.note, SMALL_WIDTH) + 20
        self.width = 2 * _PAD + (
            max(code, labels + number + 8) if self.header else code + number + 16
        )
        self.height = 14 + self.header + LINE_HEIGHT * len(self.lines)
        if step.many:
            self.width += 2 * _STACK
            self.height += _STACK * 2

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        step = self.step
        hint = step.text if self.shortened else ""
        with to.group(f"step {self.look}", step.nodes, hint):
            if step.many:
                for offset in (2 * _STACK, _STACK):
                    height = self.height - 2 * _STACK
                    to.box("card", x + offset, y + offset, width - 2 * _STACK, height, 7)
                width -= 2 * _STACK
            height = self.height - (2 * _STACK if step.many else 0)
            maybe = " maybe" if step.note and not step.many else ""
            to.box(f"card{maybe}", x, y, width, height, 7)
            to.text("line", x + width - _PAD, y + 19, str(step.line), "end")
            if self.header:
                to.text("label", x + _PAD, y + 19, self.label)
                note = x + _PAD + width_of(self.label, LABEL_WIDTH) + 8
                if self.note:
                    to.text("note", note, y + 19, self.note)
            for row, line in enumerate(self.lines):
                baseline = y + self.header + 20 + row * LINE_HEIGHT
                to.code(x + _PAD, baseline, line)


class Pill:
    """A step that nothing follows: `return`, `raise`, `break`, `continue`."""

    goes_on = False

    def __init__(self, step: Step) -> None:
        self.step = step
        self.lines = code_lines(flat(step.text), CODE_COLUMNS, WRAPPED_LINES)
        number = width_of(str(step.line), SMALL_WIDTH)
        self.width = code_width(self.lines) + 40 + number
        self.height = 11 + LINE_HEIGHT * len(self.lines)

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        """In the middle of the room that there is."""
        left = x + (width - self.width) // 2
        look = "jump" if self.step.kind in ("break", "continue") else self.step.kind
        with to.group(f"step {look}", self.step.nodes):
            to.box("card", left, y, self.width, self.height, 14)
            for row, line in enumerate(self.lines):
                to.code(left + 14, y + 18 + row * LINE_HEIGHT, line)
            to.text("line", left + self.width - 14, y + 18, str(self.step.line), "end")


class End:
    """Where a function ends."""

    width = height = 16
    goes_on = False

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        to.dot(x + width // 2, y + 8)


class Bar:
    """The caption of a part."""

    goes_on = True

    def __init__(self, caption: str, line: int, look: str = "") -> None:
        self.lines = code_lines(caption, CODE_COLUMNS, CAPTION_LINES)
        self.number, self.look = line, look
        number = width_of(str(line), SMALL_WIDTH) if line else 0
        self.width = code_width(self.lines) + 36 + number
        self.height = 7 + LINE_HEIGHT * len(self.lines)

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        with to.group(f"bar {self.look}".rstrip()):
            to.box("card", x, y, width, self.height, 5)
            for row, line in enumerate(self.lines):
                to.code(x + 10, y + 16 + row * LINE_HEIGHT, line)
            if self.number:
                to.text("line", x + width - 10, y + 16, str(self.number), "end")


def block_of(step: Step) -> Card | Pill:
    """The block that shows a step."""
    return Pill(step) if step.kind in LEAVING else Card(step)
