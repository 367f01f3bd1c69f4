"""Makes what came from outside what somebody expects.

Annotations elsewhere are hints, since the values were made by typed code. An event may
come from a webhook as plain JSON: it is validated by pydantic where that is in use
(it is never imported here), as FastAPI would, and has to be what it should be elsewhere.

Only classes, and unions and generic types of classes, are handed to pydantic: it would
evaluate a text that stands for an annotation, and graphs may hold any text.
"""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

_ANYTHING = (Any, object)


def fits(value: object, expected: Any) -> bool:
    """Whether a value is plainly what is expected; what a generic type holds is not
    looked at, so such a one never fits."""
    if expected in _ANYTHING:
        return True
    if expected is None or expected is type(None):
        return value is None
    if _is_union(expected):
        return any(fits(value, part) for part in typing.get_args(expected))
    if expected is bool or expected is int:
        return type(value) is expected
    return type(expected) is not types.GenericAlias and _is_instance(value, expected)


def conform(value: Any, expected: Any) -> Any:
    """The value as `expected`. Raises pydantic's ValidationError, or TypeError where
    pydantic is not in use and for what stands for no type."""
    if not _is_type(expected):
        raise TypeError(
            f"type={expected!r} is no type that an event can have: give a class, such as a"
            " pydantic model, or a union or a list of them"
        )
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is not None:
        return _adapter(pydantic, expected).validate_python(value)
    if fits(value, expected) or _is_instance(value, typing.get_origin(expected) or expected):
        return value
    if expected is float and type(value) is int:
        return float(value)
    raise TypeError(f"{expected!r} was expected, and {value!r} came")


def _adapter(pydantic: Any, expected: Any) -> Any:
    try:
        return pydantic.TypeAdapter(expected)
    except pydantic.errors.PydanticSchemaGenerationError:
        return pydantic.TypeAdapter(expected, config={"arbitrary_types_allowed": True})


def _is_union(expected: Any) -> bool:
    return typing.get_origin(expected) in (typing.Union, types.UnionType)


def _is_type(expected: Any) -> bool:
    """Whether it is made of classes alone, however deep."""
    if isinstance(expected, type | type(None)) and not typing.get_args(expected):
        return True
    origin = typing.get_origin(expected)
    if expected in _ANYTHING or expected is Ellipsis:
        return True
    known = _is_union(expected) or isinstance(origin, type)
    return known and all(map(_is_type, typing.get_args(expected)))


def _is_instance(value: object, expected: Any) -> bool:
    try:
        return isinstance(value, expected)
    except TypeError:
        return False
