"""Containers of constants as a workflow body sees them: readable, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, NoReturn

from ..errors import FrozenConstantError
from .codec import kind_of
from .instances import is_instance
from .ordered import OrderedSet


def _refuse(self: Any, *_: object, **__: object) -> NoReturn:
    raise FrozenConstantError(
        f"the constant {self.constant} is part of the workflow's graph and cannot be changed;"
        f" copy it first, as in copy.deepcopy({self.constant})"
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
        return [_thaw(item, memo) for item in self]

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
        return {_thaw(key, memo): _thaw(value, memo) for key, value in self.items()}

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
        return OrderedSet(_thaw(item, memo) for item in self)

    add = clear = discard = pop = remove = update = _refuse
    difference_update = intersection_update = symmetric_difference_update = _refuse
    __ior__ = __iand__ = __isub__ = __ixor__ = _refuse


def _thaw(value: Any, memo: dict[int, Any]) -> Any:
    kind = kind_of(value)
    if kind in (FrozenList, FrozenDict, FrozenSet):
        return value.__deepcopy__(memo)
    if kind is tuple:
        return tuple(_thaw(item, memo) for item in value)
    return deepcopy(value, memo) if is_instance(value) else value


# Errors of Python's own name the type; to the author it is the plain one.
for _frozen in (FrozenList, FrozenDict, FrozenSet):
    _frozen.__name__ = _frozen.__qualname__ = _frozen.plain
