"""An exception that crossed the seam is caught, read and shown as if it had not."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import traceback
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from waymark.errors import LostAttributeError, ValueDecodeError
from waymark.values import (
    TypeRegistry,
    dump_exception,
    load_exception,
    plan_for,
    recorded_traceback,
)


class AppError(Exception):
    """Root of an app's errors."""


class MailRefused(AppError, ConnectionError):
    def __init__(self, address: str, *, code: int) -> None:
        super().__init__(f"{address} refused with {code}")
        self.address = address
        self.code = code


class Slotted(Exception):
    __slots__ = ("detail",)


class Teams(ExceptionGroup[Exception]):
    """A group of the app's own."""


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def known(*classes: type) -> TypeRegistry:
    types = TypeRegistry()
    for cls in classes:
        types.add(cls)
    return types


def through(error: BaseException, types: TypeRegistry | None = None) -> Any:
    types = types or known()
    data = dump_exception(error, types=types)
    back = load_exception(data, types)
    assert dump_exception(back, types=types) == data
    return back


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1, None),
        KeyError(("a", 1)),
        Exception(),
        BaseException("b"),
        KeyboardInterrupt(),
        SystemExit(3),
        StopIteration(5),
        asyncio.CancelledError("why"),
        TimeoutError("late"),
        json.JSONDecodeError("bad", "doc", 1),
        OSError(2, "no such file", "name", None, "other"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "why"),
        SyntaxError("bad", ("file", 1, 2, "text", 1, 3)),
        ImportError("no", name="module", path="where"),
        ValueError("lone \ud800"),
        ZeroDivisionError(2**80),
        pickle.PicklingError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_built_in_exception_is_what_it_was(error: BaseException) -> None:
    """Class, arguments, text and the fields that C keeps."""
    back = through(raised(error))
    assert type(back) is type(error)
    assert back.args == error.args
    assert str(back) == str(error)
    for name in (
        "errno",
        "filename",
        "filename2",
        "start",
        "lineno",
        "name",
        "value",
        "code",
        "pos",
    ):
        assert getattr(back, name, None) == getattr(error, name, None)


def test_a_users_exception_is_rebuilt_without_its_init() -> None:
    """An `__init__` with its own signature is no obstacle, unlike for pickle."""
    error = MailRefused("a@b", code=550)
    error.add_note("tried twice")
    back = through(error)
    assert type(back) is MailRefused
    assert (back.address, back.code, str(back)) == ("a@b", 550, "a@b refused with 550")
    assert back.__notes__ == ["tried twice"]
    slotted = Slotted("x")
    slotted.detail = [1]
    assert through(slotted).detail == [1]


def test_causes_contexts_and_suppression() -> None:
    """The chain that a traceback prints."""

    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            try:
                raise AppError("middle") from error
            except AppError:
                raise ValueError("outer") from None

    with pytest.raises(ValueError, match="outer") as caught:
        fail()
    back = through(caught.value)
    assert back.__suppress_context__
    assert type(back.__context__) is AppError
    assert type(back.__context__.__cause__) is KeyError
    assert not back.__context__.__cause__.__suppress_context__
    assert back.__context__.__cause__ is back.__context__.__context__


def test_a_circle_of_contexts() -> None:
    """Python itself allows it."""
    one, two = ValueError("one"), KeyError("two")
    one.__context__, two.__context__ = two, one
    one.args = (two, [one])
    back = through(one)
    assert back.__context__.__context__ is back
    assert back.args[0] is back.__context__
    assert back.args[1][0] is back


def test_a_very_long_chain_is_cut_not_refused() -> None:
    """An exception is always recorded, whatever hangs on it."""
    error: BaseException = ValueError(0)
    for number in range(1, 3000):
        error = _with_cause(ValueError(number), error)
    back = load_exception(dump_exception(error), known())
    assert back.args == (2999,)
    assert back.__cause__ is not None


