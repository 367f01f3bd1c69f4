"""Sets of a run iterate in an order that no hash seed changes."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.values import OrderedFrozenSet, OrderedSet

few = settings(max_examples=20, deadline=None)
words = st.lists(st.text("abcdef", max_size=2), max_size=8)

OPERATORS: list[Callable[[Any, Any], Any]] = [
    operator.or_,
    operator.and_,
    operator.sub,
    operator.xor,
]
METHODS = ["union", "intersection", "difference", "symmetric_difference"]
IN_PLACE: list[Callable[[Any, Any], Any]] = [
    operator.ior,
    operator.iand,
    operator.isub,
    operator.ixor,
]
UPDATES = ["update", "intersection_update", "difference_update", "symmetric_difference_update"]


def expected_order(left: list[str], right: list[str], result: set[str]) -> list[str]:
    """The left operand's order first, then the right one's."""
    return [item for item in dict.fromkeys([*left, *right]) if item in result]


@few
@given(words, words)
@pytest.mark.parametrize("kind", [OrderedSet, OrderedFrozenSet])
@pytest.mark.parametrize("other_kind", [OrderedSet, OrderedFrozenSet])
@pytest.mark.parametrize("operate", OPERATORS)
def test_operators_agree_with_plain_sets_and_keep_order(
    kind: Any,
    other_kind: Any,
    operate: Callable[[Any, Any], Any],
    left: list[str],
    right: list[str],
) -> None:
    """Contents as the plain set's, class as the left operand's."""
    plain = operate(set(left), set(right))
    result = operate(kind(left), other_kind(right))
    assert result == plain
    assert type(result) is kind
    assert list(result) == expected_order(left, right, plain)
    assert operate(kind(left), set(right)) == plain
    plain_left = {OrderedSet: set, OrderedFrozenSet: frozenset}[kind](left)
    mixed = operate(plain_left, kind(right))
    assert type(mixed) is kind
    assert mixed == plain


@few
@given(words, words)
@pytest.mark.parametrize("kind", [OrderedSet, OrderedFrozenSet])
@pytest.mark.parametrize("name", METHODS)
def test_methods_take_any_iterable(kind: Any, name: str, left: list[str], right: list[str]) -> None:
    """As those of the plain set do."""
    plain = getattr(set(left), name)(right)
    result = getattr(kind(left), name)(iter(right))
    assert result == plain
    assert list(result) == expected_order(left, right, plain)


@few
@given(words, words)
@pytest.mark.parametrize(("operate", "name"), list(zip(IN_PLACE, UPDATES, strict=True)))
def test_changes_in_place_keep_order_and_identity(
    operate: Callable[[Any, Any], Any], name: str, left: list[str], right: list[str]
) -> None:
    """The C table and the order never disagree."""
    plain = operate(set(left), set(right))
    value = same = OrderedSet(left)
    value = operate(value, set(right))
    assert value is same
    assert value == plain
    assert list(value) == [item for item in value if item in plain]
    assert len(list(value)) == len(value) == len(plain)
    other = OrderedSet(left)
    getattr(other, name)(right)
    assert other == plain
    assert list(other) == expected_order(left, right, plain)


@few
@given(words, words)
def test_single_changes(start: list[str], changes: list[str]) -> None:
    """`add`, `discard`, `remove`, `pop`, in any order."""
    value, plain = OrderedSet(start), set(start)
    for index, item in enumerate(changes):
        if index % 2:
            value.add(item)
            plain.add(item)
        else:
            value.discard(item)
            plain.discard(item)
        assert value == plain
        assert sorted(value) == sorted(plain)
    while value:
        first = next(iter(value))
        assert value.pop() == first
        plain.remove(first)
        assert value == plain
    with pytest.raises(KeyError):
        value.pop()
    with pytest.raises(KeyError):
        value.remove("a")


def test_insertion_order_is_what_one_sees() -> None:
    """In a loop, a list, a join and the `repr`."""
    value = OrderedSet(["b", "a", "c", "b"])
    assert [*value] == ["b", "a", "c"]
    assert repr(value) == "{'b', 'a', 'c'}"
    assert repr(OrderedSet()) == "set()"
    frozen = OrderedFrozenSet("ba")
    assert "".join(frozen) == "ba"
    assert repr(frozen) == "frozenset({'b', 'a'})"
    assert repr(OrderedFrozenSet()) == "frozenset()"


def test_equality_and_hash_are_those_of_the_plain_set() -> None:
    """Order does not count, as ever."""
    assert OrderedSet("ab") == OrderedSet("ba") == {"a", "b"}
    assert hash(OrderedFrozenSet("ab")) == hash(frozenset("ba"))
    assert {OrderedFrozenSet("ab"): 1}[frozenset("ba")] == 1
    assert isinstance(OrderedSet(), set)
    assert isinstance(OrderedFrozenSet(), frozenset)
    with pytest.raises(TypeError):
        hash(OrderedSet())
    with pytest.raises(TypeError):
        OrderedSet("a") | ["b"]  # type: ignore[operator]


@pytest.mark.parametrize("value", [OrderedSet("cab"), OrderedFrozenSet("cab")])
@pytest.mark.parametrize(
    "through",
    [copy.copy, copy.deepcopy, lambda v: v.copy(), lambda v: pickle.loads(pickle.dumps(v))],
)
def test_copies_keep_order_and_class(value: Any, through: Callable[[Any], Any]) -> None:
    """However they are made."""
    copied = through(value)
    assert type(copied) is type(value)
    assert list(copied) == ["c", "a", "b"]
