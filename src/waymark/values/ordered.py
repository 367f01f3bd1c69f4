"""Sets that iterate in insertion order, so that a run repeats in any process.

They are real `set` and `frozenset` subclasses (C code sees their contents) that
keep a dict beside the hash table. An operator's result is ordered by its left
operand first, then by its right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Self, TypeVar, cast

T = TypeVar("T")
S = TypeVar("S")


def _union(first: Iterable[Any], others: Iterable[Iterable[Any]]) -> dict[Any, None]:
    order = dict.fromkeys(first)
    for other in others:
        order.update(dict.fromkeys(other))
    return order


def _common(first: Iterable[Any], others: Iterable[Iterable[Any]]) -> dict[Any, None]:
    kept = [set(other) for other in others]
    return {item: None for item in first if all(item in other for other in kept)}


def _without(first: Iterable[Any], others: Iterable[Iterable[Any]]) -> dict[Any, None]:
    order = dict.fromkeys(first)
    for other in others:
        for item in other:
            order.pop(item, None)
    return order


def _either(first: Iterable[Any], other: Iterable[Any]) -> dict[Any, None]:
    right = dict.fromkeys(other)
    order = {item: None for item in first if item not in right}
    order.update((item, None) for item in right if item not in set(first))
    return order


class OrderedSet(set[T]):
    """A `set` that iterates in insertion order. Equality and `repr` are those
    of the plain set; `pop` takes the oldest item."""

    __slots__ = ("_order",)

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._order: dict[T, None] = dict.fromkeys(items)
        super().__init__(self._order)

    def _become(self, order: dict[T, None]) -> None:
        super().clear()
        super().update(order)
        self._order = order

    def _turn_into(self, order: dict[T, None]) -> None:
        """Hold what `order` does: items stay where they are, new ones come last. Who
        goes through the set notices, as with the plain one."""
        for item in [item for item in self._order if item not in order]:
            self.remove(item)
        super().update(order)
        self._order.update(order)

    def __iter__(self) -> Iterator[T]:
        return iter(self._order)

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self._order))}}}" if self._order else "set()"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_ordered_set, (list(self._order),))

    def add(self, item: T, /) -> None:
        super().add(item)
        self._order.setdefault(item)

    def discard(self, item: object, /) -> None:
        super().discard(item)
        cast("dict[object, None]", self._order).pop(item, None)

    def remove(self, item: T, /) -> None:
        super().remove(item)
        self._order.pop(item, None)

    def pop(self) -> T:
        for item in self._order:
            self.remove(item)
            return item
        raise KeyError("pop from an empty set")

    def clear(self) -> None:
        super().clear()
        self._order.clear()

    def copy(self) -> OrderedSet[T]:
        return OrderedSet(self._order)

    def union(self, *others: Iterable[S]) -> OrderedSet[T | S]:
        return OrderedSet(_union(self._order, others))

    def intersection(self, *others: Iterable[object]) -> OrderedSet[T]:
        return OrderedSet(_common(self._order, others))

    def difference(self, *others: Iterable[object]) -> OrderedSet[T]:
        return OrderedSet(_without(self._order, others))

    def symmetric_difference(self, other: Iterable[S], /) -> OrderedSet[T | S]:
        return OrderedSet(_either(self._order, other))

    def update(self, *others: Iterable[T]) -> None:
        self._turn_into(_union(self._order, others))

    def intersection_update(self, *others: Iterable[object]) -> None:
        self._turn_into(_common(self._order, others))

    def difference_update(self, *others: Iterable[object]) -> None:
        self._turn_into(_without(self._order, others))

    def symmetric_difference_update(self, other: Iterable[T], /) -> None:
        self._turn_into(_either(self._order, other))

    def __or__(self, other: Any, /) -> OrderedSet[Any]:
        return self.union(other) if _is_set(other) else NotImplemented

    def __ror__(self, other: Any, /) -> Any:
        return _kin(other)(_union(other, (self,))) if _is_set(other) else NotImplemented

    def __and__(self, other: Any, /) -> OrderedSet[Any]:
        return self.intersection(other) if _is_set(other) else NotImplemented

    def __rand__(self, other: Any, /) -> Any:
        return _kin(other)(_common(other, (self,))) if _is_set(other) else NotImplemented

    def __sub__(self, other: Any, /) -> OrderedSet[Any]:
        return self.difference(other) if _is_set(other) else NotImplemented

    def __rsub__(self, other: Any, /) -> Any:
        return _kin(other)(_without(other, (self,))) if _is_set(other) else NotImplemented

    def __xor__(self, other: Any, /) -> OrderedSet[Any]:
        if not _is_set(other):
            return NotImplemented
        return self.symmetric_difference(other)

    def __rxor__(self, other: Any, /) -> Any:
        return _kin(other)(_either(other, self)) if _is_set(other) else NotImplemented

    def __ior__(self, other: Any, /) -> Self:  # type: ignore[override]  # as typeshed itself
        return self._changed(other, self.update)

    def __iand__(self, other: Any, /) -> Self:
        return self._changed(other, self.intersection_update)

    def __isub__(self, other: Any, /) -> Self:
        return self._changed(other, self.difference_update)

    def __ixor__(self, other: Any, /) -> Self:  # type: ignore[override]  # as typeshed itself
        return self._changed(other, self.symmetric_difference_update)

    def _changed(self, other: Any, change: Callable[[Any], None]) -> Self:
        if not _is_set(other):
            return cast("Self", NotImplemented)
        change(other)
        return self


class OrderedFrozenSet(frozenset[T]):
    """A `frozenset` that iterates in insertion order. Equality, hash and `repr`
    are those of the plain one."""

    __slots__ = ("_order",)
    _order: tuple[T, ...]

    def __new__(cls, items: Iterable[T] = ()) -> OrderedFrozenSet[T]:
        order = dict.fromkeys(items)
        self = super().__new__(cls, order)
        self._order = tuple(order)
        return self

    def __iter__(self) -> Iterator[T]:
        return iter(self._order)

    def __repr__(self) -> str:
        inner = ", ".join(map(repr, self._order))
        return f"frozenset({{{inner}}})" if inner else "frozenset()"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_ordered_frozenset, (list(self._order),))

    def copy(self) -> OrderedFrozenSet[T]:
        return self

    def union(self, *others: Iterable[S]) -> OrderedFrozenSet[T | S]:
        return OrderedFrozenSet(_union(self._order, others))

    def intersection(self, *others: Iterable[object]) -> OrderedFrozenSet[T]:
        return OrderedFrozenSet(_common(self._order, others))

    def difference(self, *others: Iterable[object]) -> OrderedFrozenSet[T]:
        return OrderedFrozenSet(_without(self._order, others))

    def symmetric_difference(self, other: Iterable[S], /) -> OrderedFrozenSet[T | S]:
        return OrderedFrozenSet(_either(self._order, other))

    def __or__(self, other: Any, /) -> OrderedFrozenSet[Any]:
        return self.union(other) if _is_set(other) else NotImplemented

    def __ror__(self, other: Any, /) -> Any:
        return _kin(other)(_union(other, (self,))) if _is_set(other) else NotImplemented

    def __and__(self, other: Any, /) -> OrderedFrozenSet[Any]:
        return self.intersection(other) if _is_set(other) else NotImplemented

    def __rand__(self, other: Any, /) -> Any:
        return _kin(other)(_common(other, (self,))) if _is_set(other) else NotImplemented

    def __sub__(self, other: Any, /) -> OrderedFrozenSet[Any]:
        return self.difference(other) if _is_set(other) else NotImplemented

    def __rsub__(self, other: Any, /) -> Any:
        return _kin(other)(_without(other, (self,))) if _is_set(other) else NotImplemented

    def __xor__(self, other: Any, /) -> OrderedFrozenSet[Any]:
        if not _is_set(other):
            return NotImplemented
        return self.symmetric_difference(other)

    def __rxor__(self, other: Any, /) -> Any:
        return _kin(other)(_either(other, self)) if _is_set(other) else NotImplemented


def order_of(value: OrderedSet[Any]) -> dict[Any, None]:
    """The dict whose keys are a set's items in their order: what its iterators go through."""
    return value._order  # pyright: ignore[reportPrivateUsage]  # no method: code of runs sees those


def adopt_order(value: OrderedSet[Any], order: dict[Any, None]) -> None:
    """Make the keys of `order` a set's items, and `order` the dict that keeps them."""
    value._become(order)  # pyright: ignore[reportPrivateUsage]  # the same


def _is_set(value: object) -> bool:
    return isinstance(value, AbstractSet)


def _kin(value: object) -> type[OrderedSet[Any]] | type[OrderedFrozenSet[Any]]:
    """The ordered class for the result of an operator whose left operand is
    `value`; Python takes the left operand's type."""
    return OrderedFrozenSet if isinstance(value, frozenset) else OrderedSet


def _ordered_set(items: list[Any]) -> OrderedSet[Any]:
    return OrderedSet(items)


def _ordered_frozenset(items: list[Any]) -> OrderedFrozenSet[Any]:
    return OrderedFrozenSet(items)


# Errors of Python's own name the type; to the author it is the plain one.
OrderedSet.__name__ = OrderedSet.__qualname__ = "set"
OrderedFrozenSet.__name__ = OrderedFrozenSet.__qualname__ = "frozenset"
