"""What cannot be stored is refused with the path to it, its type and a way out."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import pytest
from pydantic import BaseModel, ConfigDict

from waymark.engine.awaitables import SleepCall
from waymark.errors import ValueDecodeError, ValueEncodeError
from waymark.values import TypeRegistry, plan_for


class Session:
    """A live object, as an ORM has them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class User(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: str
    session: Any = None


@dataclass
class Order:
    lines: list[Any]


class Pair(NamedTuple):
    left: Any
    right: Any


class Row(TypedDict):
    cell: Any


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (list[User], [User(name="a"), User(name="b", session=Session())], "result[1].session"),
        (
            dict[str, list[User]],
            {"users": [User(name="a", session=Session())]},
            "result['users'][0].session",
        ),
        (Order, Order([1, (2, Session())]), "result.lines[1][1]"),
        (Pair, Pair(1, Session()), "result.right"),
        (Row, {"cell": Session()}, "result['cell']"),
        (Any, {(1, 2): Session()}, "result[(1, 2)]"),
        (Any, {Session(): 1}, "result (a key of the dict)"),
        (Any, {1, Session()}, "result (a member of the set)"),
        (Any, defaultdict(list, {1: [Session()]}), "result[1][0]"),
        (Session, Session(), "result.lock"),
    ],
)
def test_the_path_leads_to_the_value(annotation: object, value: Any, path: str) -> None:
    """In the words of Python: attributes, indices, keys."""
    types = TypeRegistry()
    types.add(User | Order)
    with pytest.raises(ValueEncodeError) as caught:
        plan_for(annotation, types).dumps(value, path="result")
    assert caught.value.path == path
    assert str(caught.value).startswith(path + ": ")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Session(), r"test_refusals\.Session cannot be stored.*annotat"),
        (lambda: (x for x in ()), r"generator cannot be stored; pass list"),
        (lambda: {}.keys(), r"dict_keys cannot be stored; pass list"),
        (lambda: map(str, []), r"map cannot be stored; pass list"),
        (lambda: threading.Lock(), r"lock cannot be stored; pass plain data"),
        (lambda: memoryview(b""), r"memoryview cannot be stored"),
        (lambda: defaultdict(lambda: 1), r"factory .*lambda.*pass dict"),
        (lambda: Session, r"the class .*Session is not reachable"),
        (lambda: len, r"the function builtins:len is not reachable"),
        (lambda: open, r"the function .*open is not reachable"),
        (lambda: lambda: 1, r"function that is made inside a function .*pass plain data"),
        (lambda: SleepCall(1, None), r"a call that was not awaited.*write `await` before it"),
    ],
)
def test_the_message_names_the_type_and_what_to_do(make: Callable[[], Any], words: str) -> None:
    """No bare `TypeError: not serializable`."""
    with pytest.raises(ValueEncodeError, match=words) as caught:
        plan_for(Any, TypeRegistry()).dumps(make())
    assert isinstance(caught.value, TypeError)


def test_too_deep_is_refused_not_a_recursion_error() -> None:
    """With advice."""
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(ValueEncodeError, match=r"nested too deeply.*flatten"):
        plan_for(Any, TypeRegistry()).dumps(value)


def test_a_class_with_its_own_pickling_is_refused() -> None:
    """Its attributes are not its state, so storing them would lose something."""

    class Odd:
        def __getstate__(self) -> object:
            return {}

    class Foreign(threading.local):
        pass

    for cls, words in ((Odd, "__getstate__"), (Foreign, "outside its attributes")):
        with pytest.raises(ValueEncodeError, match=words):
            plan_for(cls, TypeRegistry()).dumps(cls())


def test_an_attribute_that_hides_a_method_is_refused() -> None:
    """Rows must not decide what is called; better to say so when writing."""

    class Job:
        def start(self) -> None: ...

    job = Job()
    job.start = 1  # type: ignore[assignment,method-assign]
    with pytest.raises(ValueEncodeError, match=r"hides the method .*Job\.start"):
        plan_for(Job, TypeRegistry()).dumps(job)


@pytest.mark.parametrize(
    ("annotation", "text", "path"),
    [
        (list[User], '[{"name":"a"},{"session":1}]', "value[1]"),
        (Order, '{"lines":[1,{"$t":"nobody:Knows","v":1}]}', "value.lines[1]"),
        (dict[str, Order], '{"a":{"lines":{"$t":"Decimal","v":"x"}}}', "value['a'].lines"),
        (Any, '{"a":[{"$t":"Decimal","v":"x"}]}', "value['a'][0]"),
    ],
)
def test_a_damaged_record_is_named_by_its_path(annotation: object, text: str, path: str) -> None:
    """So that a person finds the part of the row."""
    types = TypeRegistry()
    types.add(User)
    with pytest.raises(ValueDecodeError) as caught:
        plan_for(annotation, types).loads(text.encode())
    assert caught.value.path == path
    assert isinstance(caught.value, ValueError)
