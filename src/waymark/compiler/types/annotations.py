"""What an annotation declares, as a type; UNKNOWN for what says nothing certain."""

from __future__ import annotations

import ast
import functools
import operator
import typing
from collections import abc
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from waymark.authoring.annotations import resolve
from waymark.authoring.workflow import AUTHORED
from waymark.values.hints import hints_of, members, unwrapped

from ..lints.scene import Scene
from ..names import MISSING
from .lattice import NONE, UNKNOWN, Either, Instance, Pending, Row, Type, join

#: Containers whose arguments are the types of what iterating over them gives.
_HOLDERS: Final = (list, set, frozenset, abc.Iterable)
_AWAITABLES: Final = (abc.Awaitable, abc.Coroutine)
#: Classes that stand for values of other classes as well (`1` is a `float`).
_VAGUE: Final[tuple[object, ...]] = (object, type, abc.Hashable, typing.Any, typing.Generic)


def type_of(annotation: Any, doubt: str = "") -> Type:
    """The type that `annotation` declares. `doubt` says whose it is, where its
    being None is something that callers have to expect."""
    parts = [_one(part, doubt and f"an item of {doubt}") for part in members(annotation)]
    joined = join(*parts)
    if isinstance(joined, Either) and doubt and NONE in joined.members:
        return Either(joined.members, doubt)
    return joined


def _one(annotation: Any, doubt: str) -> Type:
    annotation = unwrapped(annotation)
    if annotation in (None, type(None)):
        return NONE
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return join(*(_literal(value) for value in typing.get_args(annotation)))
    if isinstance(origin, type):
        return _generic(origin, typing.get_args(annotation), doubt)
    if isinstance(annotation, type):
        return _class(annotation)
    return UNKNOWN


def _literal(value: object) -> Type:
    return NONE if value is None else Instance(type(value), literals=(value,))


def _class(cls: type[Any]) -> Type:
    if cls in _VAGUE or getattr(cls, "_is_protocol", False) or "__waymark__" in vars(cls):
        return UNKNOWN
    # What pydantic makes of `Page[int]` is a class of its own, whose values are
    # often made as plain `Page(...)`.
    made: Any = getattr(cls, "__pydantic_generic_metadata__", None)
    return Instance((made and made["origin"]) or cls)


def _generic(origin: type, arguments: tuple[Any, ...], doubt: str) -> Type:
    if origin in _AWAITABLES and arguments:
        return Pending(type_of(arguments[-1]), "")
    held = tuple(type_of(argument, doubt) for argument in arguments if argument is not ...)
    if origin is tuple:
        return _tuple(arguments, held)
    if not isinstance(_class(origin), Instance):
        return UNKNOWN
    if issubclass(origin, abc.Mapping):
        return Instance(origin, held if len(held) == 2 else ())
    if len(held) == 1 and (origin in _HOLDERS or origin.__module__ == "collections.abc"):
        return Instance(origin, held)
    return Instance(origin)


def _tuple(arguments: tuple[Any, ...], held: tuple[Type, ...]) -> Type:
    if any(typing.get_origin(part) is typing.Unpack for part in arguments):
        return Instance(tuple)
    return Row(tuple, held) if len(held) == len(arguments) else Instance(tuple, held)


# Where annotations stand


@functools.lru_cache(maxsize=512)
def fields_of(cls: type) -> dict[str, Any]:
    """The annotations of a class and its bases."""
    return hints_of(cls)


def hints_of_function(function: FunctionType) -> dict[str, Any]:
    """The annotations of a function; a name that means nothing yet is `Any`."""
    return resolve(getattr(function, AUTHORED, function), {}, final=True)


def written(node: ast.expr, scene: Scene) -> Any:
    """What an annotation in the body means, with no code of the author run;
    `Any` where that cannot be told."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _postponed(text, scene)
        case ast.Name() | ast.Attribute():
            live = scene.live(node)
            return Any if live is MISSING else live
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _applied(_either, (written(left, scene), written(right, scene)))
        case ast.Subscript(value=value, slice=index):
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            return _subscripted(written(value, scene), parts, scene)
        case _:
            return Any


def _postponed(text: str, scene: Scene) -> Any:
    try:
        return written(ast.parse(text, mode="eval").body, scene)
    except SyntaxError:
        return Any


def _subscripted(origin: Any, parts: list[ast.expr], scene: Scene) -> Any:
    if origin is typing.Literal:
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        return typing.Literal[tuple(values)] if len(values) == len(parts) else Any
    if origin is typing.Annotated:
        return written(parts[0], scene)
    if origin is Any or not _is_typing(origin):
        return Any
    arguments = [
        ... if isinstance(part, ast.Constant) and part.value is ... else written(part, scene)
        for part in parts
    ]
    index = tuple(arguments) if len(arguments) != 1 else arguments[0]
    return _applied(operator.getitem, (origin, index))


def _is_typing(origin: Any) -> bool:
    """Whether subscripting runs code of Python's own."""
    return getattr(origin, "__module__", None) in (
        *("builtins", "typing", "collections", "collections.abc"),
    )


def _either(one: Any, other: Any) -> Any:
    return one | other


def _applied(operation: Callable[..., Any], operands: tuple[Any, Any]) -> Any:
    try:
        return operation(*operands)
    except Exception:  # noqa: BLE001 - whatever an annotation's operands make of it
        return Any
