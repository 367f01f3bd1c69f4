"""Nodes as a picture where there is no text of the author's to go by."""

from __future__ import annotations

from waymark.graph.model import (
    Await,
    Branch,
    Compute,
    Jump,
    Loop,
    Node,
    Raise,
    Return,
    Scope,
    Try,
)

from .picture import Item, Part, Region, Role, Step
from .words import clean, one_line

_JUMPS = {"break": "break", "continue": "continue", "break_else": "break"}


def node_items(body: tuple[Node, ...]) -> tuple[Item, ...]:
    """The items of one block."""
    return tuple(map(_item, body))


def _item(node: Node) -> Item:
    line = node.span.line
    match node:
        case Compute():
            return Step("compute", line, clean(node.code.text), nodes=(node.id,))
        case Await():
            text = f"await {one_line(node.call.text)}"
            target = "" if node.target is None else f"{node.target} = "
            kind = "gather" if node.kind == "join" else node.kind
            return Step(kind, line, target + text, nodes=(node.id,))
        case Return():
            value = "" if node.value is None else f" {one_line(node.value.text)}"
            return Step("return", line, f"return{value}", nodes=(node.id,))
        case Raise():
            text = "raise" if node.code is None else one_line(node.code.text)
            return Step("raise", line, text, nodes=(node.id,))
        case Jump():
            return Step(_JUMPS[node.kind], line, _JUMPS[node.kind], nodes=(node.id,))
        case Branch():
            parts = [Part(node_items(node.then), "yes" if node.orelse else "")]
            if node.orelse:
                parts.append(_part(node.orelse, "no"))
            caption = f"if {one_line(node.test.text)}"
            goes_on = not node.orelse or any(part.goes_on for part in parts)
            return Region("branch", line, caption, tuple(parts), goes_on, nodes=(node.id,))
        case Loop():
            return _loop(node)
        case Try():
            return _try(node)
        case Scope():
            target = "" if node.target is None else f" as {node.target}"
            caption = f"async with {one_line(node.manager.text)}{target}"
            return Region("scope", line, caption, (Part(node_items(node.body)),), nodes=(node.id,))


def _part(body: tuple[Node, ...], caption: str, role: Role = "way") -> Part:
    return Part(node_items(body), caption, body[0].span.line, role)


def _loop(node: Loop) -> Region:
    head = one_line(node.head.text)
    caption = f"for {node.target} in {head}" if node.flavour == "for" else f"while {head}"
    parts = [Part(node_items(node.body))]
    if node.orelse:
        parts.append(_part(node.orelse, "else", "after"))
    return Region("loop", node.span.line, caption, tuple(parts), nodes=(node.id,))


def _try(node: Try) -> Region:
    parts = [Part(node_items(node.body))]
    for handler in node.handlers:
        caption = "except" if handler.types is None else f"except {one_line(handler.types.text)}"
        if handler.name is not None:
            caption += f" as {handler.name}"
        parts.append(Part(node_items(handler.body), caption, handler.span.line, "except"))
    if node.orelse:
        parts.append(_part(node.orelse, "else", "else"))
    goes_on = any(part.goes_on for part in parts)
    if node.final:
        parts.append(_part(node.final, "finally", "after"))
        goes_on = goes_on and parts[-1].goes_on
    return Region("try", node.span.line, "try", tuple(parts), goes_on, nodes=(node.id,))
