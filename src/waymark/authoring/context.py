"""What the code of an action can learn about the attempt it runs in."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from waymark.errors import OutsideActionError

#: Stands for a progress that stays as it is.
SAME: Final[Any] = object()


class Reporter(Protocol):
    """What a running Waymark does with what attempts say of themselves."""

    def heartbeat(self, attempt: ActionContext, progress: Any) -> None: ...

    def progress(self, attempt: ActionContext) -> Any: ...


#: The runtime that attempts of this context belong to.
reporter: ContextVar[Reporter] = ContextVar("waymark_reporter")


class ActionContext(NamedTuple):
    """One attempt of one action call. A tuple, since one is made per attempt."""

    run_id: UUID
    #: Registered name of the workflow.
    workflow: str
    #: Registered name of the action.
    action: str
    #: Number of the call within its run; the same in every attempt.
    effect: int
    #: Counts from 1. An attempt that a crash took away is made again under its number.
    attempt: int
    #: When this attempt will be timed out (aware, UTC); None when it may take for ever,
    #: and in dependencies, which are provided before its time begins.
    deadline: datetime | None = None

    @property
    def idempotency_key(self) -> str:
        """Text that is the same in every attempt of this call, and that no other
        call ever has. Hand it to what must act once (a payment, a message id)."""
        return f"{self.run_id}:{self.effect}"

    def heartbeat(self, progress: Any = SAME) -> None:
        """Show that this attempt is alive, and say how far it is.

        It begins the action's `heartbeat_timeout` anew. `progress` is any value that
        can be stored (256 KiB at most); the attempt after this one finds it as
        `context().progress`, also in another process. It is kept at once, and written
        about once a second, so a crash may cost the last second's. May be called as
        often as you like, and from the thread of a sync action.

        Raises ValueEncodeError, and asyncio.CancelledError in a thread whose attempt is
        over (timed out, or its run goes on elsewhere), so that it ends.
        """
        reporter.get().heartbeat(self, progress)

    @property
    def progress(self) -> Any:
        """A copy of what this call's attempts last gave to `heartbeat`; None when they
        gave nothing."""
        return reporter.get().progress(self)


#: Set by the executor around each attempt, dependencies included.
attempt_context: ContextVar[ActionContext] = ContextVar("waymark_attempt")


def context() -> ActionContext:
    """The attempt that this code runs in.

    Raises OutsideActionError where no action runs: in a workflow body, or when
    an action is called as a plain function.
    """
    try:
        found = attempt_context.get()
    except LookupError:
        raise OutsideActionError(
            "waymark.context() was called where no action runs. It works in an action that a"
            " workflow called, and in its dependencies; called directly, an action is a plain"
            " function and has no run."
        ) from None
    if type(found.run_id) is not UUID:  # the driver's, which few libraries know
        found = found._replace(run_id=UUID(bytes=found.run_id.bytes))
    return found
