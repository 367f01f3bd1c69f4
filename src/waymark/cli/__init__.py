"""The command line: `waymark <command>`, one file per command.

A command stands in a file of its own name and is entered in `COMMANDS`; it is
imported when it is asked for, so that no command pays for another.
"""

from __future__ import annotations

import importlib
import io
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

#: Name -> where it is, `module:attribute`, and the line that `waymark --help` shows.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("waymark.cli.check:check", "Say what in a project's workflows does not compile."),
    "doctor": ("waymark.cli.doctor:doctor", "Say what is wrong with the database and its runs."),
    "explain": ("waymark.cli.explain:explain", "Print the page of a code such as WM204."),
    "worker": ("waymark.cli.worker:worker", "Execute workflows and actions of some modules."),
}


def waymark_version() -> str:
    """As it was installed; a working copy on the path alone has none."""
    try:
        return version("waymark")
    except PackageNotFoundError:
        return "unknown"


class Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: Any = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The lines of `COMMANDS`, with nothing imported for them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(waymark_version(), message="waymark %(version)s")
def commands() -> None:
    """Durable workflows in plain async Python, kept in Postgres."""


def main() -> None:
    """What the script `waymark` calls."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe of few characters is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    commands(prog_name="waymark")
