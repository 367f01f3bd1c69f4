"""Which URL gives which store, and what a person reads who wrote a wrong one."""

from __future__ import annotations

import pytest

from waymark.errors import SettingsError
from waymark.store.memory import MemoryStore
from waymark.store.open import open_store
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.address import parse_address


def test_memory_url_gives_the_memory_store() -> None:
    """`memory://` serves unit tests."""
    assert isinstance(open_store("memory://"), MemoryStore)


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgres+asyncpg", "PostgreSQL"]
)
def test_every_usual_scheme_gives_postgres(scheme: str) -> None:
    """A URL as SQLAlchemy, libpq or Heroku write it is accepted as it is."""
    store = open_store(f"{scheme}://ada:secret@db.example:5433/app")
    assert isinstance(store, PostgresStore)
    assert store.label == "postgresql://db.example:5433/app"


@pytest.mark.parametrize("url", ["", "sqlite:///x.db", "db.example/app", "mysql://ada:secret@host"])
def test_other_urls_are_refused_with_the_accepted_forms(url: str) -> None:
    """An unknown scheme names what is accepted, and never quotes the URL."""
    with pytest.raises(SettingsError, match=r"postgresql://.*memory://") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:sec/ret@db/app",
        "postgresql://ada:sec#ret@db/app",
        "postgresql://ada:sec?ret@db/app",
        "postgresql://ada:sec@ret/pass@db/app",
        "postgresql://ada:5432?sec/ret@db/app",
        "postgresql://ada:secret:more/app",
    ],
)
def test_a_password_that_is_not_encoded_is_explained_and_not_shown(url: str) -> None:
    """Parts of a raw password end up in host or port; none of them is printed."""
    with pytest.raises(SettingsError, match="percent-encoded") as caught:
        open_store(url)
    assert "sec" not in str(caught.value)
    assert "ret" not in str(caught.value)


def test_an_address_shows_neither_url_nor_password() -> None:
    """No `repr` of ours shows a password."""
    address = parse_address("postgresql://ada:secret@db/app?password=secret&sslmode=require")
    store = PostgresStore("postgresql://ada:secret@db/app?password=secret")
    shown = f"{address!r} {address} {address.described} {address.label} {store!r}"
    assert "secret" not in shown
    assert "'ada'" in address.described


def test_a_socket_directory_is_the_host() -> None:
    """The embedded server has no host but a directory."""
    assert parse_address("postgresql://w@/waymark?host=%2Ftmp%2Fx&port=5432").hosts == "/tmp/x"


@pytest.mark.parametrize("schema", ["", "way mark", 'x"; drop', "1st", "pg_waymark", "x" * 49])
def test_a_schema_must_be_a_plain_identifier(schema: str) -> None:
    """The schema's name goes into statements, so it is checked before."""
    with pytest.raises(SettingsError, match="schema="):
        open_store("postgresql://db/app", schema=schema)
