"""The rules that every graph holds: each broken alone, each refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.graph.graphs import HERE, every_node, statements, value
from waymark.errors import GraphError
from waymark.graph.model import (
    Await,
    Compute,
    Function,
    Graph,
    Jump,
    Loop,
    Name,
    Node,
    Parameter,
    Return,
    Scope,
)
from waymark.graph.validation import validate


def run_with(**changes: object) -> Graph:
    """The graph with fields of its `run` replaced."""
    graph = every_node()
    run = replace(graph.functions[0], **changes)  # type: ignore[arg-type]
    return replace(graph, functions=(run, *graph.functions[1:]))


def only(*body: Node, names: dict[str, Name] | None = None) -> Graph:
    """A graph of these nodes over variables `x` and `_waymark_1`."""
    run = Function("run", (), ("x", "_waymark_1"), names or {}, body)
    return Graph("app:W", (run,))


def with_name(name: str, entry: Name) -> Graph:
    return only(Return(0, HERE), names={name: entry})


BROKEN: dict[str, Callable[[], Graph]] = {
    "no functions": lambda: Graph("app:W", ()),
    "run is not first": lambda: replace(every_node(), functions=every_node().functions[::-1]),
    "a function twice": lambda: replace(every_node(), functions=every_node().functions * 2),
    "numbers begin at 1": lambda: only(Return(1, HERE)),
    "a number twice": lambda: only(Return(0, HERE), Return(0, HERE)),
    "parameter is no variable": lambda: run_with(parameters=(Parameter("q", "normal"),)),
    "default is missing": lambda: run_with(parameters=(Parameter("x", "normal", "nothing"),)),
    "default is no constant": lambda: run_with(parameters=(Parameter("x", "normal", "act"),)),
    "variable twice": lambda: run_with(variables=("x", "y", "z", "e", "_waymark_1", "x")),
    "variable of the engine": lambda: run_with(variables=("x", "y", "z", "e", "_waymark_get")),
    "variable is self": lambda: run_with(variables=("x", "y", "z", "e", "_waymark_1", "self")),
    "variable is dunder": lambda: run_with(variables=("x", "y", "z", "e", "_waymark_1", "__x")),
    "variable is no name": lambda: run_with(variables=("x", "y", "z", "e", "_waymark_1", "a b")),
    "variable is in the table": lambda: only(Return(0, HERE), names={"x": Name("stdlib", "math")}),
    "helper is missing": lambda: with_name("h", Name("helper", "nobody")),
    "stdlib is not allowed": lambda: with_name("h", Name("stdlib", "os.system")),
    "constant without value": lambda: with_name("h", Name("constant")),
    "action with a value": lambda: with_name("h", Name("action", "app:act", "1")),
    "name of the engine": lambda: with_name("_waymark_get", Name("constant", value="1")),
    "name is dunder": lambda: with_name("__builtins__", Name("constant", value="1")),
    "attribute is of the library": lambda: replace(
        every_node(), attributes={"again": Name("stdlib", "math")}
    ),
    "target is no variable": lambda: only(Await(0, HERE, "sleep", value("x", "x"), "q")),
    "jump outside a loop": lambda: only(Jump(0, HERE, "break")),
    "jump in else": lambda: only(
        Loop(0, HERE, "while", value("x", "x"), (), (Jump(1, HERE, "break"),))
    ),
    "for without target": lambda: only(Loop(0, HERE, "for", value("x", "x"), ())),
    "while with target": lambda: only(Loop(0, HERE, "while", value("x", "x"), (), (), "x")),
    "scope holds no variable": lambda: only(
        Scope(0, HERE, value("x", "x"), "x := y", "x", (Return(1, HERE),))
    ),
    "outcome of a scope is no variable": lambda: only(
        Scope(0, HERE, value("x", "x"), "x", "y", (Return(1, HERE),))
    ),
    "manager forbidden": lambda: only(
        Scope(0, HERE, value("x.__class__", "x"), "x", "x", (Return(1, HERE),))
    ),
    "jump out of a scope": lambda: only(
        Scope(0, HERE, value("x", "x"), "x", "x", (Jump(1, HERE, "break"),))
    ),
    "wrong mode": lambda: only(Compute(0, HERE, value("x", "x"))),
    "no Python": lambda: only(Return(0, HERE, value("x +"))),
    "code forbidden": lambda: only(Return(0, HERE, value("x.__class__", "x"))),
    "unknown name": lambda: only(Return(0, HERE, value("act(x)", "x"))),
    "unknown attribute": lambda: only(Return(0, HERE, value("self.nothing"))),
    "reads too much": lambda: only(Return(0, HERE, value("1", "x"))),
    "reads too little": lambda: only(Return(0, HERE, value("x"))),
    "writes unsaid": lambda: only(Compute(0, HERE, statements("x = 1"))),
    "code too long": lambda: only(Return(0, HERE, value("1" + " " * 1_000_000))),
    "code too deep": lambda: only(Return(0, HERE, value("-" * 100_000 + "1"))),
    "code too deep for the checker": lambda: only(Return(0, HERE, value("-" * 1500 + "1"))),
    "attributes too deep": lambda: only(Return(0, HERE, value("(1)" + ".real" * 700))),
    "variable is a keyword": lambda: run_with(variables=("x", "y", "z", "e", "_waymark_1", "None")),
    "name is a keyword": lambda: with_name("None", Name("constant", value="1")),
    "null in a function's name": lambda: replace(
        every_node(),
        functions=(*every_node().functions[:-1], replace(every_node().functions[-1], name="a\0")),
    ),
    "null in the name of self": lambda: replace(every_node(), self_class="a\0b"),
    "functions of too many lines": lambda: replace(
        only(Return(0, HERE)),
        functions=tuple(
            Function("run" if not i else f"f{i}", (), (), {}, (Return(i, HERE),), first_line=10**6)
            for i in range(11)
        ),
    ),
    "null in code": lambda: only(Return(0, HERE, value("1\0"))),
}


def test_a_good_graph_passes() -> None:
    validate(every_node())
    validate(only(Return(0, HERE)))


@pytest.mark.parametrize("build", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_rule_is_refused(build: Callable[[], Graph]) -> None:
    with pytest.raises(GraphError) as caught:
        validate(build())
    assert str(caught.value)
