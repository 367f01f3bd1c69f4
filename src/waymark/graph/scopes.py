"""Which names a piece of Python binds and which it reads, scope by scope.

Python's rules, in brief: a function's locals are whatever it binds anywhere in
its own body; a comprehension, lambda or nested function has a scope of its own;
a walrus inside a comprehension binds in the scope around it; the first iterable
of a comprehension is evaluated in the scope around it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def target_names(target: ast.AST) -> Iterator[str]:
    """Names that an assignment target binds, in order."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def parameter_names(arguments: ast.arguments) -> list[str]:
    """Every parameter's name, in Python's order."""
    plain = [*arguments.posonlyargs, *arguments.args]
    names = [parameter.arg for parameter in plain]
    if arguments.vararg is not None:
        names.append(arguments.vararg.arg)
    names.extend(parameter.arg for parameter in arguments.kwonlyargs)
    if arguments.kwarg is not None:
        names.append(arguments.kwarg.arg)
    return names


def comprehension_names(node: Comprehension) -> set[str]:
    """Names of a comprehension's own scope."""
    return {name for part in node.generators for name in target_names(part.target)}


def bound_names(body: Iterable[ast.AST]) -> list[str]:
    """Names that `body` binds in its own scope, in order of first binding."""
    found: dict[str, None] = {}
    for node in body:
        _collect(node, found)
    return list(found)


def _collect(node: ast.AST, found: dict[str, None]) -> None:
    match node:
        case ast.Name(ctx=ast.Store() | ast.Del()):
            found.setdefault(node.id)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            found.setdefault(name)
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            found.setdefault(name)
        # Refused itself; that its name is unknown as well would be said in vain.
        case ast.alias(name=name, asname=other):
            found.setdefault(other or name.partition(".")[0])
        case _:
            pass
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        found.setdefault(node.name)
    for inner in _same_scope(node):
        _collect(inner, found)


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Children that may bind in the scope that `node` itself stands in."""
    match node:
        case ast.Lambda() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _defaults(node.args)
        case ast.ClassDef():
            return
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _walruses(node)
        case _:
            yield from ast.iter_child_nodes(node)


def _defaults(arguments: ast.arguments) -> Iterator[ast.expr]:
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)


def _walruses(node: Comprehension) -> Iterator[ast.AST]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.NamedExpr):
            yield inner.target


def free_names(tree: ast.AST) -> set[str]:
    """Names that `tree` reads from the scope around it."""
    found: set[str] = set()
    _read(tree, frozenset(), found)
    return found


def _read(node: ast.AST, hidden: frozenset[str], found: set[str]) -> None:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            if name not in hidden:
                found.add(name)
        # An augmented assignment and a `del` need the variable to be there.
        case ast.AugAssign(target=ast.Name(id=name)) if name not in hidden:
            found.add(name)
        case ast.Delete(targets=targets):
            found.update(
                target.id
                for target in targets
                if isinstance(target, ast.Name) and target.id not in hidden
            )
        case _:
            pass
    walk_scope(node, hidden, lambda inner, scope: _read(inner, scope, found))


def walk_scope(
    node: ast.AST, hidden: frozenset[str], visit: Callable[[ast.AST, frozenset[str]], None]
) -> None:
    """Call `visit(child, names of the inner scopes it stands in)` for each child."""
    match node:
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            visit(node.generators[0].iter, hidden)
            inner = hidden | comprehension_names(node)
            for child in _inside_comprehension(node):
                visit(child, inner)
        case ast.Lambda():
            for default in _defaults(node.args):
                visit(default, hidden)
            visit(node.body, hidden | set(parameter_names(node.args)))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            for outside in (*_defaults(node.args), *node.decorator_list):
                visit(outside, hidden)
            inner = hidden | set(parameter_names(node.args)) | set(bound_names(node.body))
            for statement in node.body:
                visit(statement, inner)
        case _:
            for child in ast.iter_child_nodes(node):
                visit(child, hidden)


def _inside_comprehension(node: Comprehension) -> Iterator[ast.AST]:
    for position, part in enumerate(node.generators):
        yield part.target
        if position:
            yield part.iter
        yield from part.ifs
    if isinstance(node, ast.DictComp):
        yield node.key
        yield node.value
    else:
        yield node.elt
