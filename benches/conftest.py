"""A loop and a database for the benches of single parts.

python -m pytest benches --benchmark-only
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from benches.server import bench_server
from benches.system import drop_schema


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    """A server whose bench schema is empty, and is gone afterwards."""
    with bench_server() as url:
        asyncio.run(drop_schema(url))
        yield url
        asyncio.run(drop_schema(url))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all of a module: what is measured starts no loop of its own."""
    with asyncio.Runner() as running:
        yield running
