"""Arguments are bound as Python binds them, recorded by name, and read again."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from waymark.errors import ValueDecodeError, ValueEncodeError
from waymark.values import Arguments, OrderedSet, TypeRegistry


@dataclass
class User:
    name: str


def one(x: int) -> Any: ...
def two(x: int, y: str = "d") -> Any: ...
def when(day: date, *, to: str | None = None) -> Any: ...
def keyword(*, a: int, b: float = 1.0) -> Any: ...
def anything(a, /, b=2, *rest: list[int], c=3, **extra: User) -> Any: ...
def nothing() -> Any: ...


FUNCTIONS: list[Callable[..., Any]] = [one, two, when, keyword, anything, nothing]


def arguments_of(function: Callable[..., Any]) -> Arguments:
    hints = inspect.get_annotations(function, eval_str=True)
    signature = inspect.signature(function)
    return Arguments.for_signature(signature, hints, TypeRegistry(), function.__qualname__)


CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (one, (1,), {}),
    (one, (), {"x": 2**80}),
    (one, ("not an int \ud800",), {}),
    (two, (1, "a"), {}),
    (two, (1,), {"y": "b"}),
    (two, (), {"y": "b", "x": 2}),
    (two, ([1, {2}], None), {}),
    (when, (date(2026, 1, 1),), {"to": "x"}),
    (when, ("2026-01-01",), {}),
    (keyword, (), {"a": 1, "b": float("inf")}),
    (anything, (1,), {}),
    (anything, (1, 2, [3], [4]), {"c": 5, "z": User("u"), "a": User("a")}),
    (anything, (1,), {"b": 3, "$t": 1, "\udfff": 2}),
    (nothing, (), {}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_what_was_passed_arrives(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Calling with what comes back binds the same values to the same names."""
    packed = arguments_of(function)
    back_args, back_kwargs = packed.unpack(packed.pack(args, kwargs))
    signature = inspect.signature(function)
    assert signature.bind(*back_args, **back_kwargs) == signature.bind(*args, **kwargs)


MISFITS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1, 2, 3), {}),
    ((1,), {"x": 1}),
    ((1,), {"nonsense": 1}),
    ((), {"a": 1, "b": 2, "c": 3, "x": 1}),
    ((1, 2, 3, 4), {"z": 1}),
    ((), {"a": 1}),
]


def complaint_of(call: Callable[[], Any]) -> str | None:
    try:
        call()
    except TypeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("args", "kwargs"), MISFITS)
def test_a_call_that_does_not_fit_is_refused_in_pythons_words(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The message is the one a real call gives."""
    real, ours = (
        complaint_of(call)
        for call in (
            lambda: function(*args, **kwargs),
            lambda: arguments_of(function).pack(args, kwargs),
        )
    )
    assert ours == real


def test_the_record_is_named_and_has_no_defaults() -> None:
    """People read it; a default that changes later applies to recorded calls."""
    assert arguments_of(two).pack((5,), {}) == b'{"x":5}'
    assert arguments_of(when).pack((date(2026, 1, 1),), {}) == b'{"day":"2026-01-01"}'
    record = arguments_of(anything).pack((1, 2, [3]), {"z": User("u")})
    assert record == b'{"a":1,"b":2,"*rest":[[3]],"**extra":[["z",{"name":"u"}]]}'


def test_one_list_passed_twice_is_one_list() -> None:
    """Two parameters that held the same list hold the same list again."""
    shared = [1]
    packed = arguments_of(two)
    _, kwargs = packed.unpack(packed.pack((shared, shared), {}))
    assert kwargs["x"] is kwargs["y"]
    packed = arguments_of(anything)
    args, kwargs = packed.unpack(packed.pack((shared, 2, shared), {"k": shared}))
    assert args[0] is args[2] is kwargs["k"]


def test_a_value_that_cannot_be_stored_is_named_by_its_path() -> None:
    """The path leads through the parameter to the culprit."""
    with pytest.raises(ValueEncodeError) as caught:
        arguments_of(two).pack((1, {"a": [object()]}), {}, path="send_email")
    assert caught.value.path == "send_email.y['a'][0]"
    with pytest.raises(ValueEncodeError) as caught:
        arguments_of(anything).pack((1, 2, [object()]), {})
    assert caught.value.path == "arguments.rest[0][0]"
    with pytest.raises(ValueEncodeError) as caught:
        arguments_of(anything).pack((1,), {"user": object()})
    assert caught.value.path == "arguments.extra['user']"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "'x' were not recorded"),
        (b'{"x":1,"z":2}', "'z' are no longer its parameters"),
        (b'{"x":1,"*rest":[]}', "no longer"),
        (b"[]", "list in place of dict"),
        (b"nonsense", "not JSON"),
        (b"\xff", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_a_record_that_no_longer_binds_says_so(data: bytes, words: str) -> None:
    """A changed signature is told from a damaged record."""
    with pytest.raises(ValueDecodeError, match=words):
        arguments_of(two).unpack(data)


def test_a_parameter_added_with_a_default_still_binds() -> None:
    """Runs in flight go on when a function gains a defaulted parameter."""
    assert arguments_of(two).unpack(arguments_of(one).pack((1,), {})) == ((), {"x": 1})


def test_sets_of_a_run_keep_their_order() -> None:
    """`run` is for the workflow's own input."""
    packed = arguments_of(one)
    data = packed.pack((OrderedSet(["b", "a", "c"]),), {})
    _, kwargs = packed.unpack(data, run=True)
    assert list(kwargs["x"]) == ["b", "a", "c"]
    _, kwargs = packed.unpack(data)
    assert type(kwargs["x"]) is set
