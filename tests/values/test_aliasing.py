"""What is one object in the run is one object after a crash."""

from __future__ import annotations

from collections import defaultdict, deque
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pytest

from waymark.errors import ValueEncodeError
from waymark.values import TypeRegistry, plan_for


@dataclass
class Node:
    name: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Peer:
    name: str
    friends: set[Peer] = field(default_factory=set)


def through(value: Any, annotation: object = Any, **keywords: Any) -> Any:
    types = TypeRegistry()
    types.add(Node | Peer)
    plan = plan_for(annotation, types)
    data = plan.dumps(value)
    back = plan.loads(data, **keywords)
    assert plan.dumps(back) == data
    return back


@pytest.mark.parametrize("annotation", [Any, list[Any], list[list[int]], list[dict[str, Any]]])
@pytest.mark.parametrize(
    "shared", [[1], {"a": 1}, {1: 2}, {1}, bytearray(b"a"), deque([1]), defaultdict(list), ([],)]
)
def test_one_object_twice_comes_back_as_one(annotation: object, shared: Any) -> None:
    """`[a, a]` holds one `a`, whatever stands in the annotation."""
    first, second, other = through([shared, shared, copy(shared)], annotation)
    assert first is second
    assert first is not other or type(shared) is tuple


def test_equal_objects_stay_two() -> None:
    """Only identity makes one object."""
    first, second = through([[1], [1]])
    assert first is not second


def test_a_shared_object_deep_inside_models_and_dicts() -> None:
    """Sharing is seen across all levels and kinds of holders."""
    tags = ["x"]
    node = Node("a")
    value = {"one": (tags, {"deep": tags}), "two": [node, {"node": node}]}
    back = through(value, dict[str, Any])
    assert back["one"][0] is back["one"][1]["deep"]
    assert back["two"][0] is back["two"][1]["node"]
    back["one"][0].append("y")
    assert back["one"][1]["deep"] == ["x", "y"]


def test_circles_of_lists_dicts_and_objects() -> None:
    """A value may hold itself."""
    loop: list[Any] = []
    loop.append(loop)
    back = through(loop)
    assert back[0] is back
    table: dict[Any, Any] = {}
    table["me"] = (table, {1: table})
    back = through(table)
    assert back["me"][0] is back is back["me"][1][1]
    parent = Node("p")
    parent.children = [Node("c", parent)]
    back = through([parent], list[Node])[0]
    assert back.children[0].parent is back


def test_objects_in_sets_that_know_each_other() -> None:
    """Sets are written in an order of their contents, even in a circle."""
    a, b, c = Peer("a"), Peer("b"), Peer("c")
    a.friends, b.friends, c.friends = {b, c}, {a, c}, {a, b}
    back = through([a, b, c], list[Peer])
    assert back[0].friends == {back[1], back[2]}
    assert back[2].friends == {back[0], back[1]}


def test_a_tuple_that_holds_itself_is_refused() -> None:
    """It cannot be rebuilt: a tuple exists only once its items do."""
    inner: list[Any] = []
    value = (inner,)
    inner.append(value)
    with pytest.raises(ValueEncodeError, match="tuple that holds itself"):
        through(value)
    back = through(inner)
    assert back[0][0] is back


def test_empty_tuples_and_scalars_are_not_references() -> None:
    """Python shares them by itself; the record stays readable."""
    plan = plan_for(Any, TypeRegistry())
    pair = (1, "a")
    assert b"ref" not in plan.dumps([(), (), pair, pair, "long text" * 9, "long text" * 9])


def test_a_reference_to_an_object_of_the_run() -> None:
    """What a taped call returns may hold objects that the run had before."""
    plan = plan_for(Any, TypeRegistry())
    kept, other = [1], {"a": 1}
    data = plan.dumps({"built": [kept, other, [1]], "again": kept}, references=[other, kept])
    now_other, now_kept = {"a": 1}, [1]
    back = plan.loads(data, references=[now_other, now_kept])
    assert back["built"][0] is now_kept is back["again"]
    assert back["built"][1] is now_other
    assert back["built"][2] is not now_kept
    assert plan.loads(plan.dumps(kept, references=[kept]), references=[now_kept]) is now_kept


def test_shared_text_that_needs_care_and_shared_lists_together() -> None:
    """The careful pass and the pass for references do not disturb each other."""
    row = ["\ud800", 2**70]
    back = through([row, row, {"\udfff": row}])
    assert back == [row, row, {"\udfff": row}]
    assert back[0] is back[1] is back[2]["\udfff"]


def test_a_diamond_of_tuples_does_not_explode() -> None:
    """Forty levels of pairs of one object are forty definitions, not 2**40."""
    value: Any = ([],)
    for _ in range(40):
        value = (value, value)
    back = through(value)
    for _ in range(40):
        assert back[0] is back[1]
        back = back[0]


def test_references_inside_a_plain_set_follow_their_definition() -> None:
    """The order of a set's members never puts a reference before what it means."""
    shared = Peer("shared")
    members = {(name, shared) for name in "dbca"}
    back = through(members)
    assert {name for name, _ in back} == set("abcd")
    assert len({id(peer) for _, peer in back}) == 1
