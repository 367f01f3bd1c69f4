"""A graph as a Mermaid flowchart: loops, tries and gathers are subgraphs."""

from __future__ import annotations

from dataclasses import dataclass, field

from waymark.graph.model import (
    Await,
    Branch,
    Function,
    Graph,
    Jump,
    Loop,
    Node,
    Raise,
    Return,
    Try,
)

from .labels import called, kind, label


def flowchart(graph: Graph) -> str:
    """Mermaid text, one subgraph per function."""
    chart = _Chart()
    for position, function in enumerate(graph.functions):
        chart.function(position, function)
    return "\n".join(("flowchart TD", *chart.lines))


@dataclass(frozen=True, slots=True)
class _Edge:
    """An arrow that still has to find its end."""

    start: str
    text: str = ""


@dataclass(slots=True)
class _LoopEnds:
    """Where the jumps of the innermost loop go."""

    head: str
    breaks: list[_Edge] = field(default_factory=list[_Edge])
    else_breaks: list[_Edge] = field(default_factory=list[_Edge])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


class _Chart:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.loops: list[_LoopEnds] = []
        self.ends: list[_Edge] = []

    def write(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def open(self, name: str, title: str) -> None:
        self.write(f'subgraph {name}["{_escaped(title)}"]')
        self.depth += 1

    def close(self) -> None:
        self.depth -= 1
        self.write("end")

    def join(self, edges: list[_Edge], target: str) -> None:
        for edge in dict.fromkeys((edge.start, edge.text) for edge in edges):
            start, text = edge
            arrow = f"-- {text} -->" if text else "-->"
            self.write(f"{start} {arrow} {target}")

    # Functions and bodies

    def function(self, position: int, function: Function) -> None:
        names = ", ".join(parameter.name for parameter in function.parameters)
        self.open(f"f{position}", f"{function.name}({names})")
        start, end = f"f{position}start", f"f{position}end"
        self.write(f'{start}(["start"])')
        self.ends = []
        edges = self.body(function, function.body, [_Edge(start)])
        self.write(f'{end}(["end"])')
        self.join([*edges, *self.ends], end)
        self.close()

    def body(self, function: Function, nodes: tuple[Node, ...], edges: list[_Edge]) -> list[_Edge]:
        for node in nodes:
            edges = self.node(function, node, edges)
        return edges

    def node(self, function: Function, node: Node, edges: list[_Edge]) -> list[_Edge]:
        match node:
            case Branch():
                return self.branch(function, node, edges)
            case Loop():
                return self.loop(function, node, edges)
            case Try():
                return self.try_(function, node, edges)
            case Jump():
                return self.jump(node, edges)
            case Await(kind="join"):
                return self.gather(function, node, edges)
            case _:
                return self.plain(function, node, edges)

    def shape(self, node: Node, name: str, text: str) -> str:
        quoted = f'"{_escaped(text)}"'
        match node:
            case Await(kind="sleep"):
                return f"{name}[/{quoted}/]"
            case Await(kind="call" | "child"):
                return f"{name}[[{quoted}]]"
            case Await():
                return f"{name}({quoted})"
            case Branch() | Loop():
                return f"{name}{{{quoted}}}"
            case Return() | Raise():
                return f"{name}([{quoted}])"
            case _:
                return f"{name}[{quoted}]"

    def plain(self, function: Function, node: Node, edges: list[_Edge]) -> list[_Edge]:
        name = f"n{node.id}"
        self.write(self.shape(node, name, label(function, node) or kind(node)))
        self.join(edges, name)
        if isinstance(node, (Return, Raise)):
            self.ends.append(_Edge(name))
            return []
        return [_Edge(name)]

    # Nodes that hold others

    def gather(self, function: Function, node: Await, edges: list[_Edge]) -> list[_Edge]:
        name, targets = f"n{node.id}", called(node)
        if not targets:
            return self.plain(function, node, edges)
        self.open(f"{name}all", "gather" + (", errors kept" if node.collects else ""))
        self.write(f'{name}[["{_escaped(targets)}"]]')
        self.close()
        self.join(edges, name)
        return [_Edge(name)]

    def branch(self, function: Function, node: Branch, edges: list[_Edge]) -> list[_Edge]:
        name = f"n{node.id}"
        self.write(self.shape(node, name, label(function, node)))
        self.join(edges, name)
        yes = self.body(function, node.then, [_Edge(name, "yes")])
        no = self.body(function, node.orelse, [_Edge(name, "no")])
        return [*yes, *no]

    def loop(self, function: Function, node: Loop, edges: list[_Edge]) -> list[_Edge]:
        name = f"n{node.id}"
        self.open(f"{name}loop", node.flavour)
        self.write(self.shape(node, name, label(function, node)))
        self.loops.append(_LoopEnds(name))
        back = self.body(function, node.body, [_Edge(name, "each" if node.target else "yes")])
        ends = self.loops.pop()
        self.join(back, name)
        self.close()
        self.join(edges, name)
        always = node.flavour == "while" and node.head.text == "True"
        over = [] if always else [_Edge(name, "done")]
        finished = self.body(function, node.orelse, [*over, *ends.else_breaks])
        return [*finished, *ends.breaks]

    def jump(self, node: Jump, edges: list[_Edge]) -> list[_Edge]:
        ends = self.loops[-1]
        match node.kind:
            case "continue":
                self.join(edges, ends.head)
            case "break":
                ends.breaks.extend(edges)
            case "break_else":
                ends.else_breaks.extend(edges)
        return []

    def try_(self, function: Function, node: Try, edges: list[_Edge]) -> list[_Edge]:
        name = f"n{node.id}"
        self.open(f"{name}try", "try")
        self.write(f'{name}["try"]')
        normal = self.body(function, node.body, [_Edge(name)])
        normal = self.body(function, node.orelse, normal)
        self.close()
        self.join(edges, name)
        for position, handler in enumerate(node.handlers):
            caught = f"{name}except{position}"
            types = handler.types.text if handler.types is not None else "everything"
            self.write(f'{caught}{{{{"except {_escaped(types)}"}}}}')
            self.write(f"{name} -. raises .-> {caught}")
            normal = [*normal, *self.body(function, handler.body, [_Edge(caught)])]
        if not node.final:
            return normal
        self.open(f"{name}finally", "finally")
        first = f"{name}final"
        self.write(f'{first}["finally"]')
        self.join(normal, first)
        if not normal:
            self.write(f"{name} -. always .-> {first}")
        edges = self.body(function, node.final, [_Edge(first)])
        self.close()
        return edges
