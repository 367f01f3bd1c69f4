"""Values that cannot wait: lambdas, local functions and generators kept in a
variable that is read in another node."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from waymark.graph.model import Await, Branch, Code, Compute, Loop, Node, Raise, Return, Try, walk

from .reach import Reach
from .table import Prepared

_WHAT = {"Lambda": "lambda", "GeneratorExp": "generator", "FunctionDef": "local function"}


def check_held(prepared: Prepared, body: Sequence[Node], reach: Reach) -> None:
    """Report lambdas, local functions and generators that cross a node."""
    held = dict(_held(prepared.body))
    if not held:
        return
    nodes = [(node, _reads(node), _writes(node)) for node in walk(tuple(body))]
    for name, where in held.items():
        made = {id(node) for node, _, writes in nodes if name in writes}
        if any(name in reads and made - {id(node)} for node, reads, _ in nodes):
            what = _WHAT[type(where).__name__]
            fix = "make it again where it is needed" + (
                ", or build a list" if what == "generator" else ", or mark a function @waymark.pure"
            )
            reach.report(
                prepared.source,
                where,
                "WM401",
                f"a {what} held in `{name}` across an await is not supported yet",
                fix,
            )


def _held(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    for statement in body:
        for node in ast.walk(statement):
            match node:
                case ast.FunctionDef(name=name):
                    yield name, node
                case ast.Assign(
                    targets=[ast.Name(id=name)], value=(ast.Lambda() | ast.GeneratorExp()) as value
                ):
                    yield name, value
                case ast.NamedExpr(
                    target=ast.Name(id=name), value=(ast.Lambda() | ast.GeneratorExp()) as value
                ):
                    yield name, value
                case _:
                    pass


def _reads(node: Node) -> set[str]:
    return {name for code in _codes(node) for name in code.reads}


def _writes(node: Node) -> set[str]:
    return {name for code in _codes(node) for name in code.writes}


def _codes(node: Node) -> Iterator[Code]:
    """The code of one node, without what it holds."""
    match node:
        case Compute(code=code) | Raise(code=Code() as code):
            yield code
        case Await(call=code) | Branch(test=code) | Loop(head=code) | Return(value=Code() as code):
            yield code
        case Try(handlers=handlers):
            yield from (handler.types for handler in handlers if handler.types is not None)
        case _:
            return
