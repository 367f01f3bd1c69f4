"""Child processes of the supervisor, and its own identity."""

from __future__ import annotations

import os
import signal
import sys

try:
    import ctypes
except ImportError:  # an interpreter built without libffi
    ctypes = None  # type: ignore[assignment]

#: From <sys/prctl.h>.
PR_SET_PDEATHSIG = 1

#: A supervisor ends when nobody needs its server, and for no other reason.
IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

_linux_library = (
    ctypes.CDLL(None, use_errno=True)
    if sys.platform.startswith("linux") and ctypes is not None
    else None
)


def detach() -> None:
    """Leave the application's process family.

    The application waits for the first process only; the second has no parent
    that must reap it and cannot gain a terminal.
    """
    if os.fork():
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in IGNORED_SIGNALS:
        # A service manager that stops a whole group signals us as well, while
        # the applications still drain and need their database.
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)


def become(uid: int, gid: int) -> None:
    """Give up root for good. Raises PermissionError without the capability."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def spawn(command: list[str], death_signal: int, standard_input: int | None = None) -> int:
    """Start a program whose output goes to our log; returns its pid.

    On Linux it receives `death_signal` when this process dies. (The setting is
    made here, after `become`, because a change of uid clears it.)
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        if standard_input is not None:
            os.dup2(standard_input, 0)
        for number in IGNORED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        if _linux_library is not None:
            _linux_library.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() == parent:
            os.execve(command[0], command, _environment())  # noqa: S606 - no shell wanted
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(127)


def run(command: list[str], text: bytes = b"") -> int:
    """Run a program to its end with `text` as its input; returns its exit code."""
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    pid = spawn(command, signal.SIGKILL, reader)
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _environment() -> dict[str, str]:
    kept = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    values = {name: os.environ[name] for name in kept if name in os.environ}
    return {**values, "LC_ALL": "C"}
