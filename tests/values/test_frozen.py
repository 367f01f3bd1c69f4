"""Module constants can be read like the real ones and never be changed."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from waymark.errors import FrozenConstantError
from waymark.values import TypeRegistry, freeze, plan_for

CONSTANT = {"list": [1, [2]], "set": {1}, "tuple": ([3], {"a": {4}}), "text": "x"}


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(a=1),
        lambda c: c.__setitem__("a", 1),
        lambda c: c.pop("list"),
        lambda c: c.popitem(),
        lambda c: c.clear(),
        lambda c: c.setdefault("b", 1),
        lambda c: operator_ior(c, {"a": 1}),
        lambda c: c["list"].append(1),
        lambda c: c["list"].extend([1]),
        lambda c: c["list"].insert(0, 1),
        lambda c: c["list"].remove(1),
        lambda c: c["list"].pop(),
        lambda c: c["list"].sort(),
        lambda c: c["list"].reverse(),
        lambda c: c["list"].clear(),
        lambda c: c["list"].__setitem__(0, 5),
        lambda c: c["list"].__delitem__(0),
        lambda c: operator_iadd(c["list"], [1]),
        lambda c: operator_imul(c["list"], 2),
        lambda c: c["list"][1].append(1),
        lambda c: c["set"].add(2),
        lambda c: c["set"].discard(1),
        lambda c: c["set"].remove(1),
        lambda c: c["set"].pop(),
        lambda c: c["set"].clear(),
        lambda c: c["set"].update({2}),
        lambda c: c["set"].difference_update({1}),
        lambda c: operator_ior(c["set"], {2}),
        lambda c: c["tuple"][0].append(1),
        lambda c: c["tuple"][1]["a"].add(1),
    ],
)
def test_every_change_is_refused_and_named(change: Callable[[Any], Any]) -> None:
    """Also far inside; the message names the constant and the way out."""
    frozen = freeze(CONSTANT, "LIMITS")
    with pytest.raises(FrozenConstantError, match=r"LIMITS .* copy it first, as in .*\(LIMITS\)"):
        change(frozen)
    assert frozen == CONSTANT


def operator_ior(value: Any, other: Any) -> None:
    value |= other


def operator_iadd(value: Any, other: Any) -> None:
    value += other


def operator_imul(value: Any, other: Any) -> None:
    value *= other


def test_it_reads_like_the_plain_one() -> None:
    """Equality, `repr`, `isinstance`, iteration, operators."""
    frozen = freeze(CONSTANT, "LIMITS")
    assert frozen == CONSTANT
    assert repr(frozen) == repr(CONSTANT)
    assert isinstance(frozen, dict)
    assert isinstance(frozen["list"], list)
    assert type(frozen["list"] + [1]) is list
    assert type(frozen["list"][:1]) is list
    assert type(frozen | {}) is dict
    assert frozen["set"] | {2} == {1, 2}


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, lambda v: v.copy(), type(CONSTANT)])
def test_a_copy_can_be_changed(copier: Callable[[Any], Any]) -> None:
    """That is what the message advises."""
    copied = copier(freeze(CONSTANT, "LIMITS"))
    copied["new"] = 1
    assert copied == {**CONSTANT, "new": 1}
    lists = copy.deepcopy(freeze(CONSTANT, "LIMITS"))
    lists["list"][1].append(9)
    lists["set"].add(5)


def test_the_original_stays_as_it_is_and_sharing_stays() -> None:
    """A deep copy, with its own identities."""
    shared = [1]
    frozen = freeze([shared, shared], "X")
    assert frozen[0] is frozen[1]
    members = {1}
    frozen_sets = freeze((members, [members]), "X")
    assert frozen_sets[0] is frozen_sets[1][0]
    shared.append(2)
    assert frozen == [[1], [1]]


def test_it_leaves_the_run_as_the_plain_kind() -> None:
    """Actions get plain lists, dicts and sets."""
    for annotation in (Any, dict[str, Any]):
        plan = plan_for(annotation, TypeRegistry())
        frozen = freeze(CONSTANT, "LIMITS")
        assert plan.dumps(frozen) == plan.dumps(CONSTANT)
        back = plan.loads(plan.dumps(frozen))
        assert {type(back), type(back["list"]), type(back["set"])} == {dict, list, set}


def test_a_constant_that_holds_itself() -> None:
    """Odd, but Python allows it."""
    loop: list[Any] = []
    loop.append(loop)
    frozen = freeze(loop, "LOOP")
    assert frozen[0] is frozen


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    numbers: list[int]


class Pair(NamedTuple):
    left: list[int]
    right: Inner


class Limits(BaseModel):
    names: list[str] = ["a"]


@dataclass
class Settings:
    inner: Inner = field(default_factory=lambda: Inner([1]))
    pair: Pair = field(default_factory=lambda: Pair([1], Inner([2])))
    limits: Limits = field(default_factory=Limits)


INSIDE: list[Callable[[Settings], list[Any]]] = [
    lambda s: s.inner.numbers,
    lambda s: s.pair.left,
    lambda s: s.pair.right.numbers,
    lambda s: s.limits.names,
]


@pytest.mark.parametrize("inside", INSIDE, ids=range(len(INSIDE)))
def test_what_an_object_holds_is_frozen(inside: Callable[[Settings], list[Any]]) -> None:
    """With slots or without, in a frozen dataclass, a model, a named tuple."""
    objects: dict[int, str] = {}
    frozen = freeze([Settings()], "LIMITS", objects)
    with pytest.raises(FrozenConstantError, match=r"LIMITS .* copy.deepcopy\(LIMITS\)"):
        inside(frozen[0]).append(1)
    assert frozen == [Settings()]
    assert set(objects.values()) == {"LIMITS"}
    inner = frozen[0].inner, frozen[0].pair.right, frozen[0].limits
    assert objects.keys() == {id(each) for each in (frozen[0], *inner)}
    (copied,) = copy.deepcopy(frozen)
    inside(copied).append(1)
    assert copied != frozen[0]


def test_whose_classes_are_not_the_author_s_stay_as_they_are() -> None:
    """Functions, patterns, dates, members of enumerations."""
    pattern, function = re.compile("a"), functools.partial(int, base=2)
    objects: dict[int, str] = {}
    assert freeze([pattern, function, Colour.RED], "X", objects) == [pattern, function, Colour.RED]
    assert objects == {}
