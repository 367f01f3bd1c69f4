"""The server to measure on: one that is named, or an embedded one of our own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "WAYMARK_BENCH_DATABASE_URL"

#: How long the embedded server may take to stop.
STOP_SECONDS = 20.0


@contextmanager
def bench_server() -> Iterator[str]:
    """A URL for asyncpg: that of WAYMARK_BENCH_DATABASE_URL, else of an embedded
    server with its defaults in a new directory, gone afterwards.

    The directory lies where TMPDIR points. On a file system in memory `fsync`
    costs nothing, and what is measured there says little about a disk.
    """
    if url := os.environ.get(VARIABLE):
        yield url
        return
    from waymark.store.embedded import start_embedded

    with tempfile.TemporaryDirectory(prefix="waymark-bench-") as name:
        # Run as root, the server serves under another account, which must get in.
        directory = Path(name)
        directory.chmod(0o755)
        server = start_embedded(directory / "data")
        try:
            yield server.dsn()
        finally:
            server.close(wait_seconds=STOP_SECONDS)
