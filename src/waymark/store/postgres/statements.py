"""The named statements of `sql/*.sql`, for one schema.

`:"schema"` in a statement stands for the quoted name of the schema, as it does
in psql, so that a statement can be tried there with `-v schema=waymark`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from waymark.errors import SettingsError, WaymarkBug

_DIRECTORY = Path(__file__).parent / "sql"
_PLACEHOLDER = ':"schema"'
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

#: Comments stay in the file. What is sent begins with the statement's name instead,
#: since the server shows people (and tests) only the beginning of what it runs.
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)

#: What may be a schema's name: short enough for Postgres to keep whole (63 bytes)
#: and for the channel of hints, which is named after it.
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")


class Statements:
    """`statements["claim"]` is the text of that statement for one schema."""

    def __init__(self, schema: str) -> None:
        self.schema = checked_schema(schema)
        self._texts = {name: with_schema(text, schema) for name, text in _load().items()}

    def __getitem__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise WaymarkBug(f"there is no statement {name!r} in store/postgres/sql") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)


def checked_schema(schema: str) -> str:
    """`schema`, if it is an identifier that needs no thought about quoting."""
    if not _IDENTIFIER.fullmatch(schema) or schema.lower().startswith("pg_"):
        raise SettingsError(
            f"schema={schema!r} is not possible: use letters, digits and underscores, at most"
            " 48, not beginning with a digit or pg_"
        )
    return schema


def with_schema(text: str, schema: str) -> str:
    """`text` with its placeholders resolved."""
    return text.replace(_PLACEHOLDER, f'"{checked_schema(schema)}"')


@cache
def _load() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(_DIRECTORY.glob("*.sql")):
        _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise WaymarkBug(f"two statements are called {name!r}, one in {path.name}")
            found[name] = f"/* waymark {name} */\n{_COMMENT.sub('', text).strip()}"
    return found
