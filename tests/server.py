"""A PostgreSQL server of one test's own: to be restarted, felled, filled and replaced.

The programs are those of the embedded server. Started by root they run as the same
unprivileged user as that one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from tests.database import aside
from waymark.store.embedded.account import Account, serving_account
from waymark.store.embedded.binaries import find_binaries, reachable_binaries

PATIENCE_SECONDS = 60.0

#: What keeps a test's server small and quick; its promises stay as they are.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 32MB
max_connections = 60
autovacuum = off
wal_level = replica
max_wal_senders = 3
hot_standby = on
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One cluster in `folder`, listening on `port` while it runs."""

    def __init__(self, folder: Path, account: Account, programs: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.account = account
        #: What is to be done when it has stopped for good.
        self.cleanups: list[Callable[[], None]] = []
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs, to its end."""
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            **self.identity(),
        )

    def identity(self) -> dict[str, object]:
        """Arguments of `subprocess` for running as the serving account."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}

    def make(self) -> None:
        arguments = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
        self.run("initdb", "--no-sync", *arguments, f"--pgdata={self.data}")
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(CONFIGURATION)

    def start(self, *, wait: bool = True) -> None:
        """Start it, and return when it takes connections."""
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, "-p", str(self.port)],
                stdout=log,
                stderr=log,
                **self.identity(),
            )
        if wait:
            aside(self.until_up())

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT ends it at once, without a checkpoint (`immediate`); SIGINT throws its
        clients out in good order (`fast`); SIGSTOP and SIGKILL do as they do."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.wait(PATIENCE_SECONDS)

    def restart(self, number: signal.Signals = signal.SIGQUIT) -> None:
        self.stop(number)
        self.start()

    def copy(self, name: str) -> Server:
        """Another server with all that this one has, which must not run meanwhile."""
        assert self._process is None
        folder = self.folder.parent / name
        folder.mkdir()
        other = Server(folder, self.account, self._programs)
        shutil.copytree(self.data, other.data)
        other.give_away()
        return other

    def replace_by(self, other: Server) -> None:
        """Have the older state of `other` under this server's own port. Neither runs."""
        assert self._process is None
        shutil.rmtree(self.data)
        shutil.copytree(other.data, self.data)
        self.give_away()

    def give_away(self) -> None:
        """To the serving account, where root has made the files."""
        self.data.chmod(0o700)
        for path in (self.folder, self.data, *self.data.rglob("*")):
            if os.geteuid() == 0:
                os.chown(path, self.account.uid, self.account.gid)

    def follow(self, primary: Server) -> None:
        """Become its standby."""
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            address = f"host=127.0.0.1 port={primary.port} user=postgres"
            settings.write(f"primary_conninfo = '{address}'\n")
        (self.data / "standby.signal").touch()
        self.give_away()

    async def until_up(self) -> None:
        """Returns when it takes connections."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self.url, timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError) as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"no server: {self.words()}") from error
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    def words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]


@contextmanager
def private_server() -> Iterator[Server]:
    """A server that runs, and is gone afterwards."""
    top = Path(tempfile.mkdtemp(prefix="waymark-server-"))
    # The server may run as another user than root, who has to get here.
    top.chmod(0o755)
    account = serving_account(top)
    folder = top / "primary"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, account.uid, account.gid)
    server = Server(folder, account, reachable_binaries(find_binaries(), account))
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        for cleanup in server.cleanups:
            cleanup()
        shutil.rmtree(top, ignore_errors=True)
