"""Sync functions of a graph as functions of Python.

Each is compiled from its checked text, with guards put in, over a namespace of
its own; so Python itself binds its arguments, keeps its locals and calls it from
wherever it is handed to. Functions may name each other and be each other's
defaults: all are made first, then their namespaces and defaults are filled.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from waymark.graph.model import SyncFunction


def make_function(
    function: SyncFunction,
    namespace: dict[str, Any],
    filename: str,
    place: Callable[[ast.AST, tuple[int, ...], int], None],
    guarded: ast.FunctionDef,
) -> FunctionType:
    """The function, its defaults not filled in. `guarded` is its definition with
    guards; `place` moves a tree to the author's lines."""
    place(guarded, function.code.lines, function.first_line)
    bare = ast.FunctionDef(guarded.name, _without_defaults(guarded.args), guarded.body, [])
    module = ast.Module([ast.copy_location(bare, guarded)], [])
    compiled = compile(ast.fix_missing_locations(module), filename, "exec", dont_inherit=True)
    code = next(constant for constant in compiled.co_consts if isinstance(constant, CodeType))
    short = function.name.rpartition(".")[2]
    code = code.replace(co_name=short, co_qualname=function.name)
    made = FunctionType(code, namespace, short)
    made.__qualname__ = function.name
    return made


def fill_defaults(made: FunctionType, definition: ast.FunctionDef) -> None:
    """Give parameters their defaults, which are names of the namespace."""
    arguments, names = definition.args, made.__globals__
    made.__defaults__ = tuple(names[_id(default)] for default in arguments.defaults) or None
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    made.__kwdefaults__ = {
        parameter.arg: names[_id(default)] for parameter, default in keywords if default is not None
    }


def _id(default: ast.expr) -> str:
    assert isinstance(default, ast.Name), "validation lets nothing else pass"
    return default.id


def _without_defaults(arguments: ast.arguments) -> ast.arguments:
    return ast.arguments(
        arguments.posonlyargs,
        arguments.args,
        arguments.vararg,
        arguments.kwonlyargs,
        [None for _ in arguments.kwonlyargs],
        arguments.kwarg,
        [],
    )
