"""A graph as a tree of text, with the author's own lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from waymark.graph.model import Branch, Function, Graph, Handler, Loop, Node, Try

from .labels import authored, kind, label

_LINE_WIDTH = 5


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the tree and what hangs below it."""

    line: int
    text: str
    below: tuple[_Row, ...] = ()


def tree(graph: Graph) -> str:
    """The graph as text: each function, below it its nodes, each with the line
    of the author's file it came from."""
    parts = [graph.workflow]
    for function in graph.functions:
        rows = tuple(_rows(function, function.body))
        names = ", ".join(parameter.name for parameter in function.parameters)
        parts.append("")
        parts.append(f"{function.span.line:>{_LINE_WIDTH}} {function.name}({names})")
        parts.extend(_drawn(rows, ""))
    return "\n".join(parts)


def _drawn(rows: tuple[_Row, ...], indent: str) -> Iterator[str]:
    for position, row in enumerate(rows):
        last = position == len(rows) - 1
        yield f"{row.line:>{_LINE_WIDTH}} {indent}{'└─ ' if last else '├─ '}{row.text}".rstrip()
        yield from _drawn(row.below, indent + ("   " if last else "│  "))


def _rows(function: Function, body: tuple[Node, ...]) -> Iterator[_Row]:
    for node in body:
        yield from _node(function, node)


def _row(function: Function, node: Node, below: tuple[_Row, ...] = ()) -> _Row:
    return _Row(node.span.line, f"{kind(node):<8}{label(function, node)}".rstrip(), below)


def _part(function: Function, name: str, body: tuple[Node, ...]) -> Iterator[_Row]:
    if body:
        yield _Row(body[0].span.line, name, tuple(_rows(function, body)))


def _node(function: Function, node: Node) -> Iterator[_Row]:
    match node:
        case Branch():
            yield _row(function, node, tuple(_rows(function, node.then)))
            yield from _part(function, "else", node.orelse)
        case Loop():
            yield _row(function, node, tuple(_rows(function, node.body)))
            yield from _part(function, "else", node.orelse)
        case Try():
            yield _row(function, node, tuple(_rows(function, node.body)))
            for handler in node.handlers:
                below = tuple(_rows(function, handler.body))
                yield _Row(handler.span.line, _except(function, handler), below)
            yield from _part(function, "else", node.orelse)
            yield from _part(function, "finally", node.final)
        case _:
            yield _row(function, node)


def _except(function: Function, handler: Handler) -> str:
    text = authored(function, handler.span).partition("\n")[0].strip()
    return text.rstrip(":") or "except"
