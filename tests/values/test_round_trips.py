"""Every type of LANGUAGE.md crosses the seam, alone and where it was not expected."""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum, auto
from fractions import Fraction
from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from waymark.values import OrderedSet, TypeRegistry, plan_for


class Colour(Enum):
    RED = 1
    SCARLET = 1  # noqa: PIE796 - an alias
    GREEN = (2, "two")


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Right(Flag):
    READ = auto()
    WRITE = auto()


class Point(NamedTuple):
    x: int
    y: datetime | None = None


@dataclass
class Plain:
    name: str
    when: date
    tags: set[str] = field(default_factory=set)
    other: Plain | None = None


@dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    b: tuple[int, ...] = ()


@dataclass(frozen=True)
class Box:
    item: Any

    @cached_property
    def twice(self) -> list[Any]:
        return [self.item, self.item]


T = TypeVar("T")


@dataclass
class Generically(Generic[T]):
    item: T


class Movie(TypedDict):
    title: str
    released: NotRequired[date]


class Ordinary:
    """A plain class, encodable once an annotation names it."""

    limit: int

    def __init__(self, limit: int) -> None:
        raise AssertionError("never called by decoding")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ordinary) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


class Tags(list[str]):
    def __init__(self, *items: str) -> None:
        super().__init__(items)
        self.note = "kept"


class Settings(dict[str, int]):
    pass


class Slug(str):
    __slots__ = ("origin",)


class Weight(float):
    pass


class Count(int):
    pass


class Pair(tuple[int, int]):
    __slots__ = ()


class Moment(datetime):
    pass


class Basket(Counter[str]):
    pass


Tagged = TypedDict("Tagged", {"$t": str, "v": int})


UserId = NewType("UserId", str)

PARIS = ZoneInfo("Europe/Paris")

VALUES: list[tuple[object, Any]] = [
    (int, 5),
    (int, 2**63),
    (int, -(2**64)),
    (int, 10**5000),
    (bool, True),
    (type(None), None),
    (float, 1.5),
    (float, 1e300),
    (float, -0.0),
    (float, math.inf),
    (float, -math.inf),
    (str, "a\0b"),
    (str, "lone \ud800 and \\d800 and \udfff"),
    (str, "\ud83d\ude00 two halves"),
    (bytes, b"\0\xff"),
    (bytearray, bytearray(b"ab")),
    (complex, complex(1, -2)),
    (complex, complex(-0.0, math.inf)),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("Infinity")),
    (Fraction, Fraction(1, 3)),
    (UUID, UUID(int=7)),
    (Path, Path("/tmp/ä")),
    (Path, Path("/tmp/\udcff")),
    (Path, Path("escaped:x")),
    (PurePosixPath, PurePosixPath("a/b")),
    (PureWindowsPath, PureWindowsPath("c:\\a")),
    (datetime, datetime(2026, 1, 2, 3, 4, 5, 6)),
    (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
    (datetime, datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, seconds=1)))),
    (datetime, datetime(2026, 1, 2, tzinfo=timezone(timedelta(0), "Z"))),
    (datetime, datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1)),
    (datetime, datetime(2026, 10, 25, 2, 30, fold=1)),
    (time, time(1, 2)),
    (time, time(1, 2, fold=1)),
    (time, time(1, 2, tzinfo=PARIS, fold=1)),
    (date, date(2026, 1, 2)),
    (timedelta, timedelta(days=-1, microseconds=3)),
    (timezone, timezone(timedelta(hours=1), "here")),
    (ZoneInfo, PARIS),
    (range, range(1, 2**70, 3)),
    (re.Pattern[str], re.compile(r"a+", re.IGNORECASE)),
    (re.Pattern[bytes], re.compile(rb"a+\xff")),
    (type(ip_address("::1")), ip_address("::1")),
    (type(ip_network("10.0.0.0/8")), ip_network("10.0.0.0/8")),
    (list[int], [1, 2]),
    (list[float], [1.5, math.inf]),
    (list[float], [0.5, 1.5]),
    (list[Plain], [Plain("a", date(2026, 1, 1), {"x"}, Plain("b", date(2026, 1, 2)))]),
    (tuple[int, date], (1, date(2026, 1, 1))),
    (tuple[date, ...], (date(2026, 1, 1),)),
    (tuple, (1, ("a", ()))),
    (set[int], {3, 1, 2}),
    (set[date], {date(2026, 1, 2), date(2026, 1, 1)}),
    (frozenset[str], frozenset({"a"})),
    (set[frozenset[tuple[int, str]]], {frozenset({(1, "a"), (2, "b")}), frozenset()}),
    (dict[str, int], {"a": 1}),
    (dict[int, date], {1: date(2026, 1, 1), -1: date(2026, 1, 2)}),
    (dict[UUID, str], {UUID(int=1): "a"}),
    (dict[Any, Any], {"$t": "int", "v": "1"}),
    (dict[Any, Any], {(1, 2): 1, None: 2, 1.5: 3, Colour.RED: 4, "a": {}, "\ud800": 5}),
    (deque[int], deque([1, 2], maxlen=2)),
    (defaultdict[str, list[int]], defaultdict(list, {"a": [1]})),
    (defaultdict[str, Any], defaultdict(None, {"a": 1})),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (Counter[str], Counter("abca")),
    (Colour, Colour.SCARLET),
    (Colour, Colour.GREEN),
    (Level, Level.LOW),
    (Word, Word.YES),
    (Right, Right.READ | Right.WRITE),
    (Right, Right(0)),
    (Point, Point(1, datetime(2026, 1, 1))),
    (Plain, Plain("a", date(2026, 1, 1), {"x"})),
    (Slotted, Slotted(1, (2, 3))),
    (Box, Box({"a": [1]})),
    (Generically[int], Generically(5)),
    (Generically[int], Generically[int](5)),
    (Movie, {"title": "M", "released": date(1931, 5, 11)}),
    (Movie, {"title": "M"}),
    (Movie, {"title": "M", "unknown": {1, 2}}),
    (Tagged, {"$t": "int", "v": 1}),
    (Tags, Tags("a", "b")),
    (Settings, Settings(a=1)),
    (Slug, Slug("a-b")),
    (Weight, Weight(1.5)),
    (Count, Count(5)),
    (Pair, Pair((1, 2))),
    (Moment, Moment(2026, 1, 1, tzinfo=PARIS)),
    (Basket, Basket("aab")),
    (UserId, UserId("u1")),
    (Literal["a", 1], "a"),
    (int | str | None, "a"),
    (datetime | str, "2026-01-01"),
    (datetime | str, datetime(2026, 1, 1)),
    (date | Plain | list[date] | None, [date(2026, 1, 1)]),
    (type[Plain], Plain),
    (type[Any], int),
    (Any, ...),
]


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same classes all the way down where `==` ignores them."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return repr(left) == repr(right)
    if isinstance(left, (list, tuple, deque)) and not isinstance(left, Pair):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(map(same, left.values(), right.values()))
    if isinstance(left, (datetime, time)):
        return (left, left.tzinfo, left.fold) == (right, right.tzinfo, right.fold)
    return bool(left == right)


