"""Trees of nodes on their way to code: functions nested in one that has their variables."""

from __future__ import annotations

import ast
from types import CodeType

from .binding import definition, no_arguments


def around(variables: tuple[str, ...], nodes: list[ast.stmt]) -> ast.Module:
    """One function with these variables around the functions of its nodes."""
    arguments = no_arguments()
    arguments.args = [ast.arg(name) for name in variables]
    outer = definition("outer", arguments, nodes or [ast.Pass()])
    return ast.fix_missing_locations(ast.Module([outer], []))


def identifiers(body: list[ast.stmt]) -> set[str]:
    """Every identifier in `body` that could be a variable."""
    found: set[str] = set()
    for statement in body:
        for node in ast.walk(statement):
            match node:
                case ast.Name(id=name) | ast.ExceptHandler(name=str(name)):
                    found.add(name)
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    found.add(name)
                case ast.MatchMapping(rest=str(name)) | ast.FunctionDef(name=name):
                    found.add(name)
                case _:
                    pass
    return found


def set_lines(tree: ast.AST, lines: tuple[int, ...], first_line: int) -> None:
    """Move the tree to the author's lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr | ast.excepthandler | ast.arg | ast.keyword):
            line = getattr(node, "lineno", 1)
            place = lines[min(line, len(lines)) - 1] if lines else first_line
            node.lineno = node.end_lineno = place
            node.col_offset = node.end_col_offset = 0


def code_constants(code: CodeType) -> dict[str, CodeType]:
    """The functions in a piece of code, by name."""
    return {c.co_name: c for c in code.co_consts if isinstance(c, CodeType)}


def renamed(code: CodeType, name: str) -> CodeType:
    """`code` as tracebacks and messages shall know it."""
    return code.replace(co_name=name.rpartition(".")[2], co_qualname=name)
