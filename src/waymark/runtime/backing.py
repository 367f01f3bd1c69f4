"""What a runtime stands on: a store, and the embedded server when there is one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import anyio
import anyio.to_thread

from ..settings import Settings
from ..store.protocol import Store

log = logging.getLogger("waymark")

#: Closing connections to a server that does not answer takes no longer.
CLOSE_SECONDS = 5.0


class Server(Protocol):
    """What the runtime asks of the embedded server."""

    def dsn(self) -> str: ...

    def lock_worker(self, worker: UUID) -> None: ...

    def unlock_worker(self, worker: UUID) -> None: ...

    def dead_workers(self, workers: Sequence[UUID]) -> list[UUID]: ...

    def ensure_running(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Backing:
    """An open store. `database_url` is for the app's own connections."""

    store: Store
    database_url: str
    server: Server | None = None

    async def revive(self) -> None:
        """After a failure to reach the store: the embedded server starts again by itself
        unless its supervisor died too; then those who need it have to start it."""
        if self.server is None:
            return
        try:
            await anyio.to_thread.run_sync(self.server.ensure_running, abandon_on_cancel=True)
        except Exception as error:  # noqa: BLE001  # the next failure tries again
            log.warning("the embedded PostgreSQL cannot be started again: %s", error)

    async def close(self) -> None:
        """Close all; never raises and never hangs."""
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            try:
                await self.store.close()
            except Exception:
                log.exception("closing the store failed")
        if self.server is not None:
            self.server.close()


async def open_backing(settings: Settings) -> Backing:
    """The store that the settings name, opened; the embedded PostgreSQL when they
    name none. Raises what `Store.open` raises, and `EmbeddedUnavailable`."""
    from ..store.open import open_store

    url, server = settings.database_url, None
    if url is None:
        server = await _start_embedded(settings)
        url = server.dsn()
    backing = Backing(open_store(url, schema=settings.schema), url, server)
    try:
        await backing.store.open()
    except BaseException:
        await backing.close()
        raise
    return backing


async def _start_embedded(settings: Settings) -> Server:
    from ..store.embedded import start_embedded

    server = await anyio.to_thread.run_sync(start_embedded, settings.data_directory)
    _say(
        f"waymark: no database URL is set, so the embedded PostgreSQL runs;"
        f" data in {server.data_directory}"
    )
    return server


def _say(text: str) -> None:
    """To the log, and where nobody reads that, to stderr: a newcomer must not have
    to search for where the data went."""
    if log.hasHandlers() and log.isEnabledFor(logging.INFO):
        log.info("%s", text)
    else:
        sys.stderr.write(text + "\n")
