"""Finding the running server of an instance, or starting a supervisor for it.

Everything here happens under `start.lock`, so at most one process decides.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from waymark.errors import EmbeddedUnavailable

from .account import Account
from .binaries import reachable_binaries
from .hold import HeldLock
from .supervisor.cluster import read_socket_directory
from .supervisor.flock import is_held
from .supervisor.layout import SOCKET_NAME, Layout, server_is_ready

#: How long the server, or another process, may take to start or stop it; a
#: recovery after a crash is part of that.
START_SECONDS_MAX = 120.0
POLL_SECONDS = 0.002

#: "Do you speak TLS?", which a server answers in one byte before anything else.
ENCRYPTION_QUESTION = struct.pack("!ii", 8, 80877103)
PROBE_SECONDS_MAX = 2.0

#: An older log is moved aside, so two of this size are the bound.
LOG_BYTES_MAX = 4 << 20
LOG_TAIL_LINES = 8

#: What a supervisor keeps of the application's environment. Not more: it may run
#: as a user who must not read the application's secrets.
ENVIRONMENT = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

#: With -I and -S nothing but the standard library can be imported, and then the
#: supervisor's own package by its name.
BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from supervisor.program import main; main(sys.argv[2:])"
)


def take_start_lock(layout: Layout, account: Account) -> HeldLock:
    """Become the one process that decides about this instance."""
    while True:
        lock = HeldLock(Path(layout.start_lock), account)
        try:
            _take(lock.take_exclusive, lock.path)
        except BaseException:
            lock.release()
            raise
        if lock.is_current:
            return lock
        lock.release()  # somebody removed the directory and made it anew


def take_share(lock: HeldLock) -> None:
    """Only a supervisor ever locks it alone, and for an instant while we decide."""
    _take(lock.take_shared, lock.path)


def provide_server(layout: Layout, account: Account, binaries: Path) -> Path:
    """The socket's directory of a server that takes connections."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        found = ready_socket(layout, account) if is_held(layout.supervisor_lock) else None
        if found is not None:
            return found
        if not is_held(layout.supervisor_lock):
            started = _launch(layout, account, binaries, deadline)
            if started is not None:
                return started
        time.sleep(POLL_SECONDS)
    raise _failure(layout, f"the server took no connection for {START_SECONDS_MAX:.0f} s")


def ready_socket(layout: Layout, account: Account) -> Path | None:
    """The directory of the socket, if the server takes connections there."""
    directory = read_socket_directory(layout, account.uid)
    if directory is None or not server_is_ready(layout):
        return None
    return Path(directory) if _answers(f"{directory}/{SOCKET_NAME}") else None


def _answers(path: str) -> bool:
    """Whether a server speaks here. That a connection is made proves nothing: the
    kernel accepts it for a server that was killed this very moment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS_MAX)
        try:
            probe.connect(path)
            probe.sendall(ENCRYPTION_QUESTION)
            return len(probe.recv(1)) == 1
        except OSError:
            return False


def _launch(layout: Layout, account: Account, binaries: Path, deadline: float) -> Path | None:
    """Start a supervisor; None when another one has the instance meanwhile."""
    _check_account(layout, account)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as answers:
        try:
            _spawn(layout, account, reachable_binaries(binaries, account), writer)
        finally:
            os.close(writer)
        answer = _read_answer(answers.fileno(), deadline)
    word, _, rest = answer.partition(" ")
    match word:
        case "ready":
            return Path(rest)
        case "busy":
            return None
        case "failed":
            raise _failure(layout, rest)
        case _:
            raise _failure(layout, "its supervisor ended without a word")


def _check_account(layout: Layout, account: Account) -> None:
    made = Path(layout.cluster, "PG_VERSION").exists()
    if not made and not account.known:
        raise EmbeddedUnavailable(
            f"uid {account.uid} has no entry in this system's user database, and PostgreSQL's "
            "initdb refuses to work without one. Run as a user that has an entry (in a container: "
            f"`RUN useradd --uid {account.uid} app`), or set WAYMARK_DATABASE_URL."
        )


def _spawn(layout: Layout, account: Account, binaries: Path, status: int) -> None:
    package = Path(__file__).resolve().parent
    order = [layout.instance, str(binaries), str(account.uid), str(account.gid), str(status)]
    command = [_interpreter(), "-I", "-S", "-c", BOOTSTRAP, str(package), *order]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    log = _open_log(layout, account)
    try:
        # Its first process only forks and ends, so this does not wait for long.
        subprocess.run(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(status,),
            env=environment,
            cwd="/",
            start_new_session=True,
            check=False,
        )
    finally:
        os.close(log)


def _interpreter() -> str:
    """This Python; a program that embeds it may have put its own name there."""
    versioned = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (
        Path(sys.executable or "unknown"),
        Path(sys.exec_prefix, "bin", "python3"),
        Path(sys.base_exec_prefix, "bin", versioned),
    ):
        if "py" in candidate.name and os.access(candidate, os.X_OK):
            return str(candidate)
    raise EmbeddedUnavailable(
        "the embedded PostgreSQL needs a Python interpreter to watch over it, and "
        f"{sys.executable!r} is none. Set WAYMARK_DATABASE_URL."
    )


def _open_log(layout: Layout, account: Account) -> int:
    path = Path(layout.log)
    if path.exists() and path.lstat().st_size > LOG_BYTES_MAX:
        path.replace(f"{layout.log}.1")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(layout.log, flags, 0o600)
    if os.geteuid() == 0 and os.fstat(log).st_nlink == 1:
        os.fchown(log, account.uid, account.gid)
    return log


def _read_answer(descriptor: int, deadline: float) -> str:
    answer = b""
    while not answer.endswith(b"\n"):
        remaining = deadline - time.monotonic()
        ready, _, _ = select.select([descriptor], [], [], max(remaining, 0.0))
        part = os.read(descriptor, 4096) if ready else b""
        if not part:
            break
        answer += part
    return os.fsdecode(answer).rstrip("\n")


def _failure(layout: Layout, problem: str) -> EmbeddedUnavailable:
    try:
        lines = Path(layout.log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    tail = "".join(f"\n    {line}" for line in lines[-LOG_TAIL_LINES:])
    return EmbeddedUnavailable(
        f"the embedded PostgreSQL cannot run in {layout.instance}: {problem}. Mend that, name "
        "another directory by WAYMARK_DATA_DIRECTORY, or set WAYMARK_DATABASE_URL. The end of "
        f"{layout.log}:{tail or ' (empty)'}"
    )


def _take(take: Callable[[], bool], path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not take():
        if time.monotonic() > deadline:
            raise EmbeddedUnavailable(
                f"another process has been starting or stopping the embedded PostgreSQL for "
                f"{START_SECONDS_MAX:.0f} s ({path} is locked). End it, or set "
                "WAYMARK_DATABASE_URL."
            )
        time.sleep(POLL_SECONDS)
