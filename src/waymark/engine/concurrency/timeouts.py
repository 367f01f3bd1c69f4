"""`asyncio.timeout`: cancels the task that entered it, and calls that a TimeoutError
when nobody else wanted the task to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from waymark.engine.awaitables import Ready

from .scopes import Manager

if TYPE_CHECKING:
    from .future import Task
    from .loop import Handle, RunLoop

_CREATED, _ENTERED, _EXPIRING, _EXPIRED, _EXITED = (
    "created",
    "active",
    "expiring",
    "expired",
    "finished",
)


class Timeout(Manager):
    """One timeout. `deadline` is a time of the loop, None for never."""

    def __init__(self, loop: RunLoop, deadline: float | None) -> None:
        self.loop = loop
        self.deadline = deadline
        self.state = _CREATED
        self.task: Task | None = None
        self.cancels_before = 0
        self.handle: Handle | None = None

    def __repr__(self) -> str:
        when = ""
        if self.state == _ENTERED:
            when = f" when={None if self.deadline is None else round(self.deadline, 3)}"
        return f"<Timeout [{self.state}]{when}>"

    def when(self) -> float | None:
        """The deadline."""
        return self.deadline

    def expired(self) -> bool:
        """Whether the deadline has come while it was active."""
        return self.state in (_EXPIRING, _EXPIRED)

    def reschedule(self, when: float | None) -> None:
        """Set another deadline, None for none."""
        if self.state != _ENTERED:
            if self.state == _CREATED:
                raise RuntimeError("Timeout has not been entered")
            raise RuntimeError(f"Cannot change state of {self.state} Timeout")
        self.deadline = when
        self._drop()
        if when is None:
            return
        soon = when <= self.loop.time()
        self.handle = self.loop.call_soon(self) if soon else self.loop.call_at(when, self)

    def _drop(self) -> None:
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.cancel()

    def enter(self, loop: RunLoop) -> Ready:
        if self.state != _CREATED:
            raise RuntimeError("Timeout has already been entered")
        self.state, self.task = _ENTERED, loop.current_task()
        self.cancels_before = self.task.cancelling()
        self.reschedule(self.deadline)
        return Ready(self)

    def called(self, argument: None) -> None:
        """The deadline has come."""
        self.handle = None
        self.state = _EXPIRING
        if self.task is not None:
            self.task.cancel()

    def leave(self, error: BaseException | None) -> Ready:
        self._drop()
        if self.state != _EXPIRING or self.task is None:
            self.state = _EXITED
            return Ready(None)
        self.state = _EXPIRED
        if self.task.uncancel() <= self.cancels_before and error is not None:
            if isinstance(error, self._cancelled):
                raise TimeoutError from error
            self._say_timeout(error)
            if isinstance(error, ExceptionGroup):
                group = cast("ExceptionGroup[Exception]", error)
                for inner in group.exceptions:
                    self._say_timeout(inner)
        return Ready(None)

    @property
    def _cancelled(self) -> type[BaseException]:
        return self.loop.evaluator.program.cancelled_error

    def _say_timeout(self, error: BaseException) -> None:
        """Another exception came of the cancellation: its context says TimeoutError."""
        link = error
        while link.__context__ is not None:
            if isinstance(link.__context__, self._cancelled):
                said = TimeoutError()
                said.__context__ = said.__cause__ = link.__context__
                link.__context__ = said
                return
            link = link.__context__
