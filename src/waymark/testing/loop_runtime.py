"""A memory runtime for whichever event loop asks first.

In tests nobody starts anything: `await W().run(...)` finds the runtime of its
loop, or makes it. Its store is memory, its time virtual. It ends with its loop
(which cancels its tasks, so that nothing is left to warn about), or earlier by
`end_all`, after which the same loop gets a fresh one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from ..app import Ownership
from ..authoring.handle import Begun, Client, RunStatus
from ..authoring.options import RunOptions
from ..authoring.workflow import WorkflowDefinition
from ..errors import RunNotFound
from ..runtime.backing import Backing
from ..runtime.client import decode
from ..runtime.clock import VirtualClock
from ..runtime.live_run import Ending
from ..runtime.surroundings import Surroundings
from ..settings import Settings
from ..store.memory import MemoryStore
from ..values import RecordedArguments

#: Attempts get no time to finish when a test has ended.
_SETTINGS = Settings(database_url="memory://", drain_seconds=0.0)


class LoopRuntimes:
    """One runtime per event loop, made on first use."""

    def __init__(self) -> None:
        self._clients: dict[asyncio.AbstractEventLoop, LoopClient] = {}

    def client(self) -> Client:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for closed in [known for known in self._clients if known.is_closed()]:
                del self._clients[closed]
            client = self._clients[loop] = LoopClient()
        return client

    def end_all(self) -> None:
        """End every runtime. Where its loop still lives, that happens when the
        loop turns next."""
        clients, self._clients = self._clients, {}
        for loop, client in clients.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(client.end)


class LoopClient:
    """Starts the runtime of its loop when it is first asked for something."""

    def __init__(self) -> None:
        self._ownership = _ownership()
        self._beginning: asyncio.Task[Any] | None = None

    async def submit(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> UUID:
        return await (await self._client()).submit(definition, arguments, options)

    def begin(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> Begun | None:
        runtime = None if self._ownership.over else self._ownership.runtime
        return None if runtime is None else runtime.client.begin(definition, arguments, options)

    async def begin_later(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> Begun:
        return await (await self._client()).begin_later(definition, arguments, options)

    def decode(self, ending: Ending, run_id: UUID, definition: WorkflowDefinition) -> Any:
        return decode(ending, run_id, definition)

    async def result(
        self, run_id: UUID, definition: WorkflowDefinition | None, timeout: float | None
    ) -> Any:
        with _telling():
            return await (await self._client()).result(run_id, definition, timeout)

    async def status(self, run_id: UUID) -> RunStatus:
        with _telling():
            return await (await self._client()).status(run_id)

    async def send(self, run_id: UUID, name: str, payload: Any, key: str | None) -> None:
        with _telling():
            await (await self._client()).send(run_id, name, payload, key)

    async def cancel(self, run_id: UUID) -> None:
        with _telling():
            await (await self._client()).cancel(run_id)

    def end(self) -> None:
        """Cancel the runtime; its clean-up runs as the loop turns."""
        self._ownership.cancel()

    async def _client(self) -> Client:
        if self._ownership.over:
            self._ownership, self._beginning = _ownership(), None
        if self._ownership.runtime is None:
            if self._beginning is None:
                # Its own task: the first caller's cancellation is not the others'.
                self._beginning = asyncio.ensure_future(self._ownership.begin())
            await asyncio.shield(self._beginning)
        runtime = self._ownership.runtime
        assert runtime is not None, "begin returns once there is one"
        return runtime.client


@contextmanager
def _telling() -> Generator[None]:
    """Say why a run may be unknown here."""
    try:
        yield
    except RunNotFound as error:
        error.add_note(
            "Nothing is started, so runs are kept in memory, for each event loop by itself. A"
            " TestClient of FastAPI has a loop for each request unless it is entered:"
            " `with TestClient(app) as client:`"
        )
        raise


def _ownership() -> Ownership:
    # Workflows are compiled at first use: a broken one elsewhere in the test suite
    # is no business of this test.
    backing = Backing(MemoryStore(), "memory://")
    surroundings = Surroundings(VirtualClock())
    return Ownership(_SETTINGS, surroundings=surroundings, backing=backing, link=False)
