"""Futures, tasks and gathers as values.

Plain objects over a number of the machine. While a future is pending the machine
knows its state; when it is over its object has taken how it ended, the machine
has forgotten the number, and asking again asks nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waymark.engine import primitives
from waymark.engine.futures import CANCELLED, ERROR, PENDING, RESOLVED

if TYPE_CHECKING:
    from .loop import RunLoop


class Future:
    """`asyncio.Future`. `error` is the exception of a failed one, and of a
    cancelled one the very CancelledError that ended it, until somebody gets it."""

    # Defaults stand in the class, so that a new one sets only what it must.
    state = PENDING
    value: Any = None
    error: BaseException | None = None
    message: Any = None

    def __init__(self, loop: RunLoop, number: int) -> None:
        self.loop = loop
        self.number = number

    def __repr__(self) -> str:
        state = ("pending", "finished", "finished", "cancelled")[self.state]
        return f"<{type(self).__name__} {state}>"

    # What the author calls

    def done(self) -> bool:
        """Whether it is over."""
        return self.over() != PENDING

    def cancelled(self) -> bool:
        """Whether it was cancelled, and nothing else came of it."""
        return self.over() == CANCELLED

    def result(self) -> Any:
        """What it came to; raises what it raised."""
        state = self.over()
        if state == PENDING:
            raise self.loop.invalid_state("Result is not set.")
        if state != RESOLVED:
            raise self.failure()
        return self.value

    def exception(self) -> BaseException | None:
        """What it raised. A cancelled one raises."""
        state = self.over()
        if state == PENDING:
            raise self.loop.invalid_state("Exception is not set.")
        if state == CANCELLED:
            raise self.failure()
        return self.error

    def cancel(self, msg: Any = None) -> bool:
        """Ask it to end: True when it was heard."""
        if self.over():
            return False
        loop = self.loop
        return primitives.cancel(loop.machine, self.number, loop.keep_message(msg))

    def set_result(self, result: Any) -> None:
        """End it with a value."""
        self._end_by_hand(RESOLVED)
        self.value = result

    def set_exception(self, exception: Any) -> None:
        """End it with an exception, or an instance of a class of exceptions."""
        if isinstance(exception, type):
            exception = exception()
        if not isinstance(exception, BaseException):
            raise TypeError("invalid exception object")
        if isinstance(exception, StopIteration):
            stopped = RuntimeError(
                "StopIteration interacts badly with generators and cannot be raised into a Future"
            )
            stopped.__cause__ = stopped.__context__ = exception
            exception = stopped
        self._end_by_hand(ERROR)
        self.error = exception

    def _end_by_hand(self, state: int) -> None:
        if self.over():
            raise self.loop.invalid_state("invalid state")
        self.state = state
        del self.loop.objects[self.number]
        primitives.resolve(self.loop.machine, self.number, state == RESOLVED)

    # What the engine asks

    def over(self) -> int:
        """Its state now: the machine may have ended it, and not said so yet."""
        if self.state == PENDING and self.loop.machine.requests:
            self.loop.catch_up()
        return self.state

    def failure(self) -> BaseException:
        """What awaiting it raises. The CancelledError that ended it goes to the
        first who asks, others get one like it."""
        if self.state == ERROR and self.error is not None:
            return self.error
        error, self.error = self.error, None
        return error or self.loop.cancelled_error(self.message)

    def take_end(self, state: int, value: Any, message: Any = None) -> None:
        """It is over. `value` is the result or the exception."""
        self.state, self.message = state, message
        if state == RESOLVED:
            self.value = value
        else:
            self.error = value


class Task(Future):
    """`asyncio.Task`: a helper, an action or a sleep that goes on by itself."""

    cancels = 0

    def __init__(self, loop: RunLoop, number: int, name: str, coroutine: Any) -> None:
        self.loop = loop
        self.number = number
        self.name = name
        self.coroutine = coroutine

    def __repr__(self) -> str:
        state = ("pending", "finished", "finished", "cancelled")[self.state]
        return f"<Task {state} name={self.name!r} coro={self.coroutine!r}>"

    def get_name(self) -> str:
        """Its name, `Task-<number>` where it was given none."""
        return self.name

    def set_name(self, value: object) -> None:
        """Call it otherwise."""
        self.name = str(value)

    def cancelling(self) -> int:
        """How many requests to cancel it has had, less those taken back."""
        if self.over():
            return self.cancels
        return primitives.cancels(self.loop.machine, self.number)

    def uncancel(self) -> int:
        """Take one request back; returns those that are left."""
        if not self.over():
            return primitives.uncancel(self.loop.machine, self.number)
        self.cancels = max(0, self.cancels - 1)
        return self.cancels

    def set_result(self, result: Any) -> None:
        """Only a future is ended by hand."""
        raise RuntimeError("Task does not support set_result operation")

    def set_exception(self, exception: Any) -> None:
        """Only a future is ended by hand."""
        raise RuntimeError("Task does not support set_exception operation")


class GatheringFuture(Future):
    """What `asyncio.gather` gives. `children`, in the order of the call, are
    futures, or numbers where they are the gather's own; None where all are its own
    and none stands twice, so that the machine knows them all."""

    children: list[Future | int] | None = None
