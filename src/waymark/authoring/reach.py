"""Classes that registered code can bring into a run without annotating them.

Hints name most types. Two kinds they leave out: what a function's code names
directly (`return Invoice(...)` with no return annotation), and exceptions,
which nobody annotates. A class found here may be looked up when a row names it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

from .annotations import closure_values


def reachable_classes(function: Callable[..., Any]) -> Iterator[type]:
    """Classes that the code of `function` names, and the exception classes of
    its module and of the modules imported there."""
    function = inspect.unwrap(function)
    yield from _named_classes(function)
    for value in list(getattr(function, "__globals__", {}).values()):
        if isinstance(value, types.ModuleType):
            yield from _exceptions_of(value)
        elif _is_exception(value):
            yield value


def _named_classes(function: Callable[..., Any]) -> Iterator[type]:
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return
    scope = function.__globals__
    for name in _names(code):
        if isinstance(scope.get(name), type):
            yield scope[name]
    for value in closure_values(function).values():
        if isinstance(value, type):
            yield value


def _names(code: types.CodeType) -> Iterator[str]:
    """Names that the code and what is nested in it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _exceptions_of(module: types.ModuleType) -> Iterator[type]:
    # `vars` sees only what is loaded: a module that loads parts on first
    # touch is not made to.
    for value in list(vars(module).values()):
        if _is_exception(value):
            yield value


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)
