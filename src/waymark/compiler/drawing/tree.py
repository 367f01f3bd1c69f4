"""A picture as a tree of text: each line says where in the file it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .picture import LEAVING, Item, Part, Picture, Region, Step
from .words import clipped, flat

_LINE_WIDTH = 5
_TEXT_WIDTH = 80


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the tree and what hangs below it."""

    line: int
    text: str
    below: tuple[_Row, ...] = ()


def tree(picture: Picture) -> str:
    """The picture as text: each function, below it what happens in it."""
    lines = [picture.workflow]
    for panel in picture.panels:
        lines += ["", f"{panel.line:>{_LINE_WIDTH}} {panel.title}"]
        lines += _drawn(_rows(panel.items), "")
    return "\n".join(lines)


def _drawn(rows: tuple[_Row, ...], indent: str) -> Iterator[str]:
    for position, row in enumerate(rows):
        last = position == len(rows) - 1
        text = clipped(row.text, _TEXT_WIDTH)
        yield f"{row.line:>{_LINE_WIDTH}} {indent}{'└─ ' if last else '├─ '}{text}"
        yield from _drawn(row.below, indent + ("   " if last else "│  "))


def _rows(items: tuple[Item, ...]) -> tuple[_Row, ...]:
    return tuple(row for item in items for row in _item(item))


def _item(item: Item) -> Iterator[_Row]:
    if isinstance(item, Step):
        yield _Row(item.line, step_text(item))
    else:
        yield from _region(item)


def _region(region: Region) -> Iterator[_Row]:
    first, *others = region.parts or (Part(()),)
    if region.kind == "parallel":
        items = tuple(item for part in region.parts for item in part.items)
        yield _Row(region.line, region.caption, _rows(items))
    elif first.caption in ("", "yes"):
        yield _Row(region.line, region.caption, _rows(first.items))
        yield from map(_part, others)
    elif region.caption == "if":
        yield from map(_part, region.parts)
    else:
        yield _Row(region.line, region.caption, tuple(map(_part, region.parts)))


def _part(part: Part) -> _Row:
    caption = "else" if part.caption == "no" else part.caption
    return _Row(part.line, caption, _rows(part.items))


def step_text(step: Step) -> str:
    """A step on one line, behind the word for what it is."""
    text = flat(step.text)
    if step.note:
        text += f" {step.note}" if step.many else f" ({step.note})"
    return text if step.kind in LEAVING else f"{step.kind:<7} {text}"
