"""What `waymark` by itself says, and that no command pays for another."""

from __future__ import annotations

import subprocess
import sys

from waymark.cli import COMMANDS

from .conftest import Project


def test_help_names_every_command(project: Project) -> None:
    result = project.call("--help")

    assert result.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"{name}  " in result.stdout
        assert line in result.stdout


def test_every_command_has_help(project: Project) -> None:
    """The registry leads to a command, and the command says what it does."""
    for name in COMMANDS:
        result = project.call(name, "--help")
        assert result.exit_code == 0
        assert f"Usage: waymark {name}" in result.stdout


def test_an_unknown_command_is_a_mistake(project: Project) -> None:
    result = project.call("chekc")

    assert "No such command 'chekc'" in result.stderr
    assert result.exit_code == 2


def test_the_version_is_that_of_the_package(project: Project) -> None:
    assert project.call("--version").stdout.startswith("waymark ")


def test_commands_are_imported_when_called() -> None:
    """`waymark --help` imports none of them, and `import waymark` no click."""
    code = (
        "import sys, waymark\nassert 'click' not in sys.modules\n"
        "from waymark.cli import commands\ncommands(['--help'], standalone_mode=False)\n"
        "assert 'waymark.cli.check' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
