"""Constants made unchangeable, before a workflow body sees them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import Any, NoReturn

from ..errors import FrozenConstantError
from .codec import kind_of
from .frozen import FrozenDict, FrozenList, FrozenSet
from .instances import is_instance
from .objects import State
from .ordered import OrderedFrozenSet, OrderedSet

# The plain classes, whose methods fill what refuses to be changed.
_list: Any = list
_dict: Any = dict

#: Whose subclasses have more to them than fields. (Enumerations have no fields of their own.)
_WHOLE = (dict, tuple, deque, bytearray, BaseException, Enum, type)


def freeze(value: Any, name: str, objects: dict[int, str] | None = None) -> Any:
    """A deep copy of `value` whose lists, dicts and sets raise
    FrozenConstantError, which names the constant `name`, when changed. What is
    shared inside stays shared. Objects of users' classes are not copied: what their fields hold
    is frozen, and they come into `objects`, by identity, for `refuse_change`."""
    return _freeze(value, name, {}, {} if objects is None else objects)


def refuse_change(constant: str) -> NoReturn:
    """Refuse to set a field of an object that is (a part of) a constant."""
    raise FrozenConstantError(
        f"the constant {constant} is part of the workflow's graph and cannot be changed;"
        f" copy it first, as in copy.deepcopy({constant})"
    )


def _freeze(value: Any, name: str, memo: dict[int, Any], objects: dict[int, str]) -> Any:
    key = id(value)
    if key in memo:
        return memo[key]
    result: Any = value
    kind = kind_of(value)
    into: Callable[[Any], Any] = partial(_freeze, name=name, memo=memo, objects=objects)
    if issubclass(kind, list):
        result = memo[key] = FrozenList((), name)
        _list.extend(result, [into(item) for item in value])
    elif kind in (dict, FrozenDict):
        result = memo[key] = FrozenDict((), name)
        _dict.update(result, [(into(k), into(v)) for k, v in value.items()])
    elif issubclass(kind, set):
        result = FrozenSet((into(item) for item in _sorted(value)), name)
    elif issubclass(kind, frozenset):
        result = OrderedFrozenSet(into(item) for item in _sorted(value))
    elif kind is tuple:
        result = tuple(into(item) for item in value)
    elif issubclass(kind, tuple) and hasattr(value, "_make"):
        result = value._make(into(item) for item in value)
    elif key not in objects and is_instance(value) and not issubclass(kind, _WHOLE):
        objects[key] = name
        memo[key] = value
        state = State(value.__class__)
        state.set(value, {field: into(item) for field, item in state.get(value).items()})
    memo[key] = result
    return result


def _sorted(value: Iterable[Any]) -> list[Any]:
    """The items of a set in an order that no hash seed changes."""
    if isinstance(value, (OrderedSet, OrderedFrozenSet)):
        return list(value)
    return sorted(value, key=lambda item: (type(item).__qualname__, repr(item)))
