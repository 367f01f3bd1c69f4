"""docs/what-compiles.md says what the compiler does."""

from __future__ import annotations

import ast
import textwrap

from tests.docs.what_compiles import PAGE, samples, written
from waymark.compiler.prepare import LOWERED
from waymark.graph.grammar import FIELDS


def shown() -> set[str]:
    """The node classes of Python's grammar that the samples show."""
    _, groups = samples()
    text = "".join(
        f"async def f():\n{textwrap.indent(sample, '    ')}\n"
        for group in groups.values()
        for sample in group.values()
    )
    return {type(node).__name__ for node in ast.walk(ast.parse(text))}


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.docs.what_compiles` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == written()


def test_all_of_the_grammar_is_shown() -> None:
    """What the tables let through has a sample, so that the page leaves nothing out."""
    assert {*FIELDS, *LOWERED} - shown() == {"Expression"}
