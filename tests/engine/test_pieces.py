"""Code is made when a run comes to it, and what may be missing when the graph is loaded."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from tests.engine.test_guards import NAMES, linked, outcome
from tests.oracle.host import compiled_outcome, program_of
from tests.oracle.programs import Contexts, LoopWithTry, Saga
from waymark.authoring.workflow import definition_of
from waymark.compiler.code import statements_code
from waymark.engine.pieces import UncompilableCode
from waymark.engine.program import Program, load_program
from waymark.errors import GraphError
from waymark.graph.model import Compute, Graph, Name, Return, Span


def graph_of(text: str, names: dict[str, Name] | None = None) -> Graph:
    """A graph whose `run` is these statements."""
    definition = definition_of(Contexts)
    definition.link()
    assert definition.graph is not None
    here = Span(1, 0, 1, 1)
    code = statements_code(ast.parse(text).body, ("x", "how"))
    run = replace(
        definition.graph.functions[0],
        body=(Compute(0, here, code), Return(1, here)),
        variables=("how", "x"),
        names=NAMES if names is None else names,
    )
    return replace(definition.graph, functions=(run,), attributes={})


def made(program: Program) -> list[bool]:
    return [
        site.code is not None
        for function in program.functions
        for site in function.sites
        if site.piece is not None
    ]


def test_code_is_made_when_a_run_first_comes_to_it() -> None:
    """Loading makes none of it, and a run only what it needs."""
    definition = definition_of(Saga)
    definition.link()
    program = load_program(definition.graph, definition.hash, linked())
    assert not any(made(program))
    _, world = compiled_outcome(definition, ["a"])
    after = made(world.main.program)
    assert any(after)
    assert not all(after)  # nothing failed, so nothing was undone


def test_sites_of_one_node_share_their_code() -> None:
    """A `finally` is laid out once for each way out of its body."""
    program = program_of(definition_of(LoopWithTry))
    codes: dict[tuple[int, str], set[int]] = {}
    for site in program.functions[0].sites:
        if site.piece is not None and site.bound() is not None:
            codes.setdefault((site.node, str(site.code)), set()).add(id(site.piece))
    assert all(len(pieces) == 1 for pieces in codes.values())


@pytest.mark.parametrize(
    ("text", "name", "entry", "says"),
    [
        ("x = datetime.nothing(1)", "datetime", Name("stdlib", "datetime"), "nothing"),
        ("match x:\n case User(): pass", "User", NAMES["act"], "no class of the graph"),
    ],
)
def test_what_this_process_lacks_is_found_when_the_graph_is_loaded(
    text: str, name: str, entry: Name, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any run of it is claimed."""
    operations = "waymark.engine.{}.operation_at"
    if entry.kind == "stdlib":
        # As if the catalogue had it, and this Python did not.
        known = __import__("waymark.graph.operations").graph.operations.operation_at("math.sqrt")
        for module in ("guarded", "program"):
            monkeypatch.setattr(operations.format(module), lambda path: known)
    with pytest.raises(GraphError, match=says):
        load_program(graph_of(text, {name: entry}), b"edited", linked())


def test_text_that_is_not_compiled_ends_the_run_for_those_who_look() -> None:
    """No outcome of the program: the run is quarantined, and its row can be restored."""
    with pytest.raises(UncompilableCode, match=r"code of `run` cannot be compiled: 'break'"):
        outcome("break")
