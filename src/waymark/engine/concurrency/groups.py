"""`asyncio.TaskGroup`, with 3.13's rules of cancellation.

The group cancels its parent to get it out of the body, and takes that request back
when all its tasks are over. What waits at the end is a definition in the workflow
language (`compiler/prelude.py`), over the operations below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waymark.engine.awaitables import Coroutine, HelperCall, Ready, defined

from .future import Future, Task
from .scopes import Manager

if TYPE_CHECKING:
    from .loop import RunLoop


class TaskGroup(Manager):
    """A group under way. `tasks` are those that are not over, in their order."""

    def __init__(self) -> None:
        self.loop: RunLoop | None = None
        self.parent: Task | None = None
        self.tasks: dict[int, Task] = {}
        self.errors: list[BaseException] = []
        self.base_error: BaseException | None = None
        self.emptied: Future | None = None
        self.leaving = False
        self.aborting = False
        self.parent_cancel_requested = False

    def __repr__(self) -> str:
        parts = ["<TaskGroup"]
        if self.tasks:
            parts.append(f"tasks={len(self.tasks)}")
        if self.errors:
            parts.append(f"errors={len(self.errors)}")
        if self.aborting:
            parts.append("cancelling")
        elif self.parent is not None:
            parts.append("entered")
        return " ".join(parts) + ">"

    def create_task(self, coro: Any, *, name: object = None) -> Task:
        """Begin a task of the group."""
        if self.loop is None:
            raise self._refused(coro, "has not been entered")
        if self.leaving and not self.tasks:
            raise self._refused(coro, "is finished")
        if self.aborting:
            raise self._refused(coro, "is shutting down")
        task = self.loop.create_task(coro, name=name)
        self.tasks[task.number] = task
        self.loop.when_over(task, self)
        return task

    def _refused(self, coro: Any, why: str) -> RuntimeError:
        if isinstance(coro, Coroutine):
            coro.awaited = True
        return RuntimeError(f"TaskGroup {self!r} {why}")

    def enter(self, loop: RunLoop) -> Ready:
        if self.loop is not None:
            raise RuntimeError(f"TaskGroup {self!r} has already been entered")
        self.loop, self.parent = loop, loop.current_task()
        return Ready(self)

    def leave(self, error: BaseException | None) -> HelperCall:
        return defined("leave_group", self, error)

    def called(self, argument: Task) -> None:
        """A task of the group is over."""
        self.tasks.pop(argument.number, None)
        if self.emptied is not None and not self.tasks and not self.emptied.done():
            self.emptied.set_result(True)
        error = None if argument.cancelled() else argument.exception()
        if error is None or self.parent is None:
            return
        self.errors.append(error)
        self._note_base_error(error)
        if self.parent.done() or self.aborting or self.parent_cancel_requested:
            return
        # The body is to end; whether others want the parent to end is asked later.
        abort_group(self)
        self.parent_cancel_requested = True
        self.parent.cancel()

    def _note_base_error(self, error: BaseException) -> None:
        if isinstance(error, SystemExit | KeyboardInterrupt) and self.base_error is None:
            self.base_error = error

    def begin_leaving(self, error: BaseException | None) -> None:
        self.leaving = True
        if error is not None:
            self._note_base_error(error)
            if not self.aborting:
                abort_group(self)

    def finish(
        self, error: BaseException | None, lost: BaseException | None, cancelled: type
    ) -> None:
        """All tasks are over: raise what the group comes to, if it is an error."""
        parent, errors = self.parent, self.errors
        assert parent is not None
        if self.base_error is not None:
            raise self.base_error
        if self.parent_cancel_requested and parent.uncancel() == 0:
            lost = None
        if lost is not None and not errors:
            raise lost
        if error is not None and not isinstance(error, cancelled):
            errors.append(error)
        if errors:
            if parent.cancelling():
                # Somebody else cancels the parent as well: that stays to be raised.
                parent.uncancel()
                parent.cancel()
            self.errors = []
            raise BaseExceptionGroup("unhandled errors in a TaskGroup", errors) from None


# What the definition of leaving a group is made of


def begin_leaving(group: TaskGroup, error: BaseException | None) -> None:
    """No task may begin any more once all are over; an error ends them."""
    group.begin_leaving(error)


def group_has_tasks(group: TaskGroup) -> bool:
    """Whether there is to wait for."""
    return bool(group.tasks)


def group_emptied(group: TaskGroup) -> Future:
    """Resolved when the last task is over."""
    assert group.loop is not None
    if group.emptied is None:
        group.emptied = group.loop.create_future()
    return group.emptied


def forget_emptied(group: TaskGroup) -> None:
    """The wait is over, or was cancelled."""
    group.emptied = None


def group_aborting(group: TaskGroup) -> bool:
    """Whether the tasks were told to end."""
    return group.aborting


def abort_group(group: TaskGroup) -> None:
    """Tell the tasks to end."""
    group.aborting = True
    for task in list(group.tasks.values()):
        if not task.done():
            task.cancel()


def finish_group(group: TaskGroup, error: BaseException | None, lost: BaseException | None) -> None:
    """Raise what the group comes to, if it is an error. `lost` is the cancellation
    that the group has held back so far."""
    assert group.loop is not None
    group.finish(error, lost, group.loop.evaluator.program.cancelled_error)
