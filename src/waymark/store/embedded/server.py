"""An application's share in an embedded server.

`start_embedded` takes part in the protocol that `supervisor/__init__.py` tells:
under `start.lock` it takes its share, then attaches to the server that runs, or
starts a supervisor and waits for its word.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from waymark.errors import EmbeddedUnavailable, WaymarkBug

from .account import Account, serving_account
from .binaries import find_binaries, major_version
from .hold import HeldLock
from .launch import POLL_SECONDS, provide_server, ready_socket, take_share, take_start_lock
from .place import (
    default_data_directory,
    instance_directory,
    other_clusters,
    prepare_instance,
)
from .supervisor.flock import is_held
from .supervisor.layout import DATABASE, USER, Layout

logger = logging.getLogger("waymark")


@dataclass(slots=True)
class Share:
    """What one handle holds open."""

    layout: Layout
    account: Account
    binaries: Path
    lock: HeldLock
    workers: dict[UUID, HeldLock] = field(default_factory=dict[UUID, HeldLock])


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """One share in a server. It lasts until `close`, or until the process ends in
    any way; several in one process are independent. Not for use after a fork."""

    data_directory: Path
    socket_directory: Path
    user: str
    major: int
    _share: Share = field(repr=False, compare=False)

    def dsn(self) -> str:
        """A URL for asyncpg and libpq, over the server's private Unix socket."""
        host = quote(os.fsencode(self.socket_directory), safe="")
        return f"postgresql://{self.user}@/{DATABASE}?host={host}&port=5432"

    @property
    def log_path(self) -> Path:
        """Where the server and its supervisor write."""
        return Path(self._share.layout.log)

    def lock_worker(self, worker: UUID) -> None:
        """Hold the proof that `worker` lives, until `unlock_worker`, `close` or this
        process's end. Call it before the worker's row is written."""
        path = Path(self._share.layout.worker_lock(str(worker)))
        while True:
            lock = HeldLock(path, self._share.account)
            if not lock.take_exclusive():
                lock.release()
                raise WaymarkBug(f"worker {worker} is already locked")
            if lock.is_current:
                break
            lock.release()  # removed as a dead one's while we opened it
        self._share.workers[worker] = lock

    def unlock_worker(self, worker: UUID) -> None:
        """Give the proof up. Call it after the worker's row is gone."""
        lock = self._share.workers.pop(worker, None)
        if lock is not None:
            lock.release(remove=True)

    def dead_workers(self, workers: Iterable[UUID]) -> list[UUID]:
        """Those of `workers` whose lock file is there and held by no process: proven
        dead, at once. One that never locked (it came by a plain URL) has no file,
        and nothing is said of it."""
        layout = self._share.layout
        paths = {worker: layout.worker_lock(str(worker)) for worker in workers}
        return [
            worker for worker, path in paths.items() if Path(path).exists() and not is_held(path)
        ]

    def ensure_running(self) -> None:
        """Start the server again if it and its supervisor were killed. Blocks; costs
        under a millisecond when all is well. (A server that ended alone is started
        again by its supervisor; wait for it, or call this.)"""
        share = self._share
        if ready_socket(share.layout, share.account) is not None:
            return
        start_lock = take_start_lock(share.layout, share.account)
        try:
            provide_server(share.layout, share.account, share.binaries)
        finally:
            start_lock.release()

    def close(self, wait_seconds: float = 0.0) -> None:
        """Give up this share and its workers. The last one out stops the server;
        wait for that at most `wait_seconds`. May be called again."""
        share = self._share
        for lock in share.workers.values():
            lock.release()  # the files stay: a row that was left behind is a dead one's
        share.workers.clear()
        share.lock.release()
        deadline = time.monotonic() + wait_seconds
        while is_held(share.layout.supervisor_lock) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def start_embedded(data_directory: Path | None = None) -> EmbeddedServer:
    """Take a share in the server of `data_directory` (default:
    `default_data_directory()`), starting it if need be.

    Blocks: half a second for a new directory, 0.1 s for an existing one, a few
    milliseconds when it runs. Raises `EmbeddedUnavailable`.
    """
    binaries = find_binaries()
    major = major_version(binaries)
    try:
        directory = (data_directory or default_data_directory()).absolute().resolve()
        return _start(directory, binaries, major)
    except OSError as error:
        raise EmbeddedUnavailable(
            f"the embedded PostgreSQL cannot be started: {error}. "
            "Mend that, or set WAYMARK_DATABASE_URL."
        ) from error


def _start(directory: Path, binaries: Path, major: int) -> EmbeddedServer:
    instance = instance_directory(directory, major)
    account = serving_account(instance)
    prepare_instance(directory, instance, account)
    for other in other_clusters(directory, major):
        logger.warning(
            "%s holds runs of another PostgreSQL version; they stay there unseen by this one (%s)",
            other,
            instance.name,
        )
    layout = Layout(str(instance))
    start_lock = take_start_lock(layout, account)
    lock = HeldLock(Path(layout.share_lock), account)
    try:
        take_share(lock)
        socket_directory = provide_server(layout, account, binaries)
    except BaseException:
        lock.release()
        raise
    finally:
        start_lock.release()
    share = Share(layout, account, binaries, lock)
    return EmbeddedServer(directory, socket_directory, USER, major, share)
