"""`waymark explain WM204`: the page of a code."""

from __future__ import annotations

import difflib

import click

from waymark.compiler.catalogue import CODES, WARNINGS

from .pages import page


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Print the page of CODE (WM204, or call-not-known-pure): what it means, what
    earns it, and what to write instead. Without a code, list all of them."""
    if code is None:
        for known, name in CODES.items():
            click.echo(f"{known} {name}{' (warning)' if known in WARNINGS else ''}")
        return
    number = _number(code)
    if number is None:
        raise click.UsageError(f"there is no code {code!r}. {_near(code)}")
    click.echo(page(number), nl=False)


def _number(code: str) -> str | None:
    """The code that is meant, also by its name."""
    if code.upper() in CODES:
        return code.upper()
    return next((number for number, name in CODES.items() if name == code.lower()), None)


def _near(code: str) -> str:
    names = {name: number for number, name in CODES.items()}
    near = difflib.get_close_matches(code.upper(), CODES, n=3, cutoff=0.7)
    near += [names[name] for name in difflib.get_close_matches(code.lower(), names, n=3)]
    if not near:
        return "`waymark explain` lists all."
    return "Near it: " + ", ".join(f"{number} {CODES[number]}" for number in dict.fromkeys(near))
