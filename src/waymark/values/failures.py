"""Exceptions to bytes and back, for those who hold no plan."""

from __future__ import annotations

from functools import cache
from typing import cast

from ..errors import ValueDecodeError, ValueEncodeError
from .codec import Failure, Refusal
from .exceptions import TRACEBACK
from .forms import is_data
from .passes import decode, encode
from .registry import TypeRegistry


def dump_exception(
    error: BaseException, path: str = "error", types: TypeRegistry | None = None
) -> bytes:
    """JSON text in UTF-8: class and its bases, arguments, attributes, notes,
    cause, context, traceback. What cannot be stored of it is marked as lost.

    `types` decides which classes its arguments and attributes may have, and
    learns the exception's own class, since code of this process raised it. Without
    it they may have any class; what the reader does not know is lost there."""
    registry = types if types is not None else _anonymous()
    try:
        return encode(registry.forms.anything, error)
    except Refusal as refusal:
        raise ValueEncodeError(refusal.path(path), refusal.problem) from refusal


class _AnyData(TypeRegistry):
    """Knows every class that is plainly meant to be data; only for writing. What
    else hangs on an exception (a connection, a response) is no record's business.
    """

    def knows(self, cls: type) -> bool:
        return is_data(cls)

    def add(self, annotation: object) -> None:
        """Nothing is looked up here, so nothing is kept."""


@cache
def _anonymous() -> TypeRegistry:
    return _AnyData()


def load_exception(
    data: bytes, types: TypeRegistry, path: str = "error", *, run: bool = False
) -> BaseException:
    """The exception again. A class that `types` does not resolve is replaced by
    a stand-in of the same name below the nearest base that it does resolve.
    Raises ValueDecodeError."""
    try:
        error = decode(types.forms.anything, data, run=run)
    except Failure as failure:
        raise ValueDecodeError(failure.path(path), failure.problem) from failure
    if not isinstance(error, BaseException):
        raise ValueDecodeError(path, f"{type(error).__name__} in place of an exception")
    return error


def recorded_traceback(error: BaseException) -> str | None:
    """The traceback of the process where a rebuilt exception was raised, as
    text without the last line, or None."""
    return cast("str | None", error.__dict__.get(TRACEBACK))
