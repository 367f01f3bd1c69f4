"""What library code would do for a graph that a dot may not: `guards`' third hand.

Some of what the catalogue lists reaches further than its name says:

-   A subscript of a class can run code: a generic model evaluates text in it, as an
    annotation. So a class is subscripted with types only, whoever subscripts it.
-   A method taken from `list`, `dict`, `set` or `frozenset` passes over what the
    run's own kinds put in its place: the refusal of a constant, the order of a set.
    It is looked up on the value again. `heapq` writes into a list by itself.
-   `map`, `reduce` and others call what they are given, also where the text does not
    show that it is they who are called.
-   Models inherit doors of their library: `parse_raw` unpickles, `parse_file` reads
    files, `model_rebuild` evaluates text. What is not listed here is refused.
"""

from __future__ import annotations

import bisect
import collections
import enum
import functools
import itertools
import operator
import types
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from waymark.errors import ImpureCallError
from waymark.values import (
    FrozenDict,
    FrozenList,
    FrozenSet,
    OrderedFrozenSet,
    OrderedSet,
)

#: Classes whose objects call what they were made with. (A `ChainMap` subscripts it.)
CALLING_TYPES: frozenset[type] = frozenset(
    {
        *(map, filter, functools.partial, collections.defaultdict, collections.ChainMap),
        *(itertools.accumulate, itertools.dropwhile, itertools.filterfalse),
        *(itertools.groupby, itertools.starmap, itertools.takewhile),
    }
)

#: Functions that call their keyword arguments and no others.
BY_KEYWORD: frozenset[Any] = frozenset(
    {sorted, min, max, bisect.bisect_left, bisect.bisect_right}
    | {bisect.insort_left, bisect.insort_right}
)

#: Functions in C that call what they are given; those in Python are called by name only.
CALLING: frozenset[Any] = BY_KEYWORD | {functools.reduce, functools.cmp_to_key}

_KINDS: dict[str, tuple[type, ...]] = {
    "list": (FrozenList,),
    "dict": (FrozenDict,),
    "set": (OrderedSet, FrozenSet),
    "frozenset": (OrderedFrozenSet,),
}
_IN_PLACE = frozenset({"heapify", "heappop", "heappush", "heappushpop", "heapreplace"})

_MODEL_LIBRARY = "pydantic"
_OPEN_OF_MODELS = frozenset(
    {"construct", "copy", "dict", "json", "parse_obj", "root"}
    | {f"model_{name}" for name in ("computed_fields", "config", "construct", "copy", "dump")}
    | {f"model_{name}" for name in ("dump_json", "extra", "fields", "fields_set", "post_init")}
    | {f"model_{name}" for name in ("json_schema", "validate", "validate_json")}
    | {"model_validate_strings"}
)


class _Guards(Protocol):
    def callables(self, values: Any) -> Any: ...


class Handing:
    """What calls what it is given, about to be called where the text did not show it."""

    __slots__ = ("_function", "_guards")

    def __init__(self, guards: _Guards, function: Callable[..., Any]) -> None:
        self._guards = guards
        self._function = function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if self._function not in BY_KEYWORD:
            args = tuple(self._guards.callables(args))
        return self._function(*args, **self._guards.callables(kwargs))

    def __repr__(self) -> str:
        return repr(self._function)


def is_open(base: type[Any], name: str) -> bool:
    """Whether a graph may reach what `base` defines, as far as models' library goes."""
    return base.__module__.partition(".")[0] != _MODEL_LIBRARY or name in _OPEN_OF_MODELS


def special(path: str, found: Callable[..., Any]) -> Callable[..., Any] | None:
    """What stands for a function of the catalogue that would reach too far."""
    owner, _, name = path.rpartition(".")
    if owner in _KINDS:
        return _on_value(_KINDS[owner], name, found)
    if owner == "heapq" and name in _IN_PLACE:
        return _on_heap(found)
    match path:
        case "operator.getitem":
            return item
        case "operator.itemgetter":
            return _itemgetter
        case _:
            return None


def item(value: Any, key: Any) -> Any:
    """`value[key]`."""
    if _is_class(value):
        _check_parameters(key)
    return value[key]


def _is_class(value: object) -> bool:
    """Whether subscripts of `value` are annotations; those of an enum are names."""
    return isinstance(value, type) and not isinstance(value, enum.EnumMeta)


def _itemgetter(*keys: Any) -> Callable[[Any], Any]:
    found = operator.itemgetter(*keys)

    def call(value: Any, /) -> Any:
        if _is_class(value):
            _check_parameters(keys)
        return found(value)

    return call


def _check_parameters(key: Any) -> None:
    """Refuse anything but types, however deep, where a class is subscripted."""
    if isinstance(key, tuple | list):
        for part in cast("list[Any]", key):
            _check_parameters(part)
    elif isinstance(key, types.GenericAlias | types.UnionType) or hasattr(key, "__origin__"):
        _check_parameters(getattr(key, "__args__", ()))
    elif key is not None and key is not Ellipsis and not isinstance(key, type):
        raise ImpureCallError(
            f"a class is subscripted with {type(key).__name__} in a workflow body; only types"
            " may stand there"
        )


def _on_value(kinds: tuple[type, ...], name: str, found: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], kinds):
            return getattr(args[0], name)(*args[1:], **kwargs)
        return found(*args, **kwargs)

    return call


def _on_heap(found: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        if args and isinstance(args[0], FrozenList):
            args[0].sort()  # which says that it is a constant
        return found(*args)

    return call


_VIEWS = (type(dict[Any, Any]().keys()), type(dict[Any, Any]().items()))


def set_operation(name: str, left: Any, right: Any) -> Any:
    """`left & right` and kin: of views of a dict they would give a plain set,
    whose order is that of hashes."""
    if type(left) in _VIEWS:
        left = OrderedSet(left)
    if type(right) in _VIEWS:
        right = OrderedSet(right)
    return SET_OPERATIONS[name](left, right)


#: Operators that sets have, by the class of their syntax.
SET_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    syntax: getattr(operator, name)
    for syntax, name in (("BitAnd", "and_"), ("BitOr", "or_"), ("BitXor", "xor"), ("Sub", "sub"))
}
