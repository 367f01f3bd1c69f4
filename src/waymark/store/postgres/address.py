"""Where a database is, without the secret that opens it.

A URL is taken apart by hand for what people may see of it, since a password that
was not percent-encoded ("pa/ss", "pa#ss") makes parsers put parts of it into the
host, the port or their error messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from waymark.errors import SettingsError

#: Schemes that mean PostgreSQL; the third is what SQLAlchemy's users have at hand.
SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgres+asyncpg")

_HOSTS = re.compile(
    r"(\[[0-9A-Fa-f:.%]+\]|[\w.\-%]*)(:\d+)?(,(\[[0-9A-Fa-f:.%]+\]|[\w.\-%]*)(:\d+)?)*"
)


@dataclass(frozen=True, slots=True)
class Address:
    """`url` is for asyncpg alone. The other parts may be shown; each is empty
    where the URL leaves it to libpq's environment and defaults."""

    url: str
    hosts: str
    database: str
    user: str

    def __repr__(self) -> str:
        return f"Address({self.label})"

    @property
    def label(self) -> str:
        """Scheme, host and database."""
        return f"postgresql://{self.hosts}/{self.database}"

    @property
    def described(self) -> str:
        """A clause for messages: host and port, database and user."""
        hosts = f"at {self.hosts}" if self.hosts else "at the default host"
        database = f"database {self.database!r}" if self.database else "the user's default database"
        user = f"as user {self.user!r}" if self.user else "as the default user"
        return f"{hosts}, {database}, {user}"


def parse_address(url: str) -> Address:
    """Split a PostgreSQL URL. Raises `SettingsError`, which never quotes it."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise SettingsError("not a PostgreSQL URL; write postgresql://user:password@host:5432/name")
    location, _, query = rest.partition("?")
    authority, _, path = location.partition("/")
    login, _, hosts = authority.rpartition("@")
    misread = "@" in path or (not login and "@" in query)
    if "#" in rest or misread or not _HOSTS.fullmatch(hosts):
        raise SettingsError(
            "the database URL cannot be read; in its user name and password the characters"
            " / ? # @ : % must be percent-encoded (urllib.parse.quote(password, safe=''))"
        )
    asked = parse_qs(query)
    return Address(
        url=f"postgresql://{rest}",
        hosts=hosts or ",".join(asked.get("host", [])),
        database=unquote(path) or "".join(asked.get("database", asked.get("dbname", []))[:1]),
        user=unquote(login.partition(":")[0]) or "".join(asked.get("user", [])[:1]),
    )
