"""Handles on submitted runs, and what a handle asks of the running client."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from uuid import UUID

from . import hooks

if TYPE_CHECKING:
    from ..values import RecordedArguments
    from .workflow import WorkflowDefinition

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run as it stood when the question was answered.

    `state` is one of scheduled, ready, running, waiting, paused, blocked,
    quarantined, succeeded, failed, cancelled, terminated. `reason` says why a
    run is blocked or quarantined. Times are aware, by the database's clock.
    """

    id: UUID
    workflow: str
    state: str
    submitted_at: datetime
    finished_at: datetime | None
    reason: str | None


class Client(Protocol):
    """What a running Waymark does for workflows and handles."""

    async def submit(self, definition: WorkflowDefinition, arguments: RecordedArguments) -> UUID:
        """Store a run; returns once that is committed."""
        ...

    async def submit_and_wait(
        self, definition: WorkflowDefinition, arguments: RecordedArguments
    ) -> Any:
        """`submit`, then `result`, in one."""
        ...

    async def result(
        self, run_id: UUID, definition: WorkflowDefinition | None, timeout: float | None
    ) -> Any:
        """The decoded result, or the run's exception raised. `timeout` counts
        seconds; TimeoutError leaves the run going. Without a definition the
        run's own row names the workflow."""
        ...

    async def status(self, run_id: UUID) -> RunStatus: ...


@dataclass(frozen=True, slots=True)
class RunHandle(Generic[R_co]):
    """A submitted run. Copying, dropping or cancelling a wait on it changes
    nothing about the run.

    `workflow` is the workflow's registered name, None for a handle made from an
    id alone (`status()` tells).
    """

    id: UUID
    workflow: str | None = field(default=None, compare=False)
    definition: WorkflowDefinition | None = field(default=None, compare=False, repr=False)

    async def result(self, timeout: float | timedelta | None = None) -> R_co:
        """Wait for the run's end and return its result.

        A number is seconds. Raises the exception that the run ended with
        (`RunFailed` being its cause), `RunQuarantined` at once, `RunNotFound`,
        and TimeoutError when time is up, which leaves the run going.
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        result: R_co = await hooks.client().result(self.id, self.definition, seconds)
        return result

    async def status(self) -> RunStatus:
        """Where the run stands now. Raises RunNotFound."""
        return await hooks.client().status(self.id)


def handle(run_id: UUID | str) -> RunHandle[Any]:
    """A handle on a run whose id is known, say from a URL.

    Nothing is looked up yet: a run that does not exist shows as RunNotFound at
    the first question. Raises ValueError for text that is no UUID.
    """
    if isinstance(run_id, UUID):
        return RunHandle(run_id)
    try:
        return RunHandle(UUID(run_id))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{run_id!r} is no run id; pass the UUID that `handle.id` gave") from None
