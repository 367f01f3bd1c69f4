"""Trees of nodes on their way to code: functions nested in one that has their variables."""

from __future__ import annotations

import ast
from types import CodeType
from typing import cast

from waymark.graph.trees import walk

from .binding import definition, no_arguments


def around(variables: tuple[str, ...], nodes: list[ast.stmt]) -> ast.Module:
    """One function with these variables around the functions of its nodes."""
    arguments = no_arguments()
    arguments.args = [ast.arg(name) for name in variables]
    outer = definition("outer", arguments, [])
    set_lines(outer, (), 1)
    outer.body = nodes or [ast.copy_location(ast.Pass(), outer)]
    return ast.Module([outer], [])


def set_lines(tree: ast.AST, lines: tuple[int, ...], first_line: int) -> None:
    """Move the tree to the author's lines."""
    count = len(lines)
    for node in walk(tree):
        if node._attributes:
            placed = cast("ast.stmt", node)
            line = getattr(node, "lineno", 1)
            place = (lines[line - 1] if line < count else lines[-1]) if count else first_line
            placed.lineno = placed.end_lineno = place
            placed.col_offset = placed.end_col_offset = 0


def code_constants(code: CodeType) -> dict[str, CodeType]:
    """The functions in a piece of code, by name."""
    return {c.co_name: c for c in code.co_consts if isinstance(c, CodeType)}


def renamed(code: CodeType, name: str) -> CodeType:
    """`code` as tracebacks and messages shall know it."""
    return code.replace(co_name=name.rpartition(".")[2], co_qualname=name)
