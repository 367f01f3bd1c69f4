"""The parts of a value that references can name, in an order that repeats."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from waymark.values import OrderedSet, TypeRegistry, freeze, mutable_parts, plan_for


class Model(BaseModel):
    name: str
    items: list[Any] = []


@dataclass
class Thing:
    model: Model
    table: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def cache(self) -> list[int]:
        return [1]


def test_all_mutable_parts_each_once_in_order_of_contents() -> None:
    """The whole before its parts, the first before the second."""
    shared = [1]
    model = Model(name="a", items=[shared])
    thing = Thing(model, {"k": shared})
    value = (thing, {"set": OrderedSet(["x"]), "deque": deque([shared])})
    parts = mutable_parts(value)
    assert [type(part) for part in parts] == [
        Thing,
        Model,
        list,
        list,
        dict,
        dict,
        OrderedSet,
        deque,
    ]
    assert sum(part is shared for part in parts) == 1


def test_scalars_and_immutable_values_have_none() -> None:
    """What they cache inside is not a part."""
    path = Path("/a/b")
    assert path.parts
    value = (1, "a", None, 1.5, b"", path, UUID(int=1), Decimal(1), datetime.now(), frozenset({1}))
    assert mutable_parts(value) == []


def test_the_same_parts_after_a_round_trip() -> None:
    """A reference recorded as number 3 means the same part in another process."""
    shared = [1]
    value = [Thing(Model(name="a", items=[shared]), {"k": shared}), {1: {"a"}}, [shared, (shared,)]]
    types = TypeRegistry()
    types.add(Thing)
    plan = plan_for(Any, types)
    assert value[0].cache  # type: ignore[attr-defined]
    back = plan.loads(plan.dumps(value), run=True)
    parts, again = mutable_parts(value), mutable_parts(back)
    assert len(parts) == len(again)
    assert [plan.dumps(part) for part in parts] == [plan.dumps(part) for part in again]


def test_circles_and_long_chains_end() -> None:
    """Without recursion."""
    loop: list[Any] = []
    loop.append({"loop": loop})
    assert [type(part) for part in mutable_parts(loop)] == [list, dict]
    chain: list[Any] = []
    for _ in range(5000):
        chain = [chain]
    assert len(mutable_parts(chain)) == 5001


def test_frozen_constants_keep_their_identity() -> None:
    """A model built over a constant still holds the frozen one after a crash."""
    constant = freeze({"a": [1]}, "LIMITS")
    plan = plan_for(Any, TypeRegistry())
    parts = mutable_parts(constant)
    back = plan.loads(plan.dumps([constant["a"]], references=parts), references=parts)
    assert back[0] is constant["a"]
