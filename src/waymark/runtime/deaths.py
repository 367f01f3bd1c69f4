"""Who is dead: by the lease, by the locks of the embedded server, by a session that ended.

Each look of the sweep tells of the workers. One whose lease has run out, or whose death is proven,
loses its row, and with that its runs are free. The proofs:

-   On the embedded server each process holds a lock on a file of its own, which the
    kernel takes away with the process.
-   On any server that is reached without a pooler, the session of the heartbeat holds an
    advisory lock. That session may end while the process lives (a connection is
    terminated), and the process then connects anew at once. So a missing lock counts
    only when a later look, `GRACE_SECONDS` after, finds it missing still.

After a database that was away for long every lease has run out and every session has
ended, and whoever looked first would declare all the others dead. So who could not reach it
gives them time to beat; only the locks of the embedded server count meanwhile.

Whoever is declared dead and lives is fenced: it takes a new name, and its runs go on
elsewhere. So a mistake here costs work that is done twice, never a wrong outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from ..settings import Settings
from ..store.records import SeenWorker
from .backing import Backing
from .clock import Clock

log = logging.getLogger("waymark.deaths")

#: How long a worker's lock must be missing: many times what a connection takes.
GRACE_SECONDS = 0.3

#: After the database was away for about a lease, nobody is declared dead for so long (or
#: half a lease, if that is less).
PATIENCE_SECONDS = 5.0


class Deaths:
    """Looks for dead workers. `me` names this process's own, which is never looked at."""

    def __init__(
        self, backing: Backing, settings: Settings, clock: Clock, me: Callable[[], UUID]
    ) -> None:
        self._backing = backing
        self._patience_seconds = min(PATIENCE_SECONDS, settings.lease_seconds / 2)
        self._clock = clock
        self._me = me
        #: Since when (`Clock.monotonic`) a worker has been silent.
        self._silent: dict[UUID, float] = {}
        #: Since when the store could not be reached, and until when all are spared.
        self._away_since: float | None = None
        self._spared_until = 0.0

    @property
    def suspected(self) -> bool:
        """Whether a look after `GRACE_SECONDS` may prove a death."""
        return bool(self._silent)

    def missed(self) -> None:
        """The store could not be reached."""
        if self._away_since is None:
            self._away_since = self._clock.monotonic()

    async def look(self, workers: Sequence[SeenWorker]) -> list[UUID]:
        """Declare dead whoever is; returns their names."""
        store = self._backing.store
        others = [worker for worker in workers if worker.id != self._me()]
        now = self._clock.monotonic()
        spared = self._are_spared(now)
        silent = [] if spared else [worker.id for worker in others if worker.silent]
        proven = self._by_silence(silent, now)
        if self._backing.server is not None and others:
            proven += self._backing.server.dead_workers([worker.id for worker in others])
        if not proven and (spared or not any(worker.expired for worker in others)):
            return []
        reaped = await store.reap_workers(proven)
        if reaped:
            log.info("declared dead: %s", ", ".join(map(str, reaped)))
        return reaped

    def _are_spared(self, now: float) -> bool:
        """Whether the database was away for so long that all deserve some patience."""
        away_since, self._away_since = self._away_since, None
        if away_since is not None and now - away_since >= self._patience_seconds:
            self._spared_until = now + self._patience_seconds
        return now < self._spared_until

    def _by_silence(self, silent: list[UUID], now: float) -> list[UUID]:
        self._silent = {worker: self._silent.get(worker, now) for worker in silent}
        return [worker for worker, since in self._silent.items() if now - since >= GRACE_SECONDS]
