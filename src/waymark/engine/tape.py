"""The tape: calls that are free of side effects but not repeatable.

While a node is evaluated for the first time, each such call appends what it
returned or raised, encoded, and the node goes on with the decoded form. After a
crash the node is evaluated again like any other, and the calls pop what was
appended. One journal entry holds all items of one evaluation.

An item may refer to objects of the run (a model built over a list of the run):
mutable objects reachable from the call's arguments are stored as references, so
identity survives. A call of a user's code that changes its arguments cannot be
popped honestly and is refused when it happens.

The payload is a JSON array with one item a line: `[0,<value>]` for what was
returned, `[1,<exception>]` for what was raised. JSON text holds no raw newline,
so lines split it without parsing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from waymark.errors import ImpureCallError, RecoveryMismatch, WaymarkError
from waymark.values import TypeRegistry, dump_exception, load_exception, mutable_parts, plan_for

_OPEN, _SEPARATOR, _CLOSE = b"[", b",\n", b"]"


def join_items(items: list[bytes]) -> bytes:
    """The payload of a tape entry."""
    return _OPEN + _SEPARATOR.join(items) + _CLOSE


def split_items(payload: bytes) -> list[bytes]:
    """The items of a tape entry's payload."""
    if payload[:1] != _OPEN or payload[-1:] != _CLOSE:
        raise RecoveryMismatch("a tape entry is damaged")
    return payload[1:-1].split(_SEPARATOR)


class Tape:
    """The tape of the evaluation that is under way. One per program: evaluations
    never nest, and all runs of a program take turns on one thread."""

    __slots__ = ("_inside", "_types", "clock_ns", "plan", "recorded", "replayed")

    def __init__(self, types: TypeRegistry) -> None:
        self._types = types
        self.plan = plan_for(Any, types)
        #: Whether a call is under way. Calls that it makes itself (through a lambda
        #: that it was given) are part of what it returns.
        self._inside = False
        self.recorded: list[bytes] = []
        #: Items still to be popped, the next one last; None when recording.
        self.replayed: list[bytes] | None = None
        #: Engine time since the run began.
        self.clock_ns = 0

    @property
    def inside(self) -> bool:
        """Whether a taped call is under way, whose code is not evaluated again."""
        return self._inside

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """Call through the tape. Arguments of library functions are trusted."""
        if self._inside:
            return function(*args, **kwargs)
        if self.replayed is not None:
            return self._play(self._next(function), [*args, *kwargs.values()])
        return self._record(function, args, kwargs, [*args, *kwargs.values()])

    def call_foreign(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Any,
        receiver: Any = None,
    ) -> Any:
        """Call a user's code through the tape; it must leave `receiver` and its
        arguments as they were."""
        if self._inside:
            return function(*args, **kwargs)
        touched = [receiver, *args, *kwargs.values()]
        if self.replayed is not None:
            return self._play(self._next(function), touched)
        parts = _parts(touched)
        before = self.plan.dumps(touched) if parts else b""
        value = self._record(function, args, kwargs, touched)
        if parts and self.plan.dumps(touched) != before:
            name = getattr(function, "__qualname__", repr(function))
            raise ImpureCallError(
                f"{name}() changed its arguments; inside a workflow body a call of your own "
                "code must leave them as they are. Return a new value, or make it an @action"
            )
        return value

    def _record(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any, touched: list[Any]
    ) -> Any:
        value: Any = None
        failure: BaseException | None = None
        self._inside = True
        try:
            value = function(*args, **kwargs)
        except WaymarkError:
            raise
        except Exception as error:  # noqa: BLE001 - what it raised is recorded
            data = dump_exception(error, types=self._types)
            self.recorded.append(b"[1,%b]" % data)
            failure = load_exception(data, self._types, run=True)
        finally:
            self._inside = False
        if failure is not None:
            # Outside the handler, so that its context is the one of the author's code.
            raise failure
        references = _parts(touched)
        name = getattr(function, "__qualname__", "value")
        data = self.plan.dumps(value, f"{name}()", references)
        self.recorded.append(b"[0,%b]" % data)
        return self.plan.loads(data, references, run=True)

    def _next(self, function: Callable[..., Any]) -> bytes:
        if not self.replayed:
            name = getattr(function, "__qualname__", repr(function))
            raise RecoveryMismatch(f"{name}() was not called when this node was first evaluated")
        return self.replayed.pop()

    def _play(self, item: bytes, touched: list[Any]) -> Any:
        data = item[3:-1]
        if item[:3] == b"[1,":
            raise load_exception(data, self._types, run=True)
        return self.plan.loads(data, _parts(touched), run=True)


def _parts(touched: list[Any]) -> list[object]:
    """The mutable objects that a call was given, without the list they came in."""
    return mutable_parts(touched)[1:]
