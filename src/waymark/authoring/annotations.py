"""Resolving annotations, late enough and never fatally.

An annotation is a hint: it makes the stored form compact and tells injection
what to provide. Hence one that cannot be resolved is no error. It may name

-   something defined further down the module: resolved at a later attempt;
-   a local of the function that holds a nested definition: the caller passes
    these locals;
-   something imported only for type checkers: read as `Any` in the end, which
    leaves the rest of the annotation, `Annotated[..., Depends(f)]`, intact.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from ..values.hints import raw_annotations

#: More distinct unknown names than this in one annotation, and all of it is `Any`.
UNKNOWN_NAMES_MAX = 16


def defining_namespace(authored: Any, frame: types.FrameType | None) -> dict[str, Any]:
    """What annotations of a nested definition may name: the locals of `frame`, in
    which it was decorated. Empty for what stands at module level."""
    if frame is None or "<locals>" not in getattr(authored, "__qualname__", ""):
        return {}
    return dict(frame.f_locals)


def signature_of(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
    """The parameters of a function or class; annotations are as `raw_annotations` has them.

    Raises TypeError or ValueError for what has none, such as some functions in C.
    """
    if sys.version_info >= (3, 14):
        import annotationlib

        written = annotationlib.Format.FORWARDREF
        return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=written)
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def annotated_function(provider: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose annotations describe a call of `provider`, which may be
    a class, a partial, a wrapper, or an object with `__call__`."""
    while isinstance(provider, functools.partial):
        provider = provider.func
    provider = inspect.unwrap(provider)
    if isinstance(provider, type):
        initializer: Callable[..., Any] = vars(provider).get("__init__", provider.__init__)  # type: ignore[misc]
        return initializer
    if inspect.isroutine(provider):
        return provider
    return type(provider).__call__


def resolve(
    function: Callable[..., Any],
    namespace: Mapping[str, Any],
    *,
    final: bool,
    meaningless: set[str] | None = None,
) -> dict[str, Any]:
    """Every annotation of `function`, `Annotated` kept, text evaluated.

    Raises NameError or AttributeError for a name that is not there yet, unless
    `final`: then the name stands for `Any`, and is put into `meaningless`.
    """
    target = inspect.unwrap(function)
    scope = {**closure_values(target), **namespace}
    globals_ = getattr(target, "__globals__", {})
    return {
        name: _resolve_one(annotation, globals_, scope, final, meaningless)
        for name, annotation in raw_annotations(target).items()
    }


def reached(function: Callable[..., Any]) -> Iterator[object]:
    """What can enter a run through a function though no annotation says so: the
    function itself, for the classes and exceptions that its code names at module
    level, and the classes among its captured variables."""
    target = inspect.unwrap(function)
    yield target
    for value in closure_values(target).values():
        if isinstance(value, type):
            yield value


def closure_values(function: Callable[..., Any]) -> dict[str, Any]:
    """What the function's own closure holds: an annotation often names it too."""
    code = getattr(function, "__code__", None)
    found: dict[str, Any] = {}
    for name, cell in zip(
        getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=False
    ):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # Not yet assigned: a name that is not there yet.
            continue
    return found


def _resolve_one(
    annotation: Any,
    globals_: dict[str, Any],
    scope: dict[str, Any],
    final: bool,
    meaningless: set[str] | None,
) -> Any:
    if annotation is None:
        return type(None)
    evaluate = functools.partial(_evaluate, annotation, globals_, scope)
    if not final:
        return evaluate({})
    unknown: dict[str, Any] = {}
    for _ in range(UNKNOWN_NAMES_MAX):
        try:
            return evaluate(unknown)
        except NameError as error:
            if error.name is None or error.name in unknown:
                return Any
            unknown[error.name] = Any
            if meaningless is not None:
                meaningless.add(error.name)
        except Exception:  # noqa: BLE001 - an annotation runs user code of any kind
            return _salvage(evaluate, unknown)
    return Any


def _evaluate(
    annotation: Any, globals_: dict[str, Any], scope: dict[str, Any], unknown: dict[str, Any]
) -> Any:
    stub = types.SimpleNamespace(__annotations__={"hint": annotation})
    hints = typing.get_type_hints(
        stub, globalns=globals_, localns={**unknown, **scope}, include_extras=True
    )
    return hints["hint"]


class _UnknownType(type):
    """Lets an unknown name be subscripted and have attributes, as `Any` may not."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, _: object) -> Any:
        return cls


class _Unknown(metaclass=_UnknownType):
    """Stands for a name that only type checkers know."""


def _salvage(evaluate: Callable[[dict[str, Any]], Any], unknown: dict[str, Any]) -> Any:
    """`Any` for an annotation that means nothing at run time, with the metadata
    of its `Annotated` where that much can be read."""
    try:
        hint = evaluate(dict.fromkeys(unknown, _Unknown))
    except Exception:  # noqa: BLE001 - as above
        return Any
    metadata = getattr(hint, "__metadata__", ())
    return Annotated[(Any, *metadata)] if metadata else Any
