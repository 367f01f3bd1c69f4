"""Records outlive the code that wrote them: fields and alternatives come and go."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest

from waymark.errors import ValueDecodeError
from waymark.values import TypeRegistry, plan_for
from waymark.values.instances import has_instances


@dataclass
class Plain:
    name: str
    when: date
    tags: set[str] = field(default_factory=set)
    other: Plain | None = None


def test_a_record_from_before_an_alternative_was_added() -> None:
    """It is read as the alternative that stood there then."""

    @dataclass
    class Cat:
        name: str

    @dataclass
    class Dog:
        name: str

    types = TypeRegistry()
    data = plan_for(Cat | None, types).dumps(Cat("a"))
    assert data == b'{"name":"a"}'
    assert plan_for(Cat | Dog | None, types).loads(data) == Cat("a")


def test_a_record_from_before_a_field_was_added_gets_the_default() -> None:
    """A field with a plain default may be added while runs are in flight."""
    plan = plan_for(Plain, TypeRegistry())
    back = plan.loads(b'{"name":"a","when":"2026-01-01"}')
    assert back == Plain("a", date(2026, 1, 1))
    assert back.tags == set()


def test_a_record_from_before_a_field_was_removed_still_reads() -> None:
    """The new class has no place for it, so nothing can miss it."""
    plan = plan_for(Plain, TypeRegistry())
    back = plan.loads(b'{"name":"a","when":"2026-01-01","gone":{"$t":"nobody:Knows","v":1}}')
    assert vars(back).keys() == {"name", "when", "tags", "other"}


def test_an_attribute_never_set_stays_unset() -> None:
    """Not the default, not None: absent, as it was."""

    @dataclass
    class Late:
        a: int = 1
        b: list[int] = field(init=False, default_factory=list)

    value = object.__new__(Late)
    plan = plan_for(Late, TypeRegistry())
    back = plan.loads(plan.dumps(value))
    assert vars(back) == {}


def test_attrs_classes_by_their_stored_fields() -> None:
    """Slots, converters, validators, factories: none of them runs again."""
    attrs = pytest.importorskip("attrs")

    calls: list[int] = []

    @attrs.define
    class Part:
        size: int = attrs.field(converter=lambda value: calls.append(1) or value * 2)
        when: date | None = None
        tags: list[str] = attrs.field(factory=list)

    part = Part(2, date(2026, 1, 1))
    plan = plan_for(Part, TypeRegistry())
    data = plan.dumps([part, part])
    calls.clear()
    back = plan.loads(data)
    assert back == [part, part]
    assert back[0] is back[1]
    assert calls == []
    assert plan.dumps(part) == b'{"size":4,"when":"2026-01-01","tags":[]}'
    assert plan.loads(b'{"size":4,"tags":[]}').when is None
    for missing in (b'{"tags":[]}', b'{"size":4}'):
        with pytest.raises(ValueDecodeError, match="no plain default"):
            plan.loads(missing)


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "held"),
    [
        ({"a": [1, 2.5, (None, {b"x"})], 3: frozenset("ab")}, False),
        ([datetime(2026, 1, 1), Decimal(1), UUID(int=1), OrderedDict(a=deque([1]))], False),
        (Plain("a", date(2026, 1, 1)), True),
        ({"a": [(Colour.RED,)]}, True),
        ({Colour.RED: 1}, True),
        (deque([Colour.RED]), True),
    ],
    ids=["plain", "Python's", "instance", "member", "key", "deque"],
)
def test_what_depends_on_how_a_class_is_written_today(value: object, held: bool) -> None:
    """Plain data and what Python brings do not; an instance does, however deep."""
    assert has_instances(value) is held


def test_a_value_that_holds_itself_is_seen_through() -> None:
    """Looking for instances ends."""
    ring: list[object] = [1]
    ring.append(ring)
    assert not has_instances(ring)
