"""Bytes from a row can be anything. They give data or an error, never an import
and never a call."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from waymark.errors import ValueDecodeError
from waymark.values import Arguments, TypeRegistry, dump_exception, load_exception, plan_for

RAN: list[str] = []


class Model(BaseModel):
    number: int = 1
    when: datetime | None = None
    nested: list[Model] = []

    @field_validator("number")
    @classmethod
    def check(cls, number: int) -> int:
        RAN.append("validator")
        return number

    def save(self) -> None:
        RAN.append("method")


@dataclass
class Thing:
    name: str
    items: list[Any] = field(default_factory=list)

    def __init__(self, name: str) -> None:
        RAN.append("init")
        self.name = name

    def __setattr__(self, name: str, value: object) -> None:
        RAN.append("setattr")
        object.__setattr__(self, name, value)

    def __setstate__(self, state: object) -> None:
        RAN.append("setstate")

    def __reduce__(self) -> Any:
        RAN.append("reduce")
        raise AssertionError


class Problem(Exception):
    def __init__(self, code: int) -> None:
        RAN.append("error init")
        super().__init__(code)

    def __init_subclass__(cls) -> None:
        RAN.append("subclass")


TYPES = TypeRegistry()
HINTS: list[object] = [
    Any,
    Model,
    list[Thing],
    dict[str, Model | datetime],
    Problem,
    tuple[set[int], ...],
]
for _hint in HINTS:
    TYPES.add(_hint)


@pytest.fixture(autouse=True)
def _nothing_runs() -> Iterator[None]:
    RAN.clear()
    modules = set(sys.modules)
    yield
    assert RAN == []
    # The zone data that `tzdata` ships and the parts of hypothesis load by themselves.
    imported = {name.partition(".")[0] for name in set(sys.modules) - modules}
    assert imported <= {"tzdata", "hypothesis"}


def seeds() -> list[bytes]:
    """Records of all kinds, to be edited."""
    model = Model.model_construct(number=2, when=datetime(2026, 1, 1), nested=[])
    shared = [1, {2, 3}]
    thing = object.__new__(Thing)
    thing.__dict__.update(name="x", items=[1])
    error = Problem.__new__(Problem, 5)
    error.__cause__ = ExceptionGroup("g", [OSError(2, "no", "file"), KeyError("k")])
    plan = plan_for(Any, TYPES)
    values = [
        model,
        thing,
        [shared, shared],
        {(1, 2): b"x"},
        error,
        {"$t": 1},
        datetime.now,
        range(3),
    ]
    return [plan.dumps(value) for value in values if not callable(value)] + [
        plan_for(Model, TYPES).dumps(model),
        dump_exception(error),
    ]


SEEDS = seeds()
RAN.clear()

TAGS = [
    "def",
    "ref",
    "outer",
    "list",
    "dict",
    "tuple",
    "set",
    "frozenset",
    "int",
    "float",
    "str",
    "text",
    "datetime",
    "Decimal",
    "Pattern",
    "range",
    "class",
    "function",
    "error",
    "lost",
    "deque",
    "Counter",
    "OrderedDict",
    "defaultdict",
    "complex",
    "Path",
    "ZoneInfo",
    "timezone",
    "Fraction",
    "pydantic:SecretStr",
    "pydantic_core:Url",
    "builtins:eval",
    "builtins:type",
    "os:system",
    "subprocess:Popen",
    "antigravity:fly",
    "this:s",
    "builtins:list",
    "datetime:datetime",
    f"{__name__}:Thing",
    f"{__name__}:Model",
    f"{__name__}:Problem",
    f"{__name__}:RAN",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from(TAGS),
    st.text(max_size=5),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["v", "n", "args", "class", "mro", "x"]), inner, max_size=4
        ),
        st.fixed_dictionaries({"$t": st.sampled_from(TAGS), "v": inner, "n": inner}),
        st.fixed_dictionaries({"$t": st.sampled_from(TAGS), "v": inner}),
        st.fixed_dictionaries(
            {
                "$t": st.just("error"),
                "v": st.fixed_dictionaries(
                    {
                        "class": st.sampled_from(TAGS),
                        "mro": st.lists(st.sampled_from(TAGS), max_size=3),
                        "args": st.lists(inner, max_size=2),
                        "attributes": st.lists(st.tuples(st.sampled_from(TAGS), inner), max_size=2),
                        "cause": inner,
                    }
                ),
            }
        ),
    ),
    max_leaves=12,
)


def read(data: bytes) -> None:
    """Every way of reading gives data or the one error."""
    for hint in HINTS:
        plan = plan_for(hint, TYPES)
        for run in (False, True):
            with suppress(ValueDecodeError):
                plan.loads(data, [[1]], run=run)
    with_arguments = Arguments.for_signature(
        inspect.signature(read), {"data": Model}, TYPES, "read"
    )
    for load in (with_arguments.unpack, lambda data: load_exception(data, TYPES)):
        with suppress(ValueDecodeError):
            load(data)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees)
def test_invented_rows(tree: Any) -> None:
    """Any JSON text, with our own tags in every place."""
    read(json.dumps(tree).encode())


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(SEEDS), st.data())
def test_edited_rows(seed: bytes, data: st.DataObject) -> None:
    """Real records with one part replaced, dropped or doubled."""
    tree = json.loads(seed)
    paths = list(_paths(tree))
    path = data.draw(st.sampled_from(paths))
    edited = _replace(tree, path, data.draw(trees))
    read(json.dumps(edited).encode())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(SEEDS), st.integers(0, 400), st.binary(max_size=4))
def test_damaged_bytes(seed: bytes, at: int, noise: bytes) -> None:
    """Records with bytes overwritten or cut off."""
    read(seed[:at] + noise + seed[at + len(noise) :])
    read(seed[:at])


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, item in items:
        yield from _paths(item, (*path, key))


def _replace(tree: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(tree) if isinstance(tree, dict) else list(tree)
    copied[path[0]] = _replace(copied[path[0]], path[1:], new)
    return copied


@pytest.mark.parametrize(
    "text",
    [
        '{"$t":"os:system","v":{"x":1}}',
        '{"$t":"class","v":"os:system"}',
        '{"$t":"class","v":"builtins:type"}',
        '{"$t":"class","v":"subprocess:Popen"}',
        '{"$t":"function","v":"os:system"}',
        '{"$t":"function","v":"builtins:eval"}',
        '{"$t":"antigravity:x","v":{}}',
        '{"$t":"ZoneInfo","v":"../../etc/passwd"}',
        '{"$t":"ZoneInfo","v":"os.path/x"}',
        '{"$t":"ref","n":1}',
        '{"$t":"outer","n":-1}',
        '{"$t":"def","n":[],"v":1}',
        '{"$t":[],"v":1}',
        '{"$t":"defaultdict","v":["eval"]}',
        '{"$t":"int","v":5}',
        '{"$t":"set","v":[[]]}',
        '{"$t":"frozenset","v":[{"$t":"set","v":[]}]}',
        '{"$t":"Counter","v":[[[],1]]}',
        '{"$t":"Pattern","v":["(",0]}',
        '{"$t":"Pattern","v":["a",128]}',
        '{"$t":"range","v":["0","1","0"]}',
        "[" * 2000 + "]" * 2000,
    ],
)
def test_a_row_that_asks_for_code_is_refused(text: str) -> None:
    """Each of these once opened a way out of some other library."""
    with pytest.raises(ValueDecodeError):
        plan_for(Any, TYPES).loads(text.encode())


@pytest.mark.parametrize("name", ["../../etc/passwd", "os.path/x", "/etc/passwd", "", "a//b"])
def test_only_names_of_zones_reach_the_zone_data(name: str) -> None:
    """Its reader looks into files and packages by name."""
    row = json.dumps({"$t": "ZoneInfo", "v": name}).encode()
    with pytest.raises(ValueDecodeError, match="is no name of a zone"):
        plan_for(Any, TYPES).loads(row)


def test_a_row_cannot_put_data_in_a_methods_place() -> None:
    """Later code would call what the row says."""
    row = b'{"number":1,"$rest":{"save":{"$t":"class","v":"builtins:str"}}}'
    with pytest.raises(ValueDecodeError, match="method"):
        plan_for(Model, TYPES).loads(row)


def test_a_stand_in_runs_no_class_hook() -> None:
    """A class made for an unknown exception derives past users' hooks."""
    mro = [f"{__name__}:Problem", "builtins:Exception"]
    body = {"class": "app:Unknown", "mro": mro, "args": [1]}
    row = json.dumps({"$t": "error", "v": body}).encode()
    stand_in = type(load_exception(row, TYPES))
    assert stand_in.__name__ == "Unknown"
    assert stand_in.__mro__[1] is Exception