def _with_cause(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def test_groups_keep_their_members_and_class() -> None:
    """`except*` splits the rebuilt group as it would the first."""
    shared = OSError(2, "no")
    inner = Teams("inner", [ValueError(1), shared])
    back = through(ExceptionGroup("outer", [inner, shared, MailRefused("a", code=1)]))
    assert back.message == "outer"
    assert type(back.exceptions[0]) is Teams
    assert back.exceptions[0].exceptions[1] is back.exceptions[1]
    matched, rest = back.split(ConnectionError)
    assert [type(e) for e in matched.exceptions] == [MailRefused]
    assert len(rest.exceptions) == 2
    # A member cannot be linked to a group that needs it to exist: the link goes.
    shared.__context__ = inner
    assert load_exception(dump_exception(inner), known()).exceptions[1].__context__ is None  # type: ignore[attr-defined]
    base = through(BaseExceptionGroup("b", [KeyboardInterrupt()]))
    assert type(base) is BaseExceptionGroup


def test_what_cannot_be_stored_raises_when_touched() -> None:
    """The exception stays what it is; only the part is lost."""
    error = MailRefused("a", code=1)
    error.connection = sys.stdout  # type: ignore[attr-defined]
    error.args = ("text", object(), [lambda: 1])
    back = through(error)
    assert type(back) is MailRefused
    assert back.code == 1
    assert back.args[0] == "text"
    lost = back.connection
    assert "TextIOWrapper" in repr(lost) or "EncodedFile" in repr(lost)
    for touch in (
        lambda: lost.fileno(),
        lambda: lost(),
        lambda: lost == 1,
        lambda: bool(lost),
        lambda: list(lost),
        lambda: lost["a"],
        lambda: len(lost),
        lambda: lost < 1,
        lambda: lost + 1,
        lambda: 1 in lost,
        lambda: setattr(lost, "a", 1),
    ):
        with pytest.raises(LostAttributeError, match="Put plain data"):
            touch()
    assert "text" in str(back)
    assert "".join(traceback.format_exception(back))


def test_a_class_nobody_here_knows_gets_a_stand_in() -> None:
    """It has the recorded name and is caught by what can be found of its bases."""
    data = dump_exception(MailRefused("a", code=1))
    types = known()
    back = load_exception(data, types)
    assert type(back).__name__ == "MailRefused"
    assert type(back).__module__ == MailRefused.__module__
    assert isinstance(back, ConnectionError)
    assert not isinstance(back, AppError)
    assert back.code == 1  # type: ignore[attr-defined]
    elsewhere = data.replace(b":MailRefused", b":MailRejected")
    both = load_exception(elsewhere, known(AppError))
    assert type(both).__name__ == "MailRejected"
    assert isinstance(both, AppError)
    assert isinstance(both, ConnectionError)
    assert type(load_exception(data, types)) is type(back), "one class for one name"


def test_a_stand_in_keeps_the_recorded_names() -> None:
    """A process that knows the class gets the true one, though another passed it on."""
    back = load_exception(dump_exception(MailRefused("a", code=1)), known())
    again = load_exception(dump_exception(back), known(MailRefused))
    assert type(again) is MailRefused


def test_an_attribute_of_an_unknown_class_is_lost_not_the_exception() -> None:
    """The process that reads may know less than the one that raised."""

    class Ticket(BaseModel):
        number: int

    error = AppError(Ticket(number=5))
    data = dump_exception(error)
    assert load_exception(data, known(Ticket, AppError)).args == error.args
    assert "Ticket" in repr(load_exception(data, known(AppError)).args[0])


def test_the_exception_raised_here_is_known_here() -> None:
    """With `types`, what this process raised comes back as itself."""

    class Local(Exception):
        pass

    types = known()
    assert type(load_exception(dump_exception(Local(1), types=types), types)) is Local


def test_the_traceback_is_kept_as_text() -> None:
    """It names the author's line, also after the exception crossed twice."""
    error = raised(ValueError("x"))
    back = through(error)
    text = recorded_traceback(back)
    assert text is not None
    assert "in raised" in text
    assert "raise error" in text
    assert recorded_traceback(through(raised(back))) == text
    assert recorded_traceback(through(ValueError("never raised"))) is None


def test_a_deep_traceback_is_cut_in_the_middle() -> None:
    """Both ends matter, and the record stays small."""

    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        raise ValueError("bottom")

    with pytest.raises(ValueError, match="bottom") as caught:
        dive(300)
    text = recorded_traceback(through(caught.value)) or ""
    assert "more frames" in text
    assert len(text) <= 16_000


class Account(BaseModel):
    number: int
    name: str
    tags: list[int] = []

    @field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        if name == "custom":
            raise PydanticCustomError("my_kind", "no {what} here", {"what": "{luck}"})
        raise ValueError("bad name")


@pytest.mark.parametrize("name", ["x", "custom", 5, "\ud800"])
def test_pydantics_validation_error(name: Any) -> None:
    """It cannot be subclassed or made by `__new__`, and people read its errors."""
    with pytest.raises(ValidationError) as caught:
        Account(number="x", name=name, tags=[1, "y", object()])  # type: ignore[arg-type]
    error = caught.value
    error.add_note("noted")
    back = load_exception(dump_exception(error), known())
    assert type(back) is ValidationError
    assert back.title == error.title
    assert back.error_count() == error.error_count()
    for now, then in zip(back.errors(), error.errors(), strict=True):
        assert (now["type"], now["loc"], now["msg"]) == (then["type"], then["loc"], then["msg"])
        if isinstance(then["input"], (str, int)):
            assert now["input"] == then["input"]
    assert back.__notes__ == ["noted"]


def test_an_exception_is_a_value_like_any_other() -> None:
    """`gather(return_exceptions=True)` puts it into a list."""
    types = known(AppError)
    plan = plan_for(list[Account | BaseException], types)
    error = AppError("x")
    back = plan.loads(plan.dumps([error, error, 1]))
    assert type(back[0]) is AppError
    assert back[0] is back[1]


def test_a_record_that_is_no_exception() -> None:
    """The wrong row in the wrong place is an error with a path."""
    with pytest.raises(ValueDecodeError, match="int in place of an exception"):
        load_exception(b"5", known())
