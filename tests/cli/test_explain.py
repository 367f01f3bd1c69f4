"""`waymark explain`: the page of a code, and help for who mistypes it."""

from __future__ import annotations

import pytest

from waymark.compiler.catalogue import CODES

from .conftest import Project


@pytest.mark.parametrize("name", ["WM204", "wm204", "call-not-known-pure", "Call-Not-Known-Pure"])
def test_prints_the_page(project: Project, name: str) -> None:
    """By number or by name, as it is copied from a message."""
    result = project.call("explain", name)

    assert result.stdout.startswith("# WM204 call-not-known-pure\n")
    assert "## Good" in result.stdout
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("WM2O4", "WM204 call-not-known-pure"),
        ("call-not-pure", "WM204 call-not-known-pure"),
        ("zzz", "`waymark explain` lists all."),
    ],
)
def test_an_unknown_code_says_which_are_near(project: Project, name: str, near: str) -> None:
    result = project.call("explain", name)

    assert f"there is no code {name!r}." in result.stderr
    assert near in result.stderr
    assert result.exit_code == 2


def test_without_a_code_all_are_listed(project: Project) -> None:
    result = project.call("explain")

    assert len(result.stdout.splitlines()) == len(CODES)
    assert "WM204 call-not-known-pure" in result.stdout.splitlines()
    assert "WM310 unreachable-code (warning)" in result.stdout.splitlines()
