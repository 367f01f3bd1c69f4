"""What the system knows of a process, also where there is no `ps`, as on slim images."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROC = Path("/proc")


def parent_of(pid: int) -> int:
    """The process that is the parent of a live one."""
    if (PROC / "self" / "stat").exists():
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return int(_asked("ppid=", pid))


def command_of(pid: int) -> bytes:
    """The command line of a process, its words apart by spaces; empty when it has gone."""
    if (PROC / "self" / "stat").exists():
        try:
            return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            return b""
    return _asked("command=", pid)


def _asked(what: str, pid: int) -> bytes:
    command = ["ps", "-ww", "-o", what, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, check=False).stdout
