"""Where the parts of one instance lie.

<instance>/            0700, owned by the serving user
    data/              the cluster
    data.new/          a cluster that is being made
    run/               the socket, where its path is short enough
    socket             the path of the socket's directory
    workers/           one lock file for each worker
    start.lock  share.lock  supervisor.lock
    server.log  server.log.1
"""

from __future__ import annotations

from os.path import join

#: The server listens on no TCP port; this number is only part of the socket's name.
SOCKET_NAME = ".s.PGSQL.5432"

#: The superuser and the database of every embedded cluster.
USER = "waymark"
DATABASE = "waymark"


class Layout:
    """Paths of one instance, all absolute."""

    __slots__ = (
        "cluster",
        "instance",
        "log",
        "run",
        "share_lock",
        "socket_note",
        "staging",
        "start_lock",
        "supervisor_lock",
        "workers",
    )

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.cluster = join(instance, "data")
        self.staging = join(instance, "data.new")
        self.run = join(instance, "run")
        self.socket_note = join(instance, "socket")
        self.workers = join(instance, "workers")
        self.start_lock = join(instance, "start.lock")
        self.share_lock = join(instance, "share.lock")
        self.supervisor_lock = join(instance, "supervisor.lock")
        self.log = join(instance, "server.log")

    @property
    def postmaster_note(self) -> str:
        """The file in which a running server keeps its pid and its state."""
        return join(self.cluster, "postmaster.pid")

    def worker_lock(self, worker: str) -> str:
        return join(self.workers, f"{worker}.lock")


def server_is_ready(layout: Layout, pid: int | None = None) -> bool:
    """Whether the server says that it takes connections (and has this pid)."""
    try:
        with open(layout.postmaster_note, encoding="utf-8", errors="replace") as note:
            lines = note.read().splitlines()
    except OSError:
        return False
    # The eighth line is the state; PostgreSQL pads it with blanks.
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return ready and (pid is None or lines[0].strip() == str(pid))
