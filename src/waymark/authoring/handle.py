"""Handles on submitted runs, and what a handle asks of the running client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from . import hooks

if TYPE_CHECKING:
    from ..values import RecordedArguments
    from .options import RunOptions
    from .workflow import WorkflowDefinition

R_co = TypeVar("R_co", covariant=True)

#: A run that was submitted, and the future for its end.
Begun: TypeAlias = "tuple[UUID, asyncio.Future[Any]]"


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

    async def submit(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> UUID:
        """Store a run; returns once that is committed."""
        ...

    def begin(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> Begun | None:
        """Submit a run whose end is awaited at once. None when something else has to be
        awaited first: `begin_later` does."""
        ...

    async def begin_later(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> Begun: ...

    def decode(self, ending: Any, run_id: UUID, definition: WorkflowDefinition) -> Any:
        """What `await run()` gives, or raises, for what the future of a `Begun` gave."""
        ...

    async def result(
        self, run_id: UUID, definition: WorkflowDefinition | None, timeout: float | None
    ) -> Any:
        """The decoded result, or the run's exception raised. `timeout` counts
        seconds; TimeoutError leaves the run going. Without a definition the
        run's own row names the workflow."""
        ...

    async def status(self, run_id: UUID) -> RunStatus: ...

    async def send(self, run_id: UUID, name: str, payload: Any, key: str | None) -> None:
        """Store an event for a run; returns once that is committed."""
        ...

    async def cancel(self, run_id: UUID) -> None:
        """Store the request that a run cancel itself; returns once that is committed."""
        ...


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

    async def send(self, name: str, payload: Any = None, *, key: str | None = None) -> None:
        """Send the run an event, which `self.wait_for_event(name)` gives to its body.

        Returns once it is stored; the run gets it exactly once, and keeps it until it
        waits for it. Events of one name that are sent one after the other come in
        that order. With a `key` (the id of a webhook's delivery, say) sending again
        what may have arrived changes nothing. Raises RunNotFound, RunEnded,
        ValueEncodeError for a payload that cannot be stored or is too large, and
        ValueError for a name or a key that is no text.
        """
        await hooks.client().send(self.id, name, payload, key)

    async def cancel(self) -> None:
        """Ask the run to cancel itself, as `task.cancel()` asks a task: CancelledError
        is raised where it waits, and its `finally` parts run.

        Returns once the request is stored; `result()` tells how the run ends. Raises
        RunNotFound, and RunEnded for one that has.
        """
        await hooks.client().cancel(self.id)


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
