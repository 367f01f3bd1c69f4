"""Whatever compiles has its pictures: the corners of the language, and workflows
that nobody wrote."""

from __future__ import annotations

import re

import pytest

from tests.compiler.authored import define, definition_of
from tests.compiler.geometry import check_geometry
from tests.oracle.generator import program
from tests.oracle.test_corners import HEAD, HONOURED, module_of
from waymark.compiler import render

#: Programs of one module: the head that they share takes longer than they do.
SHARE = 40


@pytest.mark.parametrize("first", range(0, len(HONOURED), SHARE))
def test_corners_are_drawn(first: int) -> None:
    """In every format, laid out without a collision."""
    share = HONOURED[first : first + SHARE]
    texts = [
        re.sub(r"\bW\b", f"W{number}", module_of(text.partition("\n===\n")[0]))
        for number, (_, text) in enumerate(share)
    ]
    module = define("\n".join(texts), HEAD, name="corners")
    for number, (name, _) in enumerate(share):
        graph = definition_of(module, f"W{number}").graph
        try:
            check_geometry(render(graph, "svg"))
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error
        assert render(graph, "text")
        assert render(graph, "mermaid")


@pytest.mark.parametrize("seed", range(30))
def test_generated_workflow_is_drawn(seed: int) -> None:
    """Any nesting of loops, branches and tries."""
    graph = definition_of(define(program(seed), head="", name="generated")).graph
    check_geometry(render(graph, "svg"))
