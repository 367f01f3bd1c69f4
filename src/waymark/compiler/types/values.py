"""What operators, methods, attributes and iteration give."""

from __future__ import annotations

import ast
import functools
import inspect
import typing
from collections import OrderedDict, abc, defaultdict, deque
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from types import FunctionType
from typing import Any, Final

from .annotations import fields_of, hints_of_function, type_of
from .lattice import UNKNOWN, Instance, Row, Type, join

_INT, _FLOAT, _STR, _BOOL, _BYTES = map(Instance, (int, float, str, bool, bytes))
_TEXTS: Final = Instance(list, (_STR,))
_RANKS: Final[dict[type, int]] = {bool: 0, int: 1, float: 2}

#: Results of methods of built-in classes, where they do not depend on arguments.
_RESULTS: Final[dict[type, dict[str, Type]]] = {
    str: {
        **dict.fromkeys(
            (
                *("capitalize", "casefold", "center", "expandtabs", "format", "join", "ljust"),
                *("lower", "lstrip", "removeprefix", "removesuffix", "replace", "rjust"),
                *("rstrip", "strip", "swapcase", "title", "translate", "upper", "zfill"),
            ),
            _STR,
        ),
        **dict.fromkeys(("split", "rsplit", "splitlines"), _TEXTS),
        **dict.fromkeys(("count", "find", "index", "rfind", "rindex"), _INT),
        **dict.fromkeys(("endswith", "isalnum", "isalpha", "isdigit", "startswith"), _BOOL),
        **dict.fromkeys(("partition", "rpartition"), Row(tuple, (_STR, _STR, _STR))),
        "encode": _BYTES,
    },
    bytes: {"decode": _STR, "hex": _STR},
    datetime: {"isoformat": _STR, "strftime": _STR, "timestamp": _FLOAT, "date": Instance(date)},
    date: {"isoformat": _STR, "strftime": _STR, "weekday": _INT},
    timedelta: {"total_seconds": _FLOAT},
    list: {"count": _INT, "index": _INT},
}

#: Methods that change what a container holds.
CHANGING: Final = frozenset(
    (
        *("add", "append", "appendleft", "clear", "extend", "extendleft", "insert", "pop"),
        *("popitem", "popleft", "remove", "reverse", "setdefault", "sort", "update", "discard"),
    )
)
#: Classes whose methods never change anything.
UNCHANGING: Final = (str, bytes, int, float, Decimal, datetime, date, timedelta)


def element(one: Type) -> Type:
    """What iterating over a value gives."""
    match one:
        case Row(items=items):
            return join(*items)
        case Instance(cls=cls, arguments=held):
            if cls in (str, range, bytes):
                return _STR if cls is str else _INT
            mapping = issubclass(cls, abc.Mapping)
            return held[0] if len(held) == (2 if mapping else 1) else UNKNOWN
        case _:
            return UNKNOWN


def item(one: Type, index: ast.expr) -> Type:
    """What a subscript gives."""
    key = index.value if isinstance(index, ast.Constant) else None
    match one:
        case Row(items=items):
            if isinstance(key, int) and -len(items) <= key < len(items):
                return items[key]
            return UNKNOWN
        case Instance(cls=cls) if typing.is_typeddict(cls):
            return type_of(fields_of(cls).get(str(key), Any), f"`{cls.__name__}[{key!r}]`")
        case Instance(cls=cls) if cls is str:
            return _STR
        case Instance(cls=cls, arguments=held) if len(held) == 2 and issubclass(cls, abc.Mapping):
            return held[1]
        case Instance(cls=cls, arguments=held) if len(held) == 1 and cls in (list, tuple, deque):
            return one if isinstance(index, ast.Slice) else held[0]
        case _:
            return UNKNOWN


def operated(operator: ast.operator, left: Type, right: Type) -> Type:
    """What a binary operator gives."""
    match left, right:
        case Instance(cls=one), Instance(cls=other) if one in _RANKS and other in _RANKS:
            return _number(operator, max(one, other, key=lambda cls: _RANKS[cls]))
        case Instance(cls=one), Instance(cls=other) if one is other is str:
            return _STR if isinstance(operator, (ast.Add, ast.Mod)) else UNKNOWN
        case Instance(cls=one), _ if one is str and isinstance(operator, ast.Mod):
            return _STR
        case Instance(cls=one), Instance(cls=other) if one is other is list:
            return join(left, right) if isinstance(operator, ast.Add) else UNKNOWN
        case Instance(cls=one), Instance(cls=other) if issubclass(one, date):
            return _moment(operator, one, other)
        case _:
            return UNKNOWN


def _number(operator: ast.operator, wider: type) -> Type:
    match operator:
        case ast.Div():
            return _FLOAT
        case ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Mod():
            return _FLOAT if wider is float else _INT
        case _:
            return UNKNOWN


def _moment(operator: ast.operator, one: type, other: type) -> Type:
    if isinstance(operator, (ast.Add, ast.Sub)) and other is timedelta:
        return Instance(one)
    if isinstance(operator, ast.Sub) and issubclass(other, date):
        return Instance(timedelta)
    return UNKNOWN


