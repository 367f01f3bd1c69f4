"""Regions as frames: the layout of a picture.

Control flow that was written as nested statements needs no general layout of
graphs: each region is a frame, laid out from its inside, and the flow runs from
the top of a frame to its bottom. Rules:

1.  A sequence is a column. Its blocks have one width, so both edges are straight,
    and an arrow leads from each to the next.
2.  A frame is entered at its title. From there an arrow leads down into each of
    its ways. They stand side by side where that takes at most `WIDE` pixels, and
    where not, below each other, between a rail on the left that leads into each
    and a rail on the right that leads out.
3.  What leaves a way at its end goes down to the frame's lower edge, and the flow
    goes on below. The end of a loop's body goes back up to the title instead.
4.  No line crosses a block or another line, as each keeps to the frame that it
    belongs to: `return`, `raise`, `break` and `continue` are blocks that nothing
    follows, not lines across the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import CAPTION_LINES, CODE_COLUMNS, Bar, Block, End, Pill, block_of
from .canvas import LABEL_WIDTH, LINE_HEIGHT, ROUND, SMALL_WIDTH, Canvas, code_width, width_of
from .lines import code_lines
from .picture import Item, Panel, Part, Region, Step

#: Ways of one frame stand side by side up to this width.
WIDE = 940
#: A branch that only leaves takes one row up to this width.
_ROW = 500
_GAP = 24
_BETWEEN = 20
_PAD = 16
_RAILED = 32
_RAIL = 14
_LABELS = {"loop": "LOOP", "parallel": "ALL AT ONCE", "group": "ALL AT ONCE"}


class Column:
    """Blocks below each other."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.width = max((block.width for block in blocks), default=40)
        gaps = _GAP * (len(blocks) - 1) if blocks else 0
        self.height = sum(block.height for block in blocks) + gaps
        self.goes_on = all(block.goes_on for block in blocks)

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        center = x + width // 2
        for position, block in enumerate(self.blocks):
            block.draw(to, x, y, width)
            y += block.height
            following = self.blocks[position + 1 : position + 2]
            if following and (block.goes_on or isinstance(following[0], End)):
                to.line([(center, y), (center, y + _GAP)])
            y += _GAP


def _blocks(items: Sequence[Item], *, ends: bool = False) -> list[Block]:
    """The blocks of a sequence; `ends` when the function ends behind it."""
    found: list[Block] = []
    for item in items:
        found.append(block_of(item) if isinstance(item, Step) else frame_of(item))
        if item.leaves:
            found.append(End())
    if ends and all(item.goes_on for item in items):
        found.append(End())
    return found


def frame_of(region: Region) -> Block:
    """The frame that shows a region."""
    match region.parts:
        case (Part(items=(Step(goes_on=False, leaves=False) as step,), caption=""),):
            if region.kind == "branch":
                guard = Guard(region, step)
                if not guard.more and guard.width <= _ROW:
                    return guard
        case _:
            pass
    return Frame(region)


def _way(part: Part, region: Region, *, ends: bool) -> Column:
    blocks = _blocks(part.items, ends=ends)
    if part.role == "way" and region.orelse is not None:
        orelse = region.orelse
        blocks += [Bar(orelse.caption, orelse.line), *_blocks(orelse.items)]
    if part.caption:
        look = "except" if part.role == "except" else ""
        blocks.insert(0, Bar(part.caption, part.line, look))
    return Column(blocks)


class Title:
    """The band at the top of a frame."""

    def __init__(self, caption: str, line: int, label: str) -> None:
        self.lines = code_lines(caption, CODE_COLUMNS, CAPTION_LINES)
        self.number, self.label = line, label
        self.right = width_of(str(line), SMALL_WIDTH) + width_of(label, LABEL_WIDTH) + 8
        self.width = code_width(self.lines) + self.right + 40
        self.height = 13 + LINE_HEIGHT * len(self.lines)

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        to.band("title", x, y, width, self.height, 9)
        for row, line in enumerate(self.lines):
            to.code(x + 12, y + 20 + row * LINE_HEIGHT, line)
        to.text("line", x + width - 12, y + 20, str(self.number), "end")
        if self.label:
            number = width_of(str(self.number), SMALL_WIDTH)
            to.text("label", x + width - 20 - number, y + 20, self.label, "end")


