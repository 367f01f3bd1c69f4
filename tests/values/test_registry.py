"""Data can name what registered code reaches, and nothing else."""

from __future__ import annotations

import asyncio
import decimal
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import pytest
from pydantic import BaseModel

from waymark import errors
from waymark.values import TypeRegistry, plan_for

T = TypeVar("T")


class Colour(Enum):
    RED = 1


class Inner(BaseModel):
    number: int


class Movie(TypedDict):
    inner: Inner


class Pair(NamedTuple):
    colour: Colour


@dataclass
class Outer(Generic[T]):
    movie: Movie
    pairs: dict[str, list[Pair | None]]
    item: T
    again: Outer[T] | None = None


class Page(BaseModel, Generic[T]):
    items: list[T]


class Failure(Exception):
    pass


class Narrow(Failure):
    pass


class Stranger(Exception):
    pass


UserId = NewType("UserId", Inner)


def ref(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


@pytest.mark.parametrize(
    ("annotation", "reached"),
    [
        (Inner, [Inner]),
        (list[Inner], [Inner]),
        (Outer[int], [Outer, Movie, Inner, Pair, Colour]),
        (Annotated[Inner | None, "x"], [Inner]),
        (Callable[[Inner], Pair], [Inner, Pair, Colour]),
        (type[Inner], [Inner]),
        (Literal[Colour.RED], [Colour]),
        (UserId, [Inner]),
        (Page[Inner], [Page[Inner], Inner]),
        (Narrow, [Narrow, Failure]),
        (tuple[Inner, ...], [Inner]),
    ],
)
def test_an_annotation_reaches_what_it_holds(annotation: object, reached: list[type]) -> None:
    """Arguments, fields of all kinds of classes, members of unions."""
    types = TypeRegistry()
    for cls in reached:
        assert types.resolve(ref(cls)) is None
    types.add(annotation)
    for cls in reached:
        assert types.resolve(ref(cls)) is cls
    assert types.resolve(ref(Stranger)) is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("builtins:ValueError", ValueError),
        ("builtins:dict", dict),
        ("datetime:datetime", datetime),
        ("decimal:InvalidOperation", decimal.InvalidOperation),
        ("json.decoder:JSONDecodeError", json.JSONDecodeError),
        ("asyncio.exceptions:CancelledError", asyncio.CancelledError),
        ("waymark.errors:RunCancelled", errors.RunCancelled),
        ("builtins:eval", None),
        ("builtins:type", None),
        ("builtins:super", None),
        ("builtins:memoryview", None),
        ("os:system", None),
        ("os:_wrap_close", None),
        ("subprocess:Popen", None),
        ("threading:Thread", None),
        ("waymark.values.registry:TypeRegistry", None),
        ("antigravity:x", None),
        ("", None),
        (":", None),
        ("json.decoder:JSONDecodeError.__init__", None),
        ("nothing", None),
    ],
)
def test_what_resolves_without_being_added(name: str, found: type | None) -> None:
    """Kinds of data and exceptions of Python itself; never an import."""
    modules = set(sys.modules)
    assert TypeRegistry().resolve(name) is found
    assert set(sys.modules) == modules


def test_subclasses_of_what_was_added_are_reached() -> None:
    """A value may be of a subclass; another process finds it by its name."""
    types = TypeRegistry()
    types.add(Failure)
    assert types.resolve(ref(Narrow)) is Narrow
    assert types.resolve(ref(Stranger)) is None


def test_a_name_that_was_missing_is_found_once_it_is_added() -> None:
    """The memory of misses is not in the way."""
    types = TypeRegistry()
    assert types.resolve(ref(Inner)) is None
    types.add(Inner)
    assert types.resolve(ref(Inner)) is Inner
    assert types.resolve(ref(Narrow)) is None
    types.add(Failure)
    assert types.resolve(ref(Narrow)) is Narrow


def _sends(user: Inner) -> Pair:
    def inner() -> None:
        raise Stranger

    inner()
    return Pair(Colour.RED)


def test_a_function_reaches_its_hints_and_the_classes_its_code_names() -> None:
    """What an action raises or builds is reachable from registered code."""
    types = TypeRegistry()
    types.add(_sends)
    for cls in (Inner, Pair, Colour, Stranger):
        assert types.resolve(ref(cls)) is cls
    assert types.function(f"{__name__}:_sends") is _sends
    assert types.resolve(ref(Outer)) is None
    # This module uses pydantic, so that library's exceptions are reachable.
    assert types.resolve("pydantic.errors:PydanticUserError") is not None
    assert types.resolve("pydantic.main:BaseModel") is None
    assert types.resolve("hypothesis.errors:InvalidArgument") is None


def test_classes_and_functions_are_values_by_reference() -> None:
    """Once registered code reaches them."""
    types = TypeRegistry()
    types.add(_sends)
    plan = plan_for(Any, types)
    value = [_sends, Inner, int, Stranger]
    assert plan.loads(plan.dumps(value)) == value


def test_a_class_defined_again_takes_the_older_ones_place() -> None:
    """A notebook cell run twice."""

    def define() -> type:
        @dataclass
        class Cell:
            x: int

        return Cell

    types = TypeRegistry()
    first, second = define(), define()
    old = plan_for(first, types).dumps(first(1))
    assert type(plan_for(second, types).loads(old)) is second
    assert type(plan_for(Any, types).loads(plan_for(Any, types).dumps(first(1)))) is second


def test_plans_are_kept_per_annotation() -> None:
    """Asking again costs nothing."""
    types = TypeRegistry()
    assert plan_for(list[int], types) is plan_for(list[int], types)
    assert plan_for(list[int], types) is not plan_for(list[int], TypeRegistry())


def test_a_field_whose_class_came_later_is_still_reached() -> None:
    """A class may be added before what it refers to is defined."""
    namespace: dict[str, Any] = {"dataclass": dataclass, "__name__": __name__}
    scope = globals()
    exec("@dataclass\nclass Early:\n    late: 'LateOne'\n", namespace)
    early = namespace["Early"]
    types = TypeRegistry()
    types.add(early)

    @dataclass
    class LateOne:
        x: int

    LateOne.__qualname__ = "LateOne"
    scope["LateOne"] = LateOne
    try:
        plan = plan_for(early, types)
        data = plan.dumps(early(LateOne(1)))
        assert data == b'{"late":{"x":1}}'
        assert plan.loads(data) == early(LateOne(1))
    finally:
        del scope["LateOne"]
