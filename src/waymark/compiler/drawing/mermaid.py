"""A picture as a Mermaid flowchart: regions are subgraphs."""

from __future__ import annotations

from dataclasses import dataclass, field

from .picture import LEAVING, Item, Panel, Part, Picture, Region, Step
from .words import clipped, flat

_TEXT_WIDTH = 64
#: The shape of a step by its kind; anything that waits is rounded.
_SHAPES = {
    "compute": ("[", "]"),
    "sleep": ("[/", "/]"),
    "call": ("[[", "]]"),
    "child": ("[[", "]]"),
    "return": ("([", "])"),
    "raise": ("([", "])"),
}
_ESCAPES = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "`": "&#96;", "\\": "&#92;"}


def flowchart(picture: Picture) -> str:
    """Mermaid text: each function is a flow of its own."""
    chart = _Chart()
    for panel in picture.panels:
        chart.panel(panel)
    return "\n".join(("flowchart TD", *chart.lines))


@dataclass(frozen=True, slots=True)
class _Edge:
    """An arrow that still has to find its end."""

    start: str
    text: str = ""


@dataclass(slots=True)
class _Loop:
    """Where the jumps of the innermost loop go."""

    head: str
    breaks: list[_Edge] = field(default_factory=list[_Edge])


def _quoted(text: str, line: int = 0, kind: str = "") -> str:
    """A label: the code on a line of its own where it has a `kind`."""
    head = f"{kind} · {line}<br/>" if kind else f"{line} · " if line else ""
    short = clipped(flat(text), _TEXT_WIDTH)
    return f'"{head}{"".join(_ESCAPES.get(character, character) for character in short)}"'


