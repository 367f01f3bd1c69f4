"""The supervisor's main program: make, start, watch, stop.

Called as `main([instance, binaries, uid, gid, status descriptor])`. It answers
its maker with one line on the status descriptor:

    ready <socket directory>      the server takes connections
    busy                          another supervisor has the instance
    failed <text>                 for the user

and ends by itself once no application shares the instance.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from os.path import join

from .cluster import (
    SetupFailed,
    choose_socket_directory,
    clear_stale_server,
    make_cluster,
    noted_server,
)
from .flock import is_held, open_lock_file, try_exclusive, unlock, wait_exclusive
from .layout import Layout, server_is_ready
from .process import become, detach, spawn

#: How long a supervisor that is just ending may keep the instance's lock.
HANDOVER_SECONDS_MAX = 5.0
#: How long the processes of a killed server may keep its shared memory.
LEFTOVER_SECONDS_MAX = 60.0
#: After this the server is told to drop everything; its next start recovers.
FAST_STOP_SECONDS_MAX = 60.0
#: Pause before a server that ended by itself is started again; it doubles.
RESTART_SECONDS_MIN = 0.05
RESTART_SECONDS_MAX = 5.0
POLL_SECONDS = 0.002

SETTINGS = (
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "max_connections=200",
    "logging_collector=off",
    "log_destination=stderr",
    "log_checkpoints=off",
    "log_line_prefix=%m [%p] ",
    "cluster_name=waymark",
)

#: How long the lock file of a dead worker is kept.
PROOF_SECONDS = 24 * 3600


class Server:
    """The running server, and the one thread that may end it."""

    def __init__(self, layout: Layout, binaries: str, socket_directory: str) -> None:
        self.layout = layout
        self.socket_directory = socket_directory
        self.command = [join(binaries, "postgres"), "-D", layout.cluster]
        for setting in (*SETTINGS, f'unix_socket_directories="{socket_directory}"'):
            self.command += ["-c", setting]
        self.pid: int | None = None
        self.guard = threading.Lock()
        self.stopping = threading.Event()
        self.ended = threading.Event()

    def start(self) -> bool:
        """Start it and wait until it takes connections; False when it ended."""
        clear_stale_server(self.layout, self.socket_directory)
        with self.guard:
            if self.stopping.is_set():
                return False
            # SIGINT is the fast, clean way to stop a server.
            self.pid = pid = spawn(self.command, signal.SIGINT)
        while not server_is_ready(self.layout, pid):
            if self._reap(os.WNOHANG):
                return False
            time.sleep(POLL_SECONDS)
        return True

    def wait(self) -> None:
        """Until the server has ended."""
        while self.pid is not None:
            self._reap(0)

    def stop(self) -> None:
        """End it for good; called from the watching thread."""
        with self.guard:
            self.stopping.set()
            self._signal(signal.SIGINT)
        if not self.ended.wait(FAST_STOP_SECONDS_MAX):
            with self.guard:
                self._signal(signal.SIGQUIT)

    def _signal(self, number: int) -> None:
        try:
            if self.pid is not None:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def _reap(self, options: int) -> bool:
        if self.pid is not None and os.waitpid(self.pid, options)[0]:
            with self.guard:
                self.pid = None
        return self.pid is None


def main(arguments: list[str]) -> None:
    instance, binaries, uid, gid, status = arguments
    os.set_inheritable(int(status), False)
    detach()
    try:
        server = _open(Layout(instance), binaries, int(uid), int(gid))
        answer = "busy" if server is None else f"ready {server.socket_directory}"
    except (SetupFailed, OSError) as error:
        _log(f"giving up: {error!r}")
        server, answer = None, "failed " + " ".join(str(error).split())
    # Watched before anybody is told, so that these are the very files that the
    # applications lock, whatever happens to the directory later.
    watcher = None if server is None else _watcher(server)
    _tell(int(status), answer)
    if server is not None and watcher is not None:
        watcher.start()
        _keep(server)


def _open(layout: Layout, binaries: str, uid: int, gid: int) -> Server | None:
    try:
        become(uid, gid)
    except OSError as error:
        raise SetupFailed(f"root may not become user {uid} here ({error})") from error
    # The descriptor is left open on purpose: it is this process's claim.
    if not _try_for(HANDOVER_SECONDS_MAX, open_lock_file(layout.supervisor_lock, uid, gid)):
        _log("another supervisor has this instance")
        return None
    os.chdir(layout.instance)
    _stop_orphan(layout)
    make_cluster(layout, binaries)
    _remove_old_workers(layout)
    server = Server(layout, binaries, choose_socket_directory(layout))
    deadline = time.monotonic() + LEFTOVER_SECONDS_MAX
    written = _log_size(layout)
    while not server.start():
        leftover = "still in use" in _log_since(layout, written)
        if not leftover or time.monotonic() > deadline:
            raise SetupFailed("the server ended at once")
        time.sleep(0.05)
        written = _log_size(layout)
    return server


def _keep(server: Server) -> None:
    """Start the server again whenever it ends while it is needed."""
    pause = RESTART_SECONDS_MIN
    while True:
        began = time.monotonic()
        server.wait()
        if server.stopping.is_set():
            break
        if time.monotonic() - began > RESTART_SECONDS_MAX:
            pause = RESTART_SECONDS_MIN
        _log("the server ended by itself; it is started again")
        while not server.stopping.wait(pause) and not _start_again(server):
            pause = min(2 * pause, RESTART_SECONDS_MAX)
    server.ended.set()
    if server.socket_directory != server.layout.run:
        _ignore_missing(os.rmdir, server.socket_directory)


def _start_again(server: Server) -> bool:
    try:
        return server.start()
    except OSError as error:  # no memory, no process, no space: all may pass
        _log(f"the server cannot be started now: {error!r}")
        return False


def _watcher(server: Server) -> threading.Thread:
    layout = server.layout
    uid, gid = os.geteuid(), os.getegid()
    share = open_lock_file(layout.share_lock, uid, gid)
    start = open_lock_file(layout.start_lock, uid, gid)
    return threading.Thread(target=_stop_when_unused, args=(server, share, start), daemon=True)


def _stop_when_unused(server: Server, share: int, start: int) -> None:
    while True:
        wait_exclusive(share)
        unlock(share)
        wait_exclusive(start)
        if try_exclusive(share):
            # Both stay locked until this process ends, so that whoever starts
            # next finds the server stopped, not stopping.
            server.stop()
            return
        unlock(start)


def _stop_orphan(layout: Layout) -> None:
    """Stop a server whose supervisor was killed; nobody would ever stop it."""
    pid = noted_server(layout)
    if pid is None:
        return
    _log(f"stopping the server {pid}, which has lost its supervisor")
    deadline = time.monotonic() + FAST_STOP_SECONDS_MAX
    os.kill(pid, signal.SIGINT)
    while noted_server(layout) == pid:
        if time.monotonic() > deadline:
            raise SetupFailed(f"a server without supervisor (pid {pid}) does not stop")
        time.sleep(POLL_SECONDS)


def _remove_old_workers(layout: Layout) -> None:
    """Files that nobody holds are proofs of death; a day later every lease that
    they could speak of has run out anyhow."""
    os.makedirs(layout.workers, mode=0o700, exist_ok=True)
    for name in os.listdir(layout.workers):
        path = join(layout.workers, name)
        if time.time() - os.stat(path).st_mtime > PROOF_SECONDS and not is_held(path):
            _ignore_missing(os.unlink, path)


def _try_for(seconds: float, descriptor: int) -> bool:
    deadline = time.monotonic() + seconds
    while not try_exclusive(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _log_size(layout: Layout) -> int:
    return os.stat(layout.log).st_size


def _log_since(layout: Layout, position: int) -> str:
    with open(layout.log, "rb") as log:
        log.seek(position)
        return log.read().decode(errors="replace")


def _ignore_missing(remove: Callable[[str], None], path: str) -> None:
    try:
        remove(path)
    except OSError:
        return


def _log(text: str) -> None:
    moment = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    sys.stderr.write(f"{moment} [{os.getpid()}] supervisor: {text}\n")
    sys.stderr.flush()


def _tell(status: int, answer: str) -> None:
    try:
        os.write(status, os.fsencode(answer + "\n"))
    except BrokenPipeError:
        _log("the application that asked for this server is gone")
    finally:
        os.close(status)
