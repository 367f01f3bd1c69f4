"""What a call gives, and whether its arguments fit."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from .callees import Callee
from .conditions import Infer
from .findings import no_call, passed
from .lattice import (
    NONE,
    UNKNOWN,
    Either,
    Instance,
    Pending,
    Row,
    Type,
    Unknown,
    certain,
    join,
    members,
)
from .state import State
from .values import element


def check_arguments(state: State, call: ast.Call, callee: Callee, infer: Infer) -> None:
    """Walk through the arguments, and report those that do not fit."""
    parameters = list(callee.signature.parameters.values())
    spread = False
    for position, argument in enumerate(call.args):
        one = infer(argument)
        spread = spread or isinstance(argument, ast.Starred)
        if not spread:
            _argument(state, argument, one, _positional(parameters, position), callee)
    for keyword in call.keywords:
        one = infer(keyword.value)
        if keyword.arg is not None:
            _argument(state, keyword.value, one, _named(parameters, keyword.arg), callee)


def _argument(
    state: State, node: ast.expr, one: Type, parameter: inspect.Parameter | None, callee: Callee
) -> None:
    if parameter is None:
        return
    if callee.copied and isinstance(one, Pending):
        no_call(state, node, one)
        return
    passed(state, node, one, callee.declared(parameter), parameter.name, callee.name)


def _positional(parameters: Sequence[inspect.Parameter], position: int) -> inspect.Parameter | None:
    for index, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_POSITIONAL and position >= index:
            return parameter
        if index == position and parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        ):
            return parameter
    return None


def _named(parameters: Sequence[inspect.Parameter], name: str) -> inspect.Parameter | None:
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            return parameter
        if parameter.name == name and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            return parameter
    return None


# Python's own


def gathered(call: ast.Call, arguments: Sequence[Type]) -> Type:
    """What `asyncio.gather` gives."""
    keep = next((each.value for each in call.keywords if each.arg == "return_exceptions"), None)
    if keep is not None and not isinstance(keep, ast.Constant):
        return Pending(UNKNOWN, "asyncio.gather")
    errors = keep is not None and bool(keep.value)
    results: list[Type] = []
    for node, one in zip(call.args, arguments, strict=True):
        given = awaited(element(one) if isinstance(node, ast.Starred) else one)
        results.append(_or_error(given) if errors else given)
    if any(isinstance(node, ast.Starred) for node in call.args):
        found: Type = Instance(list, (join(*results),))
    else:
        found = Row(list, tuple(results))
    return Pending(found, "asyncio.gather", task=True)


def awaited(one: Type) -> Type:
    """What awaiting a value gives."""
    parts = [part.result if isinstance(part, Pending) else UNKNOWN for part in members(one)]
    return join(*parts) if parts else UNKNOWN


def _or_error(one: Type) -> Type:
    both = join(certain(one), Instance(BaseException))
    return replace(both, doubt="gather") if isinstance(both, Either) else both


def library_result(path: str, call: ast.Call, arguments: Sequence[Type]) -> Type:
    """What a function of Python's own gives, by its path."""
    first = arguments[0] if arguments else UNKNOWN
    match path:
        case "asyncio.gather":
            return gathered(call, arguments)
        case "asyncio.create_task" | "asyncio.ensure_future" | "asyncio.shield":
            return replace(first, task=True) if isinstance(first, Pending) else UNKNOWN
        case "asyncio.wait_for":
            return replace(first, called=path) if isinstance(first, Pending) else UNKNOWN
        case "asyncio.sleep":
            result = arguments[1] if len(arguments) > 1 else NONE
            return Pending(result, path)
        case _:
            name = path.removeprefix("builtins.")
            return _builtin(name, first, len(arguments)) if name != path else UNKNOWN


def _builtin(name: str, first: Type, count: int) -> Type:
    match name:
        case "len" | "ord":
            return Instance(int)
        case "any" | "all" | "isinstance" | "callable":
            return Instance(bool)
        case "repr" | "chr" | "format" | "hex" | "ascii":
            return Instance(str)
        case "sorted":
            return _holding(list, first)
        case "reversed" | "iter":
            return Instance(Iterable, (element(first),)) if _holds(first) else UNKNOWN
        case "enumerate":
            return Instance(Iterable, (Row(tuple, (Instance(int), element(first))),))
        case "round" if count == 1 and _is_number(first):
            return Instance(int)
        case "abs":
            return first if _is_number(first) else UNKNOWN
        case _:
            return UNKNOWN


def made(cls: Any, arguments: Sequence[Type]) -> Type:
    """What calling a class gives."""
    first = arguments[0] if arguments else UNKNOWN
    if cls in (list, set, frozenset):
        return _holding(cls, first) if arguments else Instance(cls)
    if cls is tuple:
        return _holding(tuple, first) if arguments else Row(tuple, ())
    if cls in (str, int, float, bool, bytes, dict, range):
        return Instance(cls)
    if cls.__module__ == "builtins" and not issubclass(cls, BaseException):
        return UNKNOWN
    if issubclass(cls, type) or type(cls).__call__ not in _MAKERS:
        return UNKNOWN
    return Instance(cls)


#: A class of a metaclass that makes something else when it is called, as an enum's
#: does, is not known to give an object of its own.
_MAKERS = (type.__call__,)


def _holding(cls: type, one: Type) -> Type:
    return Instance(cls, (element(one),)) if _holds(one) else Instance(cls)


def _holds(one: Type) -> bool:
    return not isinstance(element(one), Unknown)


def _is_number(one: Type) -> bool:
    return isinstance(one, Instance) and one.cls in (int, float)
