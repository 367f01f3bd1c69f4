"""Every exception a user of Waymark can meet. Each docstring is the remedy.

`WaymarkError` is the root. `WaymarkBug` is the one class that says "this is our
mistake, not yours".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from .compiler.diagnostics import Diagnostic


class WaymarkError(Exception):
    """Root of all errors that Waymark raises."""


class WaymarkBug(WaymarkError):
    """An invariant of Waymark itself does not hold. Please report it with the
    traceback; your run is kept."""


# Starting and stopping


class NotStartedError(WaymarkError):
    """Await `waymark.start()` first (in the app's lifespan), or use
    `async with waymark.running():`."""


class AlreadyStartedError(WaymarkError):
    """`start()` was called twice in one process. Call `stop()` in between, or
    start once and share it."""


class StoppingError(WaymarkError):
    """The runtime is stopping and takes no more work. Submit elsewhere or after
    the next `start()`."""


class WrongLoopError(WaymarkError, RuntimeError):
    """Waymark belongs to the event loop it was started in. Call from there; from
    a thread use `asyncio.run_coroutine_threadsafe`."""


class SettingsError(WaymarkError, ValueError):
    """A setting has an unknown name or an impossible value. The message names
    the setting, its source (keyword or environment) and what it accepts."""


# The database


class StoreError(WaymarkError):
    """Root of what can go wrong with the place where runs are kept."""


class EmbeddedUnavailable(StoreError):
    """No database URL is configured and the embedded PostgreSQL cannot run here.
    `pip install 'waymark[embedded]'`, or set WAYMARK_DATABASE_URL."""


class DatabaseUnreachable(StoreError):
    """The database did not answer, or refused the login. Check host, port, user
    and password of WAYMARK_DATABASE_URL (the message never shows the password)."""


class DatabaseTooOld(StoreError):
    """The server is older than PostgreSQL 13. Upgrade it or use another."""


class MigrationNeeded(StoreError):
    """The schema is missing or old, and this user may not change it. Run
    `waymark migrate` with a user who may."""


class CodeTooOld(StoreError):
    """The schema was migrated by a newer Waymark that says this version must not
    run on it. Upgrade the package `waymark`."""


class StoreUnavailable(StoreError):
    """The connection was lost or the server went away. The runtime retries by
    itself; a caller may retry."""


class Fenced(StoreError):
    """This worker was declared dead, so its writes are refused. The runtime
    drops its runs (others continue them) and registers anew."""


class RefusedData(StoreError):
    """The server rejected a value of a batch. The writer isolates the run that
    carries it."""


# Registration


class RegistrationError(WaymarkError):
    """A decorator was used on something it cannot honour. The message says what
    to change."""


class DuplicateNameError(RegistrationError):
    """Two workflows or two actions have one name. Rename one, or give `name=`."""


class WorkflowCompileError(SyntaxError, WaymarkError):
    """`run()` holds something that cannot be honoured. `.diagnostics` lists all
    violations in source order, each with its fix; the message shows them."""

    def __init__(self, diagnostics: Sequence[Diagnostic], text: str) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(text)


class WorkflowWarning(UserWarning):
    """A workflow compiles, but holds what is likely a mistake. Follow the fix in
    the message, or turn it off: `# waymark: ignore[WM411]` on its line,
    `@workflow(ignore=("WM411",))`, or a filter of Python's own."""


class UnresolvedActionError(RegistrationError):
    """A graph names an action that no registered code provides. Import the
    module that defines it before `start()`, or add its old name to `aliases=`."""


class GraphError(WaymarkError):
    """A stored graph is damaged or holds code outside the whitelist; it is
    refused. Restore the row, or let the workflow be compiled again."""


# Values


class ValueEncodeError(WaymarkError, TypeError):
    """A value cannot be stored. `path` says where it stands (`result.users[3]`),
    the message its type. Pass data (models, dataclasses, built-ins) instead."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class ValueDecodeError(WaymarkError, ValueError):
    """A stored value does not fit today's types. `path` says where."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class LostAttributeError(WaymarkError, AttributeError):
    """An exception's attribute could not be stored and was touched afterwards.
    Put plain data on the exception instead."""


# Runs


class RunNotFound(WaymarkError, LookupError):
    """No run has this id. It may have been removed after its retention time."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        super().__init__(f"there is no run {run_id}; it may have been removed after its retention")


class RunEnded(WaymarkError):
    """An event or a cancellation was sent to a run that has ended, so that nobody
    would hear it. `state` says how it ended."""

    def __init__(self, run_id: UUID, workflow: str, state: str) -> None:
        self.run_id = run_id
        self.workflow = workflow
        self.state = state
        super().__init__(
            f"run {run_id} of {workflow} has ended ({state}), so it hears nothing any more"
        )


class RunFailed(WaymarkError):
    """The run ended with an exception. Raised as the cause of the original
    exception, so that both show; its own cause is the author's."""

    def __init__(self, run_id: UUID, workflow: str) -> None:
        self.run_id = run_id
        self.workflow = workflow
        super().__init__(f"run {run_id} of {workflow} failed")


class RunCancelled(WaymarkError):
    """The run was cancelled before it ended."""

    def __init__(self, run_id: UUID, workflow: str) -> None:
        self.run_id = run_id
        self.workflow = workflow
        super().__init__(f"run {run_id} of {workflow} was cancelled")


class RunQuarantined(WaymarkError):
    """The run cannot go on safely; the message says why. Nothing of it is lost:
    mend the cause, then let it go on."""

    def __init__(self, run_id: UUID, workflow: str, reason: str) -> None:
        self.run_id = run_id
        self.workflow = workflow
        self.reason = reason
        super().__init__(f"run {run_id} of {workflow} is quarantined: {reason}")


class RecoveryMismatch(WaymarkError):
    """Feeding the journal again gave another effect than was recorded. The run
    is quarantined rather than continued on a guess."""


class ImpureCallError(WaymarkError, RuntimeError):
    """A call inside a workflow body is not known to be pure: it belongs to an
    object that may touch the world, or it changed its arguments. Move it into
    an `@action`, or mark the function `@waymark.pure`."""


class FrozenConstantError(WaymarkError, TypeError):
    """A module constant, or what one holds, was changed from inside a workflow body. Constants are
    part of the graph; copy it first (`copy.deepcopy(NAME)`)."""


class InjectionError(WaymarkError):
    """A dependency of an action could not be provided. The message names the
    action, the parameter and the provider."""


class ActionTimeout(WaymarkError, TimeoutError):
    """An attempt of an action took longer than its `timeout=`, gave no sign of life for
    its `heartbeat_timeout=`, or all attempts took longer than `total_timeout=`: `limit`
    is that option's name. Raise it, or make the action do less at once; `retry=` tries
    it again, but for the total."""

    def __init__(self, action: str, attempt: int, seconds: float, limit: str = "timeout") -> None:
        self.action = action
        self.attempt = attempt
        self.seconds = seconds
        self.limit = limit
        text = f"attempt {attempt} of {action} took longer than {seconds:g} seconds"
        if limit == "heartbeat_timeout":
            text = f"attempt {attempt} of {action} gave no heartbeat for {seconds:g} seconds"
        elif limit == "total_timeout":
            text = (
                f"{action} took longer than {seconds:g} seconds over all attempts; {attempt} of it"
                " had begun"
            )
        super().__init__(text)


class OutsideActionError(WaymarkError, LookupError):
    """`waymark.context()` was called where no action runs. Call it in an action
    that a workflow called, or in a dependency of one."""


def unreachable(value: Any) -> WaymarkBug:
    """The error for a case that cannot happen."""
    return WaymarkBug(f"unexpected {value!r}")
