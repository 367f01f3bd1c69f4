"""The stores that the contract holds equal, each with a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

import waymark.store.postgres.lane
from tests.store.rows import live_worker
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.postgres import PostgresStore
from waymark.store.protocol import Store


class Cluster:
    """Opens stores that share one database, as processes do."""

    def __init__(self, kind: str, url: str, schema: str) -> None:
        self.kind = kind
        self._url = url
        self._schema = schema
        self._memory = MemoryDatabase()
        self._opened: list[Store] = []

    async def open(self) -> Store:
        store: Store
        if self.kind == "memory":
            store = MemoryStore(self._memory)
        else:
            store = PostgresStore(self._url, schema=self._schema)
        await store.open()
        self._opened.append(store)
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


@pytest.fixture
def only_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flush goes by the statement that can write any batch. Tests flush little at a
    time, so without this it would hardly be tested."""
    monkeypatch.setattr(waymark.store.postgres.lane, "to_single", lambda _: None)


@pytest.fixture(params=["memory", "postgres", "postgres_batches"])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    kind: str = request.param
    url = schema = ""
    if kind == "postgres_batches":
        request.getfixturevalue("only_batches")
    if kind != "memory":
        url = request.getfixturevalue("database_url")
        schema = request.getfixturevalue("schema")
    cluster = Cluster(kind, url, schema)
    yield cluster
    await cluster.close()


@pytest.fixture
async def store(cluster: Cluster) -> Store:
    return await cluster.open()


@pytest.fixture
async def worker(store: Store) -> UUID:
    return await live_worker(store)


@pytest.fixture(params=["single", "batches"])
def each_statement(request: pytest.FixtureRequest) -> None:
    """Once with the statements for what is done alone, once without them."""
    if request.param == "batches":
        request.getfixturevalue("only_batches")


@pytest.fixture
async def postgres(database_url: str, schema: str) -> AsyncIterator[PostgresStore]:
    """A store over Postgres, for what only it promises."""
    store = PostgresStore(database_url, schema=schema)
    await store.open()
    yield store
    await store.close()
