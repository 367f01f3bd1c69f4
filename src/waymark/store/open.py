"""From a database URL to a store."""

from __future__ import annotations

from waymark.errors import SettingsError

from .memory import MemoryStore
from .packing import chosen_packer
from .protocol import Store


def open_store(
    url: str,
    *,
    schema: str = "waymark",
    lanes: int = 2,
    connect_timeout_seconds: float = 10.0,
    migrate: bool = True,
) -> Store:
    """The store that `url` names, not yet opened (`await store.open()`). The
    settings matter to PostgreSQL alone. Raises `SettingsError`, whose message
    never quotes the URL, since it may hold a password."""
    packer = chosen_packer()  # Wrong is wrong on memory, too.
    scheme = url.partition("://")[0].lower()
    if scheme == "memory":
        return MemoryStore(lanes=lanes)
    # Only now, so that tests on memory do not pay for importing asyncpg.
    from .postgres.address import SCHEMES
    from .postgres.store import PostgresStore

    if scheme not in SCHEMES or "://" not in url:
        raise SettingsError(
            "the database URL must begin with postgresql:// or postgres:// (postgresql+asyncpg://"
            " is accepted too), or be memory:// for tests; see WAYMARK_DATABASE_URL"
        )
    return PostgresStore(
        url,
        schema=schema,
        lanes=lanes,
        connect_timeout_seconds=connect_timeout_seconds,
        migrate=migrate,
        packer=packer,
    )
