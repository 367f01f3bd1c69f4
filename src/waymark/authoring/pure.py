"""`@waymark.pure`: the author's word that a function only computes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from waymark.errors import RegistrationError

from .naming import registered_name
from .registry import registry

F = TypeVar("F", bound=Callable[..., Any])

#: Attribute that carries the reference of a function marked pure.
MARK = "__waymark_pure__"


def pure(function: F) -> F:
    """Allow a sync function in workflow bodies; it is returned unchanged.

    It may touch nothing but its arguments, and must not change them. What it
    returns is recorded once, so it need not be repeatable. Raises
    RegistrationError for what is async, a generator, a lambda or a method.
    """
    _refuse_impossible(function)
    ref = registered_name(function)
    registry.add_pure(ref, function)
    setattr(function, MARK, ref)
    return function


def pure_ref(candidate: object) -> str | None:
    """The reference under which `candidate` was marked pure, else None."""
    ref = getattr(candidate, MARK, None) if inspect.isfunction(candidate) else None
    # `functools.wraps` copies the mark to a wrapper, which promised nothing.
    return ref if isinstance(ref, str) and registry.pure(ref) is candidate else None


def _refuse_impossible(function: object) -> None:
    if not inspect.isfunction(function):
        raise RegistrationError(
            f"@waymark.pure takes a plain function, not {function!r}; wrap it:"
            " a `def` at module level that calls it"
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise RegistrationError(
            f"{function.__qualname__} is async, so it may wait, and is not pure. Make it an"
            " @action, or a plain `async def` helper that itself compiles."
        )
    if inspect.isgeneratorfunction(function):
        raise RegistrationError(
            f"{function.__qualname__} is a generator, whose result cannot be recorded;"
            " return a list"
        )
    if "<lambda>" in function.__qualname__:
        raise RegistrationError("a lambda has no name to be found under; use `def`")
    holder = function.__qualname__.rpartition(".")[0]
    if holder and not holder.endswith("<locals>"):
        raise RegistrationError(
            f"{function.__qualname__} is a method; @waymark.pure takes functions."
            " Move the computation into a `def` at module level."
        )
