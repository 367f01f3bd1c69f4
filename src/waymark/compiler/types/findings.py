"""What is reported, and how it is worded."""

from __future__ import annotations

import ast
import difflib
from dataclasses import replace
from types import CoroutineType

from .fitting import misfits
from .lattice import (
    NONE,
    UNKNOWN,
    ClassItself,
    Either,
    Instance,
    Pending,
    Row,
    Type,
    doubt,
    join,
    members,
    shown,
    with_article,
    without,
)
from .state import State, path_of
from .values import Missing, attribute


def used(state: State, node: ast.expr, one: Type, name: str = "") -> Type:
    """`node` is about to be used as a value (its attribute `name`, an operand):
    report one that may be None or an error, and one that was not awaited. What is
    left is what it must be for the use to go well."""
    if isinstance(one, Pending) and not one.task and not hasattr(CoroutineType, name):
        not_awaited(state, node, one)
        return UNKNOWN
    if not doubt(one) or state.lenient or hasattr(BaseException, name):
        return one
    if NONE in members(one):
        none_used(state, node, one)
    else:
        error_used(state, node)
    return without(one, (type(None), BaseException))


def none_used(state: State, node: ast.expr, one: Type) -> None:
    path = path_of(node)
    state.report(
        node,
        "WM411",
        f"{doubt(one)} may be None, and nothing before this has looked",
        f"test it first: `if {path} is not None:`"
        if path is not None
        else "give it a name, and test that first: `if value is not None:`",
    )


def error_used(state: State, node: ast.expr) -> None:
    name = path_of(node) or "result"
    state.report(
        node,
        "WM414",
        "with `return_exceptions=True` this may be an error, and nothing before this has looked",
        f"leave errors out first: `if not isinstance({name}, BaseException):`",
    )


def no_call(state: State, node: ast.expr, one: Type) -> None:
    """Report a call that was not awaited where nobody can do so any more."""
    if isinstance(one, Pending) and not one.task:
        not_awaited(state, node, one)


def not_awaited(state: State, node: ast.expr, one: Pending) -> None:
    what = f"`{one.called}(...)`" if one.called else "this"
    state.report(
        node,
        "WM418",
        f"{what} was not awaited, so this is a coroutine and not what it gives",
        f"write `await {ast.unparse(node) if isinstance(node, ast.Name) else 'it'}`"
        if not isinstance(node, ast.Call)
        else f"write `await {one.called}(...)`",
    )


def attribute_of(state: State, node: ast.Attribute, owner: Type) -> Type:
    """The type of an attribute; reports one that nothing declares."""
    left = used(state, node.value, owner, node.attr)
    found: list[Type] = []
    missing: list[tuple[Instance, Missing]] = []
    for member in members(left):
        match member:
            case Instance() if member == NONE:
                continue
            case Instance():
                one = attribute(member, node.attr)
                if isinstance(one, Missing):
                    missing.append((member, one))
                else:
                    found.append(one)
            case Row(cls=cls):
                one = attribute(Instance(cls), node.attr)
                found.append(UNKNOWN if isinstance(one, Missing) else one)
            case ClassItself() | Pending() | Either():
                return UNKNOWN
            case _:
                return UNKNOWN
    if missing and not found and not state.lenient:
        _report_missing(state, node, *missing[0])
    return join(*found) if found else UNKNOWN


def _report_missing(state: State, node: ast.Attribute, owner: Instance, gap: Missing) -> None:
    similar = difflib.get_close_matches(node.attr, gap.similar, n=1, cutoff=0.6)
    state.report(
        node,
        "WM412",
        f"`{owner.cls.__name__}` declares no attribute `{node.attr}`",
        f"did you mean `{similar[0]}`?"
        if similar
        else f"declare `{node.attr}` in the class, or take this away",
    )


def passed(
    state: State, node: ast.expr, one: Type, declared: Type, parameter: str, callee: str
) -> None:
    """`node` is passed for a parameter: report what it cannot be."""
    if misfits(one, declared):
        kind = _kind(one, declared)
        state.report(
            node,
            "WM410",
            f"`{parameter}` of `{callee}` is declared `{shown(declared)}`, and this is {kind}",
            f"pass {with_article(shown(declared))}, or correct the annotation of `{parameter}`",
        )
    elif doubt(one) and not state.lenient:
        wanted = members(declared)
        if any(not isinstance(part, (Instance, Row)) for part in wanted):
            return
        if NONE in members(one) and NONE not in wanted:
            none_used(state, node, one)
        elif NONE not in members(one) and not _takes_errors(wanted):
            error_used(state, node)


def returned(state: State, node: ast.expr, one: Type, declared: Type, function: str) -> None:
    """`node` is returned from a function."""
    if misfits(one, declared):
        state.report(
            node,
            "WM410",
            f"`{function}` is declared to return `{shown(declared)}`, and this is"
            f" {_kind(one, declared)}",
            f"return {with_article(shown(declared))}, or correct the annotation",
        )


def _takes_errors(wanted: tuple[Type, ...]) -> bool:
    return any(
        isinstance(part, Instance) and issubclass(BaseException, part.cls) for part in wanted
    )


def _kind(one: Type, declared: Type) -> str:
    """What a value is; the value itself where one of several is asked for."""
    values = any(isinstance(part, Instance) and part.literals for part in members(declared))
    if values and isinstance(one, Instance) and one.literals:
        return " or ".join(f"`{value!r}`" for value in one.literals)
    return with_article(shown(join(*map(_plain, members(one)))))


def _plain(one: Type) -> Type:
    return replace(one, literals=()) if isinstance(one, Instance) else one
