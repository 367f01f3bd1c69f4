"""A private, real PostgreSQL server for an application that names no database.

Everything about the launcher of our own (why not the wheels' launchers, who
stops the server, what survives) is told in `supervisor/__init__.py`, and what
an application does in `server.py`.
"""

from __future__ import annotations

import sys

from waymark.errors import EmbeddedUnavailable

if sys.platform == "win32":
    raise EmbeddedUnavailable(
        "there is no embedded PostgreSQL on Windows. Set WAYMARK_DATABASE_URL to a server "
        "that you have, for example postgresql://user:password@localhost/waymark."
    )

from .binaries import find_binaries
from .place import default_data_directory
from .server import EmbeddedServer, start_embedded

__all__ = ["EmbeddedServer", "default_data_directory", "find_binaries", "start_embedded"]
