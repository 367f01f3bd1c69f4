"""PgBouncer before a test's server, in transaction mode, as Debian packages it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.database import aside
from tests.server import PATIENCE_SECONDS, Server, free_port

SETTINGS = """
[databases]
postgres = host=127.0.0.1 port={server} dbname=postgres user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
server_login_retry = 1
ignore_startup_parameters = {ignored}
"""


def pgbouncer_program() -> str:
    """Where PgBouncer is; skips the test where it is not installed."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
    return found


@contextmanager
def pooler(server: Server, *, ignored: str = "extra_float_digits") -> Iterator[str]:
    """The URL of a PgBouncer before `server`, which accepts and forgets the settings that
    are `ignored` in a startup message."""
    program = pgbouncer_program()
    folder = server.folder.parent / "pooler"
    folder.mkdir()
    settings, port = folder / "pgbouncer.ini", free_port()
    settings.write_text(SETTINGS.format(server=server.port, port=port, ignored=ignored))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, settings], stdout=log, stderr=log, **server.identity())
    try:
        before = Pooler(folder, port)
        aside(before.until_up())
        yield before.url
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
        shutil.rmtree(folder)


class Pooler(Server):
    """Only what can be asked of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
