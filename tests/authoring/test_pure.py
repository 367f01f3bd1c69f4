"""`@waymark.pure`: found by reference, and refused where it could not hold."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from waymark.authoring import pure
from waymark.authoring.pure import pure_ref
from waymark.authoring.registry import registry
from waymark.errors import RegistrationError


@pure
def initials(name: str) -> str:
    return "".join(word[0] for word in name.split())


def test_a_pure_function_stays_itself_and_is_found() -> None:
    """The decorator returns the function; the compiler and a graph find it by reference."""
    ref = f"{__name__}:initials"
    assert initials("Ada Lovelace") == "AL"
    assert pure_ref(initials) == ref
    assert registry.pure(ref) is initials


def test_what_nobody_marked_is_not_pure() -> None:
    """Neither a plain function nor a wrapper around a marked one counts."""

    @functools.wraps(initials)
    def noisy(*args: Any) -> str:
        return initials(*args)

    assert pure_ref(noisy) is None
    assert pure_ref(len) is None
    assert pure_ref("initials") is None


async def waits() -> None: ...


def yields() -> Any:
    yield 1


async def yields_async() -> Any:
    yield 1


class Holder:
    def method(self) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (waits, "waits is async"),
        (yields, "yields is a generator"),
        (yields_async, "yields_async is async"),
        (lambda: 1, "use `def`"),
        (Holder.method, "is a method"),
        (len, "takes a plain function"),
        (Holder, "takes a plain function"),
    ],
)
def test_what_cannot_be_pure_is_refused(wrong: Any, message: str) -> None:
    """Each message says what to write instead."""
    with pytest.raises(RegistrationError, match=message):
        pure(wrong)