@pytest.mark.parametrize(
    ("annotation", "value"), VALUES, ids=lambda v: getattr(v, "__name__", type(v).__name__)
)
def test_a_value_comes_back_as_what_it_was(annotation: object, value: Any) -> None:
    """Under its own annotation, where anything may stand, and under a foreign one."""
    types = TypeRegistry()
    types.add(annotation)
    types.add(Colour)
    for hint in (
        annotation,
        Any,
        list[Plain],
        Colour,
        datetime | None,
        dict[str, date],
        str,
        Movie,
    ):
        plan = plan_for(hint, types)
        back = plan.loads(plan.dumps(value))
        assert same(back, value), hint
        for holder in ([value], {"a": value}, (value, value)):
            plan = plan_for(Any, types)
            assert same(plan.loads(plan.dumps(holder)), holder)


@pytest.mark.parametrize(
    ("annotation", "value"), VALUES, ids=lambda v: getattr(v, "__name__", type(v).__name__)
)
def test_the_bytes_are_json_text_and_the_same_each_time(annotation: object, value: Any) -> None:
    """Digests compare recorded forms, so a round trip must not change them."""
    types = TypeRegistry()
    types.add(Colour)
    plan = plan_for(annotation, types)
    data = plan.dumps(value)
    assert data.decode()
    assert plan.dumps(plan.loads(data)) == data
    assert plan.dumps(plan.loads(data, run=True)) == data


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (
            Plain,
            Plain("a", date(2026, 1, 1)),
            '{"name":"a","when":"2026-01-01","tags":[],"other":null}',
        ),
        (list[date | None], [date(2026, 1, 1), None], '["2026-01-01",null]'),
        (
            dict[UUID, set[int]],
            {UUID(int=1): {2, 1}},
            '[["00000000-0000-0000-0000-000000000001",[1,2]]]',
        ),
        (Colour, Colour.SCARLET, '"RED"'),
        (Right, Right.READ | Right.WRITE, '"READ|WRITE"'),
        (Any, {"a": [1, 2.5, None, "x"]}, '{"a":[1,2.5,null,"x"]}'),
        (Any, (1, 2), '{"$t":"tuple","v":[1,2]}'),
        (Point, Point(1), "[1,null]"),
        (datetime, datetime(2026, 1, 1, tzinfo=PARIS), '["2026-01-01T00:00:00",0,"Europe/Paris"]'),
    ],
)
def test_an_expected_class_is_stored_without_a_tag(
    annotation: object, value: object, text: str
) -> None:
    """What stands in the database is compact and readable."""
    assert plan_for(annotation, TypeRegistry()).dumps(value).decode() == text


