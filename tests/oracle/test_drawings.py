"""Whatever compiles has its pictures: the corners of the language, and workflows
that nobody wrote."""

from __future__ import annotations

import pytest

from tests.compiler.authored import define, definition_of
from tests.compiler.geometry import check_geometry
from tests.oracle.generator import program
from tests.oracle.test_corners import HEAD, HONOURED, module_of
from waymark.compiler import render


@pytest.mark.parametrize(("name", "text"), HONOURED, ids=[name for name, _ in HONOURED])
def test_corner_is_drawn(name: str, text: str) -> None:
    """In every format, laid out without a collision."""
    run = text.partition("\n===\n")[0]
    graph = definition_of(define(module_of(run), HEAD, name="corner")).graph
    check_geometry(render(graph, "svg"))
    assert render(graph, "text")
    assert render(graph, "mermaid")


@pytest.mark.parametrize("seed", range(30))
def test_generated_workflow_is_drawn(seed: int) -> None:
    """Any nesting of loops, branches and tries."""
    graph = definition_of(define(program(seed), head="", name="generated")).graph
    check_geometry(render(graph, "svg"))
