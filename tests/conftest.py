"""What all tests share: the event loop's library, and a database."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.database import describe_database, execute, running_database
from waymark.store.packing import chosen_packer


def pytest_report_header(config: pytest.Config) -> str | None:
    if config.option.collectonly:
        return None
    return f"database: {describe_database()}; flushes: {chosen_packer().name}"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """A PostgreSQL server of the tests' own, started when first asked for."""
    with running_database() as url:
        yield url


@pytest.fixture
def schema(database_url: str) -> Iterator[str]:
    """The name of a schema that no other test uses, and that is gone afterwards."""
    name = f"test_{uuid4().hex[:16]}"
    yield name
    execute(database_url, f'drop schema if exists "{name}" cascade')
