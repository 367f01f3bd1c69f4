"""Methods whose calls go through the tape: what a dot gives for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tape import Tape


class TapedMethod:
    """A method of a user's class, about to be called."""

    __slots__ = ("_owner", "_tape", "function")

    def __init__(self, tape: Tape, function: Callable[..., Any], owner: Any) -> None:
        self._tape = tape
        self.function = function
        self._owner = owner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._tape.call_foreign(self.function, args, kwargs, receiver=self._owner)


class TapedBuiltin:
    """A method of a listed type that cannot be repeated, about to be called."""

    __slots__ = ("_tape", "function")

    def __init__(self, tape: Tape, function: Callable[..., Any]) -> None:
        self._tape = tape
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._tape.call(self.function, args, kwargs)
