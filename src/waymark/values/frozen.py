"""Module constants as a workflow body sees them: readable, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from ..errors import FrozenConstantError
from .codec import kind_of
from .ordered import OrderedFrozenSet, OrderedSet

# The plain classes, whose methods fill what refuses to be changed.
_list: Any = list
_dict: Any = dict


def _refuse(self: Any, *_: object, **__: object) -> NoReturn:
    raise FrozenConstantError(
        f"the constant {self.constant} is part of the workflow's graph and cannot be changed;"
        f" copy it first, as in {self.plain}({self.constant})"
    )


class FrozenList(list[Any]):
    """A list that refuses every change, naming the constant it belongs to."""

    __slots__ = ("constant",)
    plain = "list"

    def __init__(self, items: Iterable[Any], constant: str) -> None:
        self.constant = constant
        super().__init__(items)

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [_thaw(item) for item in self]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (list, (list(self),))

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse


class FrozenDict(dict[Any, Any]):
    """A dict that refuses every change, naming the constant it belongs to."""

    __slots__ = ("constant",)
    plain = "dict"

    def __init__(self, items: Iterable[tuple[Any, Any]], constant: str) -> None:
        self.constant = constant
        super().__init__(items)

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return {_thaw(key): _thaw(value) for key, value in self.items()}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (dict, (dict(self),))

    clear = pop = popitem = setdefault = update = _refuse
    __setitem__ = __delitem__ = __ior__ = _refuse


class FrozenSet(OrderedSet[Any]):
    """A set that refuses every change, naming the constant it belongs to."""

    __slots__ = ("constant",)
    plain = "set"

    def __init__(self, items: Iterable[Any], constant: str) -> None:
        self.constant = constant
        super().__init__(items)

    def __copy__(self) -> OrderedSet[Any]:
        return OrderedSet(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> OrderedSet[Any]:
        return OrderedSet(_thaw(item) for item in self)

    add = clear = discard = pop = remove = update = _refuse
    difference_update = intersection_update = symmetric_difference_update = _refuse
    __ior__ = __iand__ = __isub__ = __ixor__ = _refuse


def freeze(value: Any, name: str) -> Any:
    """A deep copy of `value` whose lists, dicts and sets raise
    FrozenConstantError, which names the constant `name`, when changed. What is
    shared inside stays shared."""
    return _freeze(value, name, {})


def _freeze(value: Any, name: str, memo: dict[int, Any]) -> Any:
    key = id(value)
    if key in memo:
        return memo[key]
    result = value
    kind = kind_of(value)
    if issubclass(kind, list):
        result = memo[key] = FrozenList((), name)
        _list.extend(result, [_freeze(item, name, memo) for item in value])
    elif kind in (dict, FrozenDict):
        result = memo[key] = FrozenDict((), name)
        items = [(_freeze(k, name, memo), _freeze(v, name, memo)) for k, v in value.items()]
        _dict.update(result, items)
    elif issubclass(kind, set):
        result = FrozenSet((_freeze(item, name, memo) for item in _sorted(value)), name)
    elif issubclass(kind, frozenset):
        result = OrderedFrozenSet(_freeze(item, name, memo) for item in _sorted(value))
    elif kind is tuple:
        result = tuple(_freeze(item, name, memo) for item in value)
    memo[key] = result
    return result


def _sorted(value: Iterable[Any]) -> list[Any]:
    """The items of a set in an order that no hash seed changes."""
    if isinstance(value, (OrderedSet, OrderedFrozenSet)):
        return list(value)
    return sorted(value, key=lambda item: (type(item).__qualname__, repr(item)))


def _thaw(value: Any) -> Any:
    kind = kind_of(value)
    if kind is FrozenList:
        return [_thaw(item) for item in value]
    if kind is FrozenDict:
        return {_thaw(key): _thaw(item) for key, item in value.items()}
    if kind is FrozenSet:
        return OrderedSet(_thaw(item) for item in value)
    return tuple(_thaw(item) for item in value) if kind is tuple else value


# Errors of Python's own name the type; to the author it is the plain one.
for _frozen in (FrozenList, FrozenDict, FrozenSet):
    _frozen.__name__ = _frozen.__qualname__ = _frozen.plain