class Frame:
    """A region, or a whole function."""

    def __init__(self, region: Region, look: str = "", label: str = "") -> None:
        self.region = region
        self.look = look or region.kind
        self.title = Title(region.caption, region.line, label or _LABELS.get(region.kind, ""))
        ends = look == "function"
        self.ways = [_way(part, region, ends=ends) for part in region.ways]
        self.after = [
            Column([Bar(part.caption, part.line), *_blocks(part.items)]) for part in region.after
        ]
        self.goes_on = region.goes_on
        widths = [way.width for way in self.ways] or [0]
        heights = [way.height for way in self.ways] or [0]
        side = sum(widths) + _BETWEEN * (len(widths) - 1)
        self.stacked = len(widths) > 1 and side > WIDE
        railed = self.stacked or region.kind == "loop" or self.after
        self.pad = _RAILED if railed else _PAD
        inner = max(widths) if self.stacked else side
        inner = max([inner, *(column.width for column in self.after)])
        self.width = max(inner + 2 * self.pad, self.title.width)
        #: Height of the ways together.
        self.depth = sum(heights) + _GAP * (len(heights) - 1) if self.stacked else max(heights)
        below = sum(column.height + _GAP for column in self.after)
        self.height = self.title.height + _GAP + self.depth + _GAP + below

    # Drawing

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        with to.group(f"frame {self.look}", self.region.nodes):
            to.box("room", x, y, width, self.height, 9)
            self.title.draw(to, x, y, width)
            to.box("edge", x, y, width, self.height, 9)
            top = rail = y + self.title.height
            if self.stacked:
                rail = self.draw_stacked(to, x, top, width)
            else:
                self.draw_side(to, x + self.pad, top, width - 2 * self.pad)
            if self.region.kind == "loop":
                self.draw_back(to, x, top, width)
            self.draw_after(to, x, rail, top + _GAP + self.depth, width)

    def draw_side(self, to: Canvas, x: int, top: int, width: int) -> None:
        """The ways side by side, what is too much room shared among them."""
        start, end = top + _GAP, top + _GAP + self.depth
        columns = len(self.ways)
        spare = width - sum(way.width for way in self.ways) - _BETWEEN * (columns - 1)
        for position, (way, part) in enumerate(zip(self.ways, self.region.ways, strict=True)):
            room = way.width + spare * (position + 1) // columns - spare * position // columns
            center = x + room // 2
            way.draw(to, x, start, room)
            if way.blocks:
                to.line([(center, top), (center, start)], _flow(part))
            if way.goes_on and self.region.kind != "loop":
                begin = start + way.height if way.blocks else top
                to.line([(center, begin), (center, end + _GAP)], arrow=bool(self.after))
            x += room + _BETWEEN

    def draw_back(self, to: Canvas, x: int, top: int, width: int) -> None:
        """From the end of a loop's body to its title."""
        (way,) = self.ways
        if not way.goes_on:
            return
        center, end = x + width // 2, top + _GAP + self.depth
        begin = end if way.blocks else top
        to.line([(center, begin), (center, end + 12), (x + _RAIL, end + 12), (x + _RAIL, top)])

    def draw_stacked(self, to: Canvas, x: int, top: int, width: int) -> int:
        """The ways below each other, between rails. Each piece of a rail is drawn
        once: it leads from the way before. Returns where the left one ends."""
        y, end = top + _GAP, top + 2 * _GAP + self.depth
        left, center, right = x + self.pad, x + width // 2, x + width - self.pad
        rail, inside, outside = x + width - _RAIL, top, 0
        at_once = self.region.kind == "parallel"
        for way, part in zip(self.ways, self.region.ways, strict=True):
            way.draw(to, left, y, right - left)
            entry = y + (min(way.height // 2, 26) if at_once else 12)
            if part.caption or at_once:
                to.line([(x + _RAIL, inside), (x + _RAIL, entry), (left, entry)], _flow(part))
                inside = entry - ROUND
            else:
                to.line([(center, top), (center, y)])
            y += way.height
            if way.goes_on:
                begin = [(right, entry)] if at_once else [(center, y), (center, y + 11)]
                turn = begin[-1][1]
                if outside:
                    to.line([(rail, outside), (rail, turn + ROUND)], arrow=False)
                to.line([*begin, (rail, turn), (rail, turn + ROUND)], arrow=False)
                outside = turn + ROUND
            y += _GAP
        if outside and self.after:
            to.line([(rail, outside), (rail, end + 12), (right, end + 12)])
        elif outside:
            to.line([(rail, outside), (rail, end)], arrow=False)
        return inside

    def draw_after(self, to: Canvas, x: int, rail: int, y: int, width: int) -> None:
        """What follows all ways, captioned, from `y` downwards. Where no way leads
        there by itself, a line from `rail` does: an end of the loop, or whatever
        leaves a `try`."""
        left, right, center = x + self.pad, x + width - self.pad, x + width // 2
        for column in self.after:
            y += _GAP
            entry = y + 12
            if self.region.kind == "loop":
                outer = x + width - _RAIL
                to.line([(outer, rail), (outer, entry), (right, entry)])
            elif not any(way.goes_on for way in self.ways):
                to.line([(x + _RAIL, rail), (x + _RAIL, entry), (left, entry)], "fault")
            column.draw(to, left, y, right - left)
            y += column.height
            if column.goes_on:
                to.line([(center, y), (center, y + _GAP)], arrow=False)


def _flow(part: Part) -> str:
    return "fault" if part.role == "except" else "flow"


class Guard:
    """A branch that only leaves: `if not order: return None`, in one row."""

    goes_on = True

    def __init__(self, region: Region, step: Step) -> None:
        self.region = region
        self.pill = Pill(step)
        (self.line, *self.more) = code_lines(region.caption, CODE_COLUMNS, 2)
        self.code = code_width((self.line,))
        self.number = width_of(str(region.line), SMALL_WIDTH)
        self.width = self.code + self.number + self.pill.width + 72
        self.height = self.pill.height + 14

    def draw(self, to: Canvas, x: int, y: int, width: int) -> None:
        with to.group("frame branch guard", self.region.nodes):
            to.box("room", x, y, width, self.height, 9)
            to.box("edge", x, y, width, self.height, 9)
            to.code(x + 12, y + 25, self.line)
            begin = x + 12 + self.code + 8
            to.text("line", begin, y + 25, str(self.region.line))
            left = x + width - self.pill.width - 10
            to.line([(begin + self.number + 6, y + 21), (left, y + 21)])
            self.pill.draw(to, left, y + 7, self.pill.width)


def panel_of(panel: Panel, *, main: bool) -> Frame:
    """The frame of a function."""
    region = Region("scope", panel.line, panel.title, (Part(panel.items),))
    return Frame(region, "function", "WORKFLOW" if main else "HELPER")