# Attributes and methods


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such attribute; `similar` are those there are."""

    similar: tuple[str, ...]


def attribute(one: Instance, name: str) -> Type | Missing:
    """An attribute of an object: its declared type, or Missing where no object of
    the class, or of one that inherits from it, can have it."""
    cls = one.cls
    declared = _declared(cls, name)
    if declared is not None:
        return declared
    hints = fields_of(cls)
    found = inspect.getattr_static(cls, name, None)
    if isinstance(found, property) and isinstance(found.fget, FunctionType):
        return type_of(hints_of_function(found.fget).get("return", Any), f"`{cls.__name__}.{name}`")
    if isinstance(found, cached_property) or found is not None or hasattr(cls, name):
        return UNKNOWN
    if issubclass(cls, Enum) and name in ("name", "value"):
        return UNKNOWN
    if name.startswith("_") or not _is_closed(cls, name):
        return UNKNOWN
    return Missing(tuple(sorted({*hints, *dir(cls)} - set(dir(object)))))


@functools.lru_cache(maxsize=2048)
def _declared(cls: type, name: str) -> Type | None:
    """What a class declares of an attribute, where it does."""
    hints = fields_of(cls)
    return type_of(hints[name], f"`{cls.__name__}.{name}`") if name in hints else None


_CLOSED: Final = (str, int, float, bytes, list, tuple, dict, set, frozenset, bool, datetime, date)


def _is_closed(cls: type[Any], name: str) -> bool:
    """Whether the class and all below it say which attributes objects have."""
    if cls in _CLOSED or cls is timedelta or cls is Decimal:
        return True
    if not _says_its_fields(cls) or _may_set(cls, name):
        return False
    return all(
        _says_its_fields(below) and name not in fields_of(below) and not _may_set(below, name)
        for below in inheriting(cls)
    )


def inheriting(cls: type) -> typing.Iterator[type]:
    """Every class of this process that inherits from `cls`, but not itself."""
    subclasses: list[type] = type.__subclasses__(cls)
    for below in subclasses:
        yield below
        yield from inheriting(below)


def _says_its_fields(cls: type[Any]) -> bool:
    if any(hasattr(cls, name) for name in ("__getattr__", "__attrs_attrs__")):
        return _is_model(cls) and _is_strict(cls)
    declared = hasattr(cls, "__dataclass_fields__") or _is_model(cls)
    if _is_model(cls):
        return _is_strict(cls)
    return declared or (tuple in cls.__mro__ and hasattr(cls, "_fields"))


def _is_model(cls: type[Any]) -> bool:
    return hasattr(cls, "__pydantic_fields__")


def _is_strict(cls: type[Any]) -> bool:
    """Whether a model takes no fields beyond its own. pydantic's own base defines
    `__getattr__`, for private attributes; an author's would be another."""
    own = getattr(cls, "__getattr__", None)
    authored = own is not None and getattr(own, "__module__", "") != "pydantic.main"
    return cls.model_config.get("extra") != "allow" and not authored


def _may_set(cls: type, name: str) -> bool:
    """Whether some method of the class names the attribute, and so may set it."""
    return hasattr(cls, name) or any(
        name in function.__code__.co_names or function.__name__ == "__getattribute__"
        for base in cls.__mro__
        for function in vars(base).values()
        if isinstance(function, FunctionType) and not base.__module__.startswith("pydantic")
    )


def method_result(one: Type, name: str) -> Type:
    """What calling a method of a value gives."""
    match one:
        case Row(cls=cls) | Instance(cls=cls):
            known = _known_result(one, cls, name)
            return known if known is not None else _authored_result(cls, name)
        case _:
            return UNKNOWN


_DICTS: Final = (dict, OrderedDict, defaultdict)


def _known_result(one: Row | Instance, cls: type, name: str) -> Type | None:
    for base, results in _RESULTS.items():
        if issubclass(cls, base) and name in results:
            return results[name]
    held = one.arguments if isinstance(one, Instance) else ()
    if cls in _DICTS and len(held) == 2:
        views = {"keys": held[0], "values": held[1], "items": Row(tuple, held)}
        if name in views:
            return Instance(abc.Iterable, (views[name],))
        return held[1] if name == "pop" else one if name == "copy" else None
    if cls in (list, set, deque) and len(held) == 1:
        return held[0] if name in ("pop", "popleft") else one if name == "copy" else None
    if name == "model_copy" and hasattr(cls, "__pydantic_fields__"):
        return one
    return None


def _authored_result(cls: type, name: str) -> Type:
    """What an author's own method is annotated with."""
    found = inspect.getattr_static(cls, name, None)
    if not isinstance(found, FunctionType) or cls.__module__ == "builtins":
        return UNKNOWN
    hint = hints_of_function(found).get("return", Any)
    result = type_of(hint, f"`{cls.__name__}.{name}`")
    return UNKNOWN if inspect.iscoroutinefunction(found) else result