class _Chart:
    def __init__(self) -> None:
        self.lines: list[str] = []
        #: Written behind all nodes of a function: a subgraph takes in every node that
        #: an arrow inside of it names.
        self.arrows: list[str] = []
        self.depth = 1
        self.count = 0
        self.loops: list[_Loop] = []
        self.ends: list[_Edge] = []

    def write(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def name(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def open(self, caption: str) -> None:
        self.write(f"subgraph {self.name()}[{_quoted(caption)}]")
        self.depth += 1

    def close(self) -> None:
        self.depth -= 1
        self.write("end")

    def join(self, edges: list[_Edge], target: str) -> None:
        for edge in dict.fromkeys(edges):
            arrow = f"-- {_quoted(edge.text)} -->" if edge.text else "-->"
            self.arrows.append(f"{edge.start} {arrow} {target}")

    def point(self, shape: str, edges: list[_Edge]) -> list[_Edge]:
        """A node that stands for no step."""
        name = self.name()
        self.write(f"{name}{shape}")
        self.join(edges, name)
        return [_Edge(name)]

    # Functions and sequences

    def panel(self, panel: Panel) -> None:
        """A function: no subgraph, as Mermaid lays out one that no arrow enters
        from its innermost node and not from its start."""
        self.ends = []
        edges = self.items(panel.items, self.point(f"([{_quoted(panel.title, panel.line)}])", []))
        self.point('(["end"])', [*edges, *self.ends])
        for arrow in self.arrows:
            self.write(arrow)
        self.arrows = []

    def items(self, items: tuple[Item, ...], edges: list[_Edge]) -> list[_Edge]:
        for item in items:
            edges = self.step(item, edges) if isinstance(item, Step) else self.region(item, edges)
        return edges

    def step(self, step: Step, edges: list[_Edge]) -> list[_Edge]:
        if step.kind in ("break", "continue") and self.loops:
            self.jump(step, edges)
            return []
        name = self.name()
        opening, closing = _SHAPES.get(step.kind, ("(", ")"))
        self.write(f"{name}{opening}{_label(step)}{closing}")
        self.join(edges, name)
        if step.goes_on:
            return [_Edge(name)]
        self.ends.append(_Edge(name))
        return []

    def jump(self, step: Step, edges: list[_Edge]) -> None:
        if step.kind == "break":
            self.loops[-1].breaks += edges
        else:
            self.join(edges, self.loops[-1].head)

    # Regions

    def region(self, region: Region, edges: list[_Edge]) -> list[_Edge]:
        match region.kind:
            case "branch":
                edges = self.branch(region, edges)
            case "loop":
                edges = self.loop(region, edges)
            case "try":
                edges = self.try_(region, edges)
            case "parallel":
                edges = self.parallel(region, edges)
            case "group" | "scope":
                edges = self.scope(region, edges)
        if region.leaves:
            self.ends += edges
            return []
        return edges

    def branch(self, region: Region, edges: list[_Edge]) -> list[_Edge]:
        self.open("branch")
        (fork,) = self.point(f"{{{_quoted(region.caption, region.line)}}}", edges)
        ends: list[_Edge] = []
        for part in region.parts:
            ends += self.items(part.items, [_Edge(fork.start, part.caption or "yes")])
        self.close()
        return [*ends, _Edge(fork.start, "no")] if _may_pass(region) else ends

    def loop(self, region: Region, edges: list[_Edge]) -> list[_Edge]:
        self.open("loop")
        (head,) = self.point(f"{{{_quoted(region.caption, region.line)}}}", edges)
        self.loops.append(_Loop(head.start))
        for part in region.ways:
            self.join(self.items(part.items, [_Edge(head.start, "next")]), head.start)
        breaks = self.loops.pop().breaks
        self.close()
        done = [] if region.caption == "while True" else [_Edge(head.start, "done")]
        for part in region.after:
            done = self.items(part.items, done)
        return [*done, *breaks]

    def try_(self, region: Region, edges: list[_Edge]) -> list[_Edge]:
        self.open("try")
        (start,) = self.point(f"[{_quoted('try', region.line)}]", edges)
        body, *handlers = region.ways
        ends = self.items(body.items, [start])
        if region.orelse is not None:
            ends = self.items(region.orelse.items, ends)
        self.close()
        for handler in handlers:
            name = self.name()
            self.write(f"{name}{{{{{_quoted(handler.caption, handler.line)}}}}}")
            self.arrows.append(f"{start.start} -. raises .-> {name}")
            ends += self.items(handler.items, [_Edge(name)])
        for part in region.after:
            ends = self.final(part, start.start, ends)
        return ends

    def final(self, part: Part, start: str, ends: list[_Edge]) -> list[_Edge]:
        self.open(part.caption)
        (first,) = self.point(f"[{_quoted(part.caption, part.line)}]", ends)
        if not ends:
            self.arrows.append(f"{start} -. always .-> {first.start}")
        ends = self.items(part.items, [first])
        self.close()
        return ends

    def parallel(self, region: Region, edges: list[_Edge]) -> list[_Edge]:
        self.open(region.caption)
        fork = self.point(f"[/{_quoted('all at once', region.line)}\\]", edges)
        ends = [end for part in region.parts for end in self.items(part.items, list(fork))]
        joined = self.point('[\\"all done"/]', ends)
        self.close()
        return joined

    def scope(self, region: Region, edges: list[_Edge]) -> list[_Edge]:
        self.open("all at once" if region.kind == "group" else "scope")
        edges = self.point(f"[{_quoted(region.caption, region.line)}]", edges)
        for part in region.parts:
            edges = self.items(part.items, edges)
        self.close()
        return edges


def _may_pass(region: Region) -> bool:
    """Whether none of a branch's parts may be taken."""
    last = region.parts[-1].caption
    return last not in ("no", "else", "case _")


def _label(step: Step) -> str:
    """What it is and its line, then the code."""
    text = f"{step.text} {step.note}" if step.many and step.note else step.text
    named = step.kind not in (*LEAVING, "compute")
    return _quoted(text, step.line, step.kind if named else "")
