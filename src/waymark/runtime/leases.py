"""The heartbeat: a thread with its own loop, so that code which blocks the app's
loop does not cost it its lease.

Between beats the thread looks whether that loop turns, and names what holds it up
(`watchdog`). It gives up when the app's loop has not turned for a long time: a process
that is stuck for good must not keep its runs. Whoever finds its row gone was
declared dead, and says so to the app's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from ..store.protocol import Store
from . import watchdog
from .clock import Clock

log = logging.getLogger("waymark.leases")

#: An app whose loop has not turned for this long loses its leases.
STUCK_SECONDS = 600.0

#: Beats per lease, so that some may fail.
BEATS_PER_LEASE = 4

#: How often the app's loop shows that it turns.
PULSE_SECONDS = 1.0

#: A shorter rest is none: by some clocks it would never end.
_REST_SECONDS_MIN = 0.001


def in_thread(beat: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a heartbeat in a thread with a loop of its own, so that its connection
    belongs to nobody else."""

    def run() -> None:
        with contextlib.suppress(RuntimeError):  # The app's loop is closed.
            asyncio.run(beat())

    threading.Thread(target=run, name="waymark-heartbeat", daemon=True).start()


class Heartbeat:
    """Keeps one worker alive from `start` to `stop`.

    `confirmed` is called in the app's loop after a beat that confirms the lease,
    with the time (`Clock.monotonic`) at which it was sent; `lost` when the row is
    gone. Both are called in the loop that called `start`.
    """

    def __init__(
        self,
        store: Store,
        worker: UUID,
        lease_seconds: float,
        confirmed: Callable[[float], None],
        lost: Callable[[UUID], None],
        clock: Clock,
        aside: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
    ) -> None:
        self._store = store
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._confirmed = confirmed
        self._lost = lost
        self._app = asyncio.get_running_loop()
        self._monotonic = clock.monotonic
        self._aside = aside
        self._turned_at = clock.monotonic()
        self._watchdog = watchdog.Watchdog()
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._pulse: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._show_life()
        self._aside(self._beat)

    def stop(self) -> None:
        """Beat no more. The thread ends by itself."""
        self._stopped = True
        if self._pulse is not None:
            self._pulse.cancel()
        if self._loop is not None and self._wake is not None:
            with contextlib.suppress(RuntimeError):  # It has ended already.
                self._loop.call_soon_threadsafe(self._wake.set)

    def _show_life(self) -> None:
        self._turned_at = self._monotonic()
        self._pulse = self._app.call_later(PULSE_SECONDS, self._show_life)

    async def _beat(self) -> None:
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        interval = self._lease_seconds / BEATS_PER_LEASE
        while not self._stopped and not self._app.is_closed():
            pause = interval
            if self._monotonic() - self._turned_at > STUCK_SECONDS:
                log.error("the event loop has not turned for %.0f s: no more beats", STUCK_SECONDS)
                return
            sent_at = self._monotonic()
            try:
                alive = await self._store.beat(self._worker, self._lease_seconds, self._wake.set)
            except Exception as error:  # noqa: BLE001  # the next beat may succeed
                log.warning("a heartbeat failed: %s", error)
                pause = min(interval, 1.0)
            else:
                if not alive:
                    self._app.call_soon_threadsafe(self._lost, self._worker)
                    return
                self._app.call_soon_threadsafe(self._confirmed, sent_at)
            await self._rest(self._wake, pause)

    async def _rest(self, wake: asyncio.Event, seconds: float) -> None:
        """Wait so long, or to be woken; meanwhile look whether the app's loop turns."""
        end = self._monotonic() + seconds
        while not wake.is_set() and (left := end - self._monotonic()) > _REST_SECONDS_MIN:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), min(left, watchdog.LOOK_SECONDS))
            if not self._stopped:
                self._watchdog.look(self._monotonic() - self._turned_at)
        wake.clear()
