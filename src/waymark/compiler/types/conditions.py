"""What a test tells about the paths in it, where it holds and where it does not.

Understood are `is None`, `== None`, truth, `isinstance`, `not`, `and`, `or` and
the walrus. Of any other test only this is known: somebody has looked.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeAlias

from ..names import MISSING
from .lattice import NONE, UNKNOWN, Instance, Row, Type, certain, is_of, join, members, without
from .state import Known, State, joined, path_of, paths_in

#: Finds the type of an expression, and reports what is wrong in it.
Infer: TypeAlias = Callable[[ast.expr], Type]
#: What is known where a test holds, and where it does not.
Ways: TypeAlias = tuple[Known | None, Known | None]


def tested(state: State, test: ast.expr, infer: Infer) -> Ways:
    """Walk through a test. The state is afterwards of no use; take one of the ways."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return _chain(state, values, infer, holds=0)
        case ast.BoolOp(op=ast.Or(), values=values):
            return _chain(state, values, infer, holds=1)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            holds, fails = tested(state, operand, infer)
            return fails, holds
        case ast.Constant(value=value):
            return (state.known, None) if value else (None, state.known)
        case ast.Compare(left=left, ops=[operator], comparators=[ast.Constant(value=None)]):
            one = infer(left)
            if isinstance(operator, (ast.Is, ast.Eq)):
                return _split(state, left, NONE, without(one, (type(None),)))
            if isinstance(operator, (ast.IsNot, ast.NotEq)):
                return _split(state, left, without(one, (type(None),)), NONE)
        case ast.Call(func=ast.Name(id="isinstance"), args=[subject, classes]):
            return _instance(state, subject, classes, infer)
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.NamedExpr():
            one = infer(test)
            return _split(state, test, without(one, (type(None),)), certain(one))
        case _:
            pass
    infer(test)
    return _looked(state, test)


def _chain(state: State, values: list[ast.expr], infer: Infer, *, holds: int) -> Ways:
    """`and` goes on where a part holds (way 0), `or` where it does not (way 1)."""
    ended: list[Known] = []
    for value in values:
        ways = tested(state, value, infer)
        leaving = ways[1 - holds]
        if leaving is not None:
            ended.append(leaving)
        state.known = ways[holds]
        if state.known is None:
            break
    through, aside = state.known, joined(ended)
    return (through, aside) if holds == 0 else (aside, through)


def _split(state: State, node: ast.expr, holds: Type, fails: Type) -> Ways:
    subject = node.target if isinstance(node, ast.NamedExpr) else node
    path = path_of(subject)
    if state.known is None or path is None:
        return _looked(state, node)
    yes, no = state.known.copy(), state.known
    yes.narrow(path, holds)
    no.narrow(path, fails)
    return yes, no


def _looked(state: State, test: ast.expr) -> Ways:
    """Somebody has looked, and no type says at what."""
    if state.known is None:
        return None, None
    state.known.look(paths_in(test))
    return state.known.copy(), state.known


def _instance(state: State, subject: ast.expr, classes: ast.expr, infer: Infer) -> Ways:
    one = infer(subject)
    wanted = _classes(state, classes)
    path = path_of(subject)
    if path is None or wanted is None or state.known is None:
        if path is not None and state.known is not None:
            state.known.types[path] = UNKNOWN
        return _looked(state, subject)
    return _split(state, subject, _those(one, wanted), without(one, wanted))


def _classes(state: State, node: ast.expr) -> tuple[type, ...] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _classes(state, node.left), _classes(state, node.right)
        return None if left is None or right is None else (*left, *right)
    if isinstance(node, ast.Constant) and node.value is None:
        return (type(None),)
    found = [state.scene.live(part) for part in _parts(node)]
    classes = tuple(part for part in found if isinstance(part, type))
    return classes if len(classes) == len(found) and MISSING not in found else None


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _those(one: Type, wanted: tuple[type, ...]) -> Type:
    """What a value is that is one of `wanted`."""
    kept = [member for member in members(one) if is_of(member, wanted)]
    below = [
        Instance(cls)
        for member in members(one)
        if isinstance(member, (Instance, Row)) and not is_of(member, wanted)
        for cls in wanted
        if issubclass(cls, member.cls)
    ]
    if kept or below:
        return certain(join(*kept, *below))
    return join(*map(Instance, wanted)) if one == UNKNOWN else UNKNOWN
