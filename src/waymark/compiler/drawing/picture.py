"""What a drawing shows, before any decision how: steps, and regions of steps.

One picture is made of a graph, and each format writes that picture, so that
text, Mermaid and SVG always show the same things under the same words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

#: Kinds of steps that nothing follows.
LEAVING = ("return", "raise", "break", "continue")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens.

    `kind` is the word for it (`action`, `sleep`, `compute`, `return`, ...); `text`
    is the author's code, possibly of several lines; `calls` the name in it that
    is called. `note` says under which circumstances or how often it happens,
    `many` that it happens any number of times at once. `leaves` is True for
    `return await act()`: the function ends when the step has.
    """

    kind: str
    line: int
    text: str
    calls: str = ""
    note: str = ""
    many: bool = False
    leaves: bool = False
    nodes: tuple[int, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether anything can follow."""
        return not self.leaves and self.kind not in LEAVING


#: What a part is to its region: one of several ways, a way that an exception
#: takes, what follows the first way only (`else` of a `try`), what follows any way.
Role: TypeAlias = Literal["way", "except", "else", "after"]


@dataclass(frozen=True, slots=True)
class Part:
    """A sequence inside a region, under a caption of its own (`else`, `finally`)."""

    items: tuple[Item, ...]
    caption: str = ""
    line: int = 0
    role: Role = "way"

    @property
    def goes_on(self) -> bool:
        """Whether its end can be reached."""
        return all(item.goes_on for item in self.items)


RegionKind: TypeAlias = Literal["branch", "loop", "try", "parallel", "group", "scope"]


@dataclass(frozen=True, slots=True)
class Region:
    """A box around parts. `branch`: one of them happens. `parallel`: all at once.
    `group`: what is begun in it is waited for at its end. `scope`: any other `with`.
    `goes_on` says whether the code below it can be reached."""

    kind: RegionKind
    line: int
    caption: str
    parts: tuple[Part, ...]
    goes_on: bool = True
    leaves: bool = False
    nodes: tuple[int, ...] = ()

    @property
    def ways(self) -> tuple[Part, ...]:
        """The parts that stand side by side."""
        return tuple(part for part in self.parts if part.role in ("way", "except"))

    @property
    def orelse(self) -> Part | None:
        """What follows the first way when nothing was raised in it."""
        return next((part for part in self.parts if part.role == "else"), None)

    @property
    def after(self) -> tuple[Part, ...]:
        """The parts that follow whichever way was taken."""
        return tuple(part for part in self.parts if part.role == "after")


Item: TypeAlias = Step | Region


@dataclass(frozen=True, slots=True)
class Panel:
    """One function of the graph."""

    name: str
    parameters: tuple[str, ...]
    line: int
    items: tuple[Item, ...]

    @property
    def title(self) -> str:
        return f"{self.name}({', '.join(self.parameters)})"

    @property
    def goes_on(self) -> bool:
        """Whether it can end without a `return`."""
        return all(item.goes_on for item in self.items)


@dataclass(frozen=True, slots=True)
class Picture:
    """A workflow: `run`, then the functions that it calls."""

    workflow: str
    panels: tuple[Panel, ...]


def steps(items: tuple[Item, ...]) -> Iterator[Step]:
    """Every step of `items`, in order, those of regions included."""
    for item in items:
        if isinstance(item, Step):
            yield item
        else:
            for part in item.parts:
                yield from steps(part.items)
