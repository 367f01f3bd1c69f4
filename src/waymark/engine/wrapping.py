"""Trees of nodes on their way to code: functions nested in one that has their variables."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from types import CodeType

from waymark.graph.trees import walk

from .binding import definition, no_arguments


def around(variables: Iterable[str], node: ast.stmt) -> ast.Module:
    """A function with these variables around that of a node."""
    arguments = no_arguments()
    arguments.args = [_argument(name) for name in variables]
    return ast.Module([definition("outer", arguments, [node])], [])


def _argument(name: str) -> ast.arg:
    return ast.arg(name, lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)


def set_lines(tree: ast.AST, lines: tuple[int, ...], first_line: int) -> None:
    """Move the tree to the author's lines."""
    count = len(lines)
    for node in walk(tree):
        if node._attributes:
            place = vars(node)
            line: int = place.get("lineno", 1)
            at = (lines[line - 1] if line < count else lines[-1]) if count else first_line
            place["lineno"] = place["end_lineno"] = at
            place["col_offset"] = place["end_col_offset"] = 0


def code_constants(code: CodeType) -> dict[str, CodeType]:
    """The functions in a piece of code, by name."""
    return {c.co_name: c for c in code.co_consts if isinstance(c, CodeType)}


def renamed(code: CodeType, name: str) -> CodeType:
    """`code` as tracebacks and messages shall know it."""
    return code.replace(co_name=name.rpartition(".")[2], co_qualname=name)
