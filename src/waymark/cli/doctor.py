"""`waymark doctor`: is the database fit for Waymark, and is all well in it.

Reads, and changes nothing. Exit status: 0 when there is no problem (warnings may be), 1 for
problems, 2 when the database could not be looked at.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waymark.errors import WaymarkError
from waymark.settings import load_settings

if TYPE_CHECKING:
    from waymark.store.postgres.checkup import Finding

_NO_DATABASE = (
    "no database is named; give --database-url or set WAYMARK_DATABASE_URL, or, for the embedded"
    " PostgreSQL, --data-directory (start() says which one it uses)"
)
_IN_MEMORY = "memory:// ends with its process, so there is nothing to look at"


@click.command()
@click.option("--database-url", metavar="URL", help="Default: WAYMARK_DATABASE_URL.")
@click.option("--schema", metavar="NAME", help="Default: WAYMARK_SCHEMA, else waymark.")
@click.option(
    "--data-directory",
    type=click.Path(path_type=Path),
    help="The embedded PostgreSQL's, where there is no URL.",
)
@click.option(
    "--output-format",
    type=click.Choice(("text", "json")),
    default="text",
    help="text (the default) is for people, json for programs.",
)
def doctor(
    database_url: str | None, schema: str | None, data_directory: Path | None, output_format: str
) -> None:
    """Look at the database that Waymark uses: its settings, the schema, the processes that
    are alive, runs that are blocked, quarantined or wait in vain, and what keeps the tables
    from being kept small. Each problem is named with what to do."""
    try:
        findings = look(database_url, schema, data_directory)
    except WaymarkError as error:
        click.echo(f"waymark doctor: {error}", err=True)
        sys.exit(2)
    click.echo(_json(findings) if output_format == "json" else _text(findings))
    sys.exit(1 if any(finding.level == "problem" for finding in findings) else 0)


def look(url: str | None, schema: str | None, data_directory: Path | None) -> Sequence[Finding]:
    """What is to be said. Raises `SettingsError` and `StoreError`."""
    from waymark.errors import SettingsError
    from waymark.store.postgres.checkup import check_up

    given = {"database_url": url, "schema": schema, "data_directory": data_directory}
    settings = load_settings(given, os.environ)
    if settings.database_url is not None:
        if settings.database_url.startswith("memory:"):
            raise SettingsError(_IN_MEMORY)
        return asyncio.run(check_up(settings.database_url, settings.schema))
    if settings.data_directory is None:
        raise SettingsError(_NO_DATABASE)
    if not settings.data_directory.is_dir():
        raise SettingsError(f"there is no data directory {settings.data_directory}")
    with _embedded(settings.data_directory) as dsn:
        return asyncio.run(check_up(dsn, settings.schema))


@contextmanager
def _embedded(directory: Path) -> Generator[str]:
    from waymark.store.embedded import start_embedded

    server = start_embedded(directory)
    try:
        yield server.dsn()
    finally:
        server.close()


def _json(findings: Sequence[Finding]) -> str:
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)


def _text(findings: Sequence[Finding]) -> str:
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.level:8} {finding.subject:13} {finding.text}")
        if finding.remedy:
            lines.append(f"{'':22} -> {finding.remedy}")
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    lines.append(f"{problems} problems, {warnings} warnings")
    return "\n".join(lines)
