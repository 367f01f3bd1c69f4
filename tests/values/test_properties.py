"""Whatever is put in comes out, however it is nested."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from waymark.values import TypeRegistry, plan_for

ANY_TEXT = st.text(st.characters(codec=None), max_size=6)

hashables = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(2**63 - 2, 2**64 + 2),
        st.floats(allow_nan=False),
        ANY_TEXT,
        st.sampled_from(["$t", "v", "n", "def", "$rest", '{"$t":1}']),
        st.binary(max_size=4),
        st.datetimes(timezones=st.none() | st.timezones()),
        st.timedeltas(),
        st.decimals(allow_nan=False),
        st.uuids(),
        st.complex_numbers(allow_nan=False),
        st.fractions(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)
    ),
    max_leaves=4,
)
values = st.recursive(
    hashables,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(hashables, inner, max_size=4),
        st.dictionaries(ANY_TEXT, inner, max_size=4),
        st.sets(hashables, max_size=3),
        inner.map(lambda item: [item, item]),
    ),
    max_leaves=12,
)

TYPES = TypeRegistry()
HINTS: list[Any] = [
    Any,
    list[Any],
    list[str],
    dict[str, timedelta],
    dict[int, list[float]],
    set[str] | None,
    tuple[int, ...],
    str | timedelta,
]

relaxed = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def same(left: Any, right: Any) -> bool:
    """Equal, of one class, and with sharing at the same places one level down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return all(map(same, left, right)) and all(map(same, left.values(), right.values()))
    return bool(left == right)


@relaxed
@given(values, st.sampled_from(HINTS))
def test_round_trip_under_any_hint(value: Any, hint: object) -> None:
    """A hint makes records shorter, never different."""
    plan = plan_for(hint, TYPES)
    data = plan.dumps(value)
    back = plan.loads(data)
    assert same(back, value)
    assert plan.dumps(back) == data
    assert plan.loads(data, run=True) == value


@relaxed
@given(values)
def test_sharing_survives_whatever_is_shared(value: Any) -> None:
    """Two occurrences of one mutable object stay one."""
    plan = plan_for(Any, TYPES)
    holder = [value, {"again": value}, (value, [value])]
    back = plan.loads(plan.dumps(holder))
    assert same(back[0], value)
    if isinstance(value, (list, dict, set)):
        assert back[0] is back[1]["again"] is back[2][0] is back[2][1][0]


@relaxed
@given(st.lists(hashables, max_size=6))
def test_a_set_is_written_in_one_order(items: list[Any]) -> None:
    """However it was built up, so that digests repeat under another hash seed."""
    plan = plan_for(Any, TYPES)
    forward = set(items)
    # A table that was larger once, filled from the other end.
    fillers = {f"filler {number}" for number in range(100)}
    backward: set[Any] = set(fillers)
    # Of equal members (`0`, `False`) both hold the one that came first.
    for item in reversed(list(forward)):
        backward.add(item)
    backward -= fillers
    assert plan.dumps(forward) == plan.dumps(backward)
