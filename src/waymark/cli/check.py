"""`waymark check`: everything that does not compile, of all workflows at once.

Works without a database and starts nothing. Exit status: 0 when all is well (or
only warnings were found), 1 for errors, 2 when something could not be checked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from waymark.compiler.catalogue import CODES
from waymark.compiler.report import Report, as_github, as_json, as_text
from waymark.compiler.sarif import as_sarif

from . import waymark_version
from .collecting import check_targets
from .pages import page
from .targets import TargetError

_FORMATS = ("text", "json", "github", "sarif")


def _codes(ctx: click.Context, option: click.Parameter, value: Sequence[str]) -> tuple[str, ...]:
    """Codes and beginnings of codes, from options that may be repeated and hold commas."""
    given = [part.strip().upper() for text in value for part in text.split(",") if part.strip()]
    for one in given:
        if not any(code.startswith(one) for code in CODES):
            raise click.BadParameter(f"no code begins with {one}; `waymark explain` lists all")
    return tuple(given)


@click.command()
@click.argument("targets", nargs=-1, metavar="[PATH_OR_MODULE]...")
@click.option(
    "--output-format",
    type=click.Choice(_FORMATS),
    default="text",
    help="text (the default) is for people; the others for programs.",
)
@click.option(
    "--select", multiple=True, metavar="CODES", callback=_codes, help="Only these: WM2,WM301."
)
@click.option("--ignore", multiple=True, metavar="CODES", callback=_codes, help="Without these.")
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Skip files and directories like this."
)
@click.option("--quiet", "-q", is_flag=True, help="Show what was found, and no summary.")
def check(
    targets: tuple[str, ...],
    output_format: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    exclude: tuple[str, ...],
    quiet: bool,
) -> None:
    """Import files, directories or modules (the current directory, when none is
    named), compile every workflow that they define, and say all that is wrong.

    In a directory only files that define a workflow are imported.
    """
    try:
        report = selected(check_targets(targets or (".",), exclude), select, ignore)
    except TargetError as error:
        raise click.UsageError(str(error)) from None
    shown = _shown(report, output_format, quiet)
    if shown:
        click.echo(shown, color=True)
    if not report.workflows and not report.failures:
        click.echo(f"no workflow was found in {', '.join(targets) or 'this directory'}", err=True)
    sys.exit(2 if report.failures else 1 if report.count("error") else 0)


def selected(report: Report, select: tuple[str, ...], ignore: tuple[str, ...]) -> Report:
    """The report without what was not selected, and without what is ignored."""
    kept = tuple(
        found
        for found in report.diagnostics
        if found.code.startswith(select or ("",)) and not (ignore and found.code.startswith(ignore))
    )
    return replace(report, diagnostics=kept)


def _shown(report: Report, output_format: str, quiet: bool) -> str:
    match output_format:
        case "json":
            return as_json(report)
        case "github":
            return as_github(report)
        case "sarif":
            return as_sarif(report, page, waymark_version())
        case _:
            return as_text(report, colour=wants_colour(), summary=not quiet)


def wants_colour() -> bool:
    """Whether output is to be coloured: on a terminal, unless the environment says
    otherwise, in the order in which Python itself reads it."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
