"""Numbers for nodes: from 0 in source order, each before what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from waymark.graph.model import Branch, Compute, Function, Handler, Loop, Node, Scope, Try


def numbered(functions: list[Function]) -> tuple[Function, ...]:
    """The functions with their nodes numbered through."""
    numbers = count()
    return tuple(replace(function, body=_body(function.body, numbers)) for function in functions)


def _body(body: tuple[Node, ...], numbers: Iterator[int]) -> tuple[Node, ...]:
    return tuple(_node(node, numbers) for node in body)


def _handler(handler: Handler, numbers: Iterator[int]) -> Handler:
    before = _body(handler.before, numbers)
    return replace(handler, before=before, body=_body(handler.body, numbers))


def _node(node: Node, numbers: Iterator[int]) -> Node:
    number = next(numbers)
    match node:
        case Compute():
            return Compute(number, node.span, node.code)
        case Branch():
            then = _body(node.then, numbers)
            return replace(node, id=number, then=then, orelse=_body(node.orelse, numbers))
        case Loop():
            body = _body(node.body, numbers)
            return replace(node, id=number, body=body, orelse=_body(node.orelse, numbers))
        case Try():
            body = _body(node.body, numbers)
            handlers = tuple(_handler(handler, numbers) for handler in node.handlers)
            orelse = _body(node.orelse, numbers)
            final = _body(node.final, numbers)
            held = replace(node, body=body, handlers=handlers, orelse=orelse, final=final)
            return replace(held, id=number)
        case Scope():
            return replace(node, id=number, body=_body(node.body, numbers))
        case _:
            return replace(node, id=number)