def test_a_set_without_an_order_is_written_in_one_order() -> None:
    """Digests of records repeat under another hash seed and another history."""
    plan = plan_for(Any, TypeRegistry())
    # These two collide, so that a set iterates over them in order of arrival.
    first, second = {0, 8}, {8, 0}
    assert list(first) != list(second)
    assert plan.dumps(first) == plan.dumps(second) == b'{"$t":"set","v":[0,8]}'
    assert plan.dumps(set("hgfedcba")).endswith(b'["a","b","c","d","e","f","g","h"]}')
    nested = frozenset({frozenset({(2, "b"), (1, "a")}), frozenset()})
    data = plan.dumps(nested)
    assert data.index(b'"v":[]') < data.index(b'[1,"a"]') < data.index(b'[2,"b"]')


def test_a_default_factory_gives_ordered_sets_in_a_run() -> None:
    """A missing key makes a set of the run."""
    plan = plan_for(Any, TypeRegistry())
    data = plan.dumps(defaultdict(set))
    assert type(plan.loads(data)[1]) is set
    assert type(plan.loads(data, run=True)[1]) is OrderedSet
    assert plan.dumps(plan.loads(data, run=True)) == data


def test_nan_stays_nan() -> None:
    """JSON has none, and C encoders write null without a word."""
    for annotation, value in ((float, math.nan), (Any, [math.nan]), (list[float], [1.0, math.nan])):
        plan = plan_for(annotation, TypeRegistry())
        back = plan.loads(plan.dumps(value))
        assert "nan" in repr(back)


def test_a_pattern_of_a_subclass_attribute_survives() -> None:
    """Attributes of subclasses of built-ins are part of the value."""
    types = TypeRegistry()
    plan = plan_for(Tags, types)
    tags = Tags("a")
    tags.note = "mine"
    assert plan.loads(plan.dumps(tags)).note == "mine"
    slug = Slug("a")
    slug.origin = ["x"]
    plan = plan_for(Slug, types)
    assert plan.loads(plan.dumps(slug)).origin == ["x"]


def test_an_object_is_rebuilt_without_running_its_code() -> None:
    """No `__init__`, no `__post_init__`, no `__setattr__`."""
    value = object.__new__(Ordinary)
    value.limit = 5
    plan = plan_for(Ordinary, TypeRegistry())
    assert plan.loads(plan.dumps(value)) == value


def test_a_cache_is_not_state() -> None:
    """A cached property is computed again, not stored."""
    plan = plan_for(Box, TypeRegistry())
    box = Box(1)
    before = plan.dumps(box)
    assert box.twice == [1, 1]
    assert plan.dumps(box) == before


def test_a_subclass_under_a_hint_comes_back_as_itself() -> None:
    """The hint says what to expect, not what may come."""

    @dataclass
    class Special(Plain):
        extra: int = 0

    types = TypeRegistry()
    plan = plan_for(list[Plain], types)
    value = [Special("a", date(2026, 1, 1), extra=3), Plain("b", date(2026, 1, 1))]
    assert plan.loads(plan.dumps(value)) == value
    assert type(plan.loads(plan.dumps(value))[0]) is Special


def test_alternatives_of_one_shape_are_told_apart() -> None:
    """Two classes that look alike in JSON are never mistaken for each other."""

    @dataclass
    class Cat:
        name: str

    @dataclass
    class Dog:
        name: str

    types = TypeRegistry()
    for hint in (Cat | Dog, Dog | Cat, list[Cat] | list[Dog] | Dog | Cat):
        for value in (Cat("a"), Dog("a"), {"name": "a"}, [Cat("a")], [Dog("a"), {"name": "a"}]):
            data = plan_for(hint, types).dumps(value)
            for other in (Cat | Dog, Dog | Cat):
                if not isinstance(value, list):
                    assert plan_for(other, types).loads(data) == value
            assert plan_for(hint, types).loads(data) == value


def test_deeper_than_the_c_encoder_goes() -> None:
    """The C encoder stops at 254 levels; values do not."""
    value: list[Any] = []
    for _ in range(280):
        value = [value]
    plan = plan_for(Any, TypeRegistry())
    assert plan.loads(plan.dumps(value)) == value
