"""Promise 10 for local functions: what they share is checked where they are made."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from tests.compiler.authored import define, definition_of
from tests.engine.test_instance import outcome
from waymark.compiler.code import statements_code
from waymark.graph.model import Compute, Function, Graph, Name

TEXT = """
@workflow
class W(Workflow):
    async def run(self) -> Any:
        n = 1
        async def step(m, k=2):
            return n + m + k
        n = 10
        return await step(100)
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return definition_of(define(TEXT, name="local_functions")).graph


def edited(graph: Graph, old: str, new: str) -> Graph:
    """The graph with another text in its first node."""
    run = graph.functions[0]
    first = run.body[0]
    assert isinstance(first, Compute)
    assert old in first.code.text
    tree = ast.parse(first.code.text.replace(old, new))
    code = statements_code(tree.body, run.variables)
    code = replace(code, lines=(1,) * (code.text.count("\n") + 1))
    body = (replace(first, code=code), *run.body[1:])
    return replace(graph, functions=(replace(run, body=body), *graph.functions[1:]))


def with_step(graph: Graph, step: Function) -> Graph:
    return replace(graph, functions=(graph.functions[0], step))


def test_the_graph_itself_runs(graph: Graph) -> None:
    assert outcome(graph) == "got out: b'112'"
    assert [function.local for function in graph.functions] == [False, True]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lambda: (n,)", "lambda: ()"),
        ("lambda: (n,)", "lambda: (step,)"),
        ("lambda: (n,)", "5"),
        ("lambda: (n,)", "step_function"),
        ("lambda: (n,), (2,), {}", "lambda: (n,), 5, {}"),
        ("lambda: (n,), (2,), {}", "lambda: (n,), (2,), 7"),
        ("lambda: (n,), (2,), {}", "lambda: (n,), (), {}"),
        ("step = step_function(lambda: (n,), (2,), {})", "step = step_function.__globals__"),
    ],
)
def test_what_it_shares_is_checked(graph: Graph, old: str, new: str) -> None:
    assert outcome(edited(graph, old, new)).startswith(("refused: ", "raised: "))


def test_the_lambda_is_never_called(graph: Graph) -> None:
    changed = edited(graph, "lambda: (n,)", "lambda: (n, 1 / 0)")
    assert outcome(changed) == "got out: b'112'"


def test_a_local_function_keeps_its_rules(graph: Graph) -> None:
    """Each of these is refused when the graph is read."""
    run, step = graph.functions
    assert step.captured == ("n",)
    broken = [
        with_step(graph, replace(step, local=False)),
        with_step(graph, replace(step, method=True)),
        with_step(graph, replace(step, captured=("m",))),
        replace(graph, functions=(replace(run, local=True), step)),
    ]
    for kind in ("helper", "function", "property"):
        names = {**run.names, "step_function": Name(kind, step.name)}
        broken.append(replace(graph, functions=(replace(run, names=names), step)))
    names = {**run.names, "step_function": Name("local", "run")}
    broken.append(replace(graph, functions=(replace(run, names=names), step)))
    broken.append(replace(graph, attributes={"step": Name("local", step.name)}))
    for changed in broken:
        assert outcome(changed).startswith("refused: "), changed
