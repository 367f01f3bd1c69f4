"""Stores that both tests and their simulated processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.runtime.workflows import Stage, current
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.open import open_store
from waymark.store.protocol import Store


@pytest.fixture
def stage() -> Iterator[Stage]:
    """What the actions of this test do and wait for."""
    fresh = Stage()
    current.append(fresh)
    yield fresh
    current.remove(fresh)


@pytest.fixture(params=["memory", "postgres"])
def new_store(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Makes stores on one database, each as a process of its own would."""
    if request.param == "memory":
        database = MemoryDatabase()
        return lambda: MemoryStore(database)
    url = request.getfixturevalue("database_url")
    schema = request.getfixturevalue("schema")
    return lambda: open_store(url, schema=schema)
