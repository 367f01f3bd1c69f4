"""Promise 10 for `self` and for sync functions: graphs that somebody edited by hand.

Loading refuses them, or evaluating raises; nothing else happens.
"""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from tests.compiler.authored import define, definition_of
from tests.engine.test_guards import linked
from tests.oracle.host import Host
from tests.oracle.virtual_loop import run_virtually
from waymark.authoring.registry import registry
from waymark.compiler.code import expression_code, statements_code
from waymark.engine.program import load_program
from waymark.errors import GraphError
from waymark.graph.codec import from_document, to_document
from waymark.graph.fingerprint import fingerprint
from waymark.graph.model import Code, Compute, Graph, Name, Return, Span
from waymark.graph.validation import validate
from waymark.values import load_exception

TEXT = """
def tidy(x, y=3):
    return [x, y]

@workflow
class W(Workflow):
    def __init__(self):
        self.items = tidy(1)

    def note(self, x):
        self.items.append(x)
        return self.items

    @property
    def size(self):
        return len(self.items)

    async def run(self) -> Any:
        return self.note(2), self.size
"""
HERE = Span(1, 0, 1, 1)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return definition_of(define(TEXT, name="instances")).graph


def outcome(edited: Graph) -> str:
    """What comes of a graph as it is read from a database."""
    definition = registry.workflow(edited.workflow)
    assert definition is not None
    try:
        read = from_document(to_document(edited))
        validate(read)
        program = load_program(read, b"edited", linked())
    except GraphError as error:
        return f"refused: {error}"
    host = Host(program, definition.arguments.pack((), {}))
    finish = run_virtually(host.run())
    if finish.ok:
        return f"got out: {finish.payload!r}"
    return f"raised: {load_exception(finish.payload, registry.types)!r}"


def with_run(graph: Graph, text: str) -> Graph:
    """The graph whose `run` is these statements, then `return x`."""
    run = graph.functions[0]
    variables = ("x",)
    scope = (*variables, "self")
    statements = statements_code(ast.parse(text).body, variables)
    value = expression_code(ast.parse("x", mode="eval").body, variables)
    assert "self" in scope
    body = (run.body[0], Compute(1, HERE, statements), Return(2, HERE, value))
    return replace(graph, functions=(replace(run, body=body, variables=variables),))


def with_sync(graph: Graph, text: str, **names: Name) -> Graph:
    """The graph whose `tidy` is this text."""
    made = [
        replace(
            function,
            code=Code(text, "exec", (1,)) if function.name == "tidy" else function.code,
            names=names if function.name == "tidy" else function.names,
        )
        for function in graph.sync_functions
    ]
    return replace(graph, sync_functions=tuple(made))


def test_the_graph_itself_runs(graph: Graph) -> None:
    assert outcome(graph) == 'got out: b\'{"$t":"tuple","v":[[1,3,2],3]}\''


@pytest.mark.parametrize(
    "text",
    [
        "x = self.__dict__",
        "x = self.__class__",
        "x = self.note.__func__",
        "x = self.note.__globals__",
        "x = type(self)()",
        "x = type(self).mro()",
        "x = type(self).__subclasses__()",
        "x = type(type(self))",
        "type(self).note = 1\nx = 1",
        "self.__class__ = int\nx = 1",
        "self.__dict__ = {}\nx = 1",
        "f = type(self)\nx = f()",
        "f = type\nx = f(self)",
        "y = self\nx = y._items",
        "f = self.note\nx = f.__self__",
        "x = _waymark_init.__globals__",
    ],
)
def test_self_leads_nowhere(graph: Graph, text: str) -> None:
    """Only what the class lists and what the run has set can be reached."""
    assert outcome(with_run(graph, text)).startswith(("refused: ", "raised: ImpureCallError"))


@pytest.mark.parametrize(
    "text",
    [
        "def tidy(x):\n    return open('/etc/hostname')",
        "def tidy(x):\n    return x.__class__",
        "def tidy(x):\n    return tidy.__globals__",
        "def tidy(x):\n    import os",
        "def tidy(x):\n    global items\n    items = x",
        "def tidy(x):\n    yield x",
        "def tidy(x, y=[]):\n    return y",
        "def tidy(x, y=other):\n    return y",
        "@tidy\ndef tidy(x):\n    return x",
        "def tidy(x: open):\n    return x",
        "def tidy(_waymark_get):\n    return x",
        "def tidy(x):\n    return 1\nx = 1",
        "async def tidy(x):\n    return 1",
        "class tidy:\n    pass",
        "x = 1",
        "def tidy(x)",
    ],
)
def test_a_sync_function_is_one_pure_definition(graph: Graph, text: str) -> None:
    assert outcome(with_sync(graph, text)).startswith("refused: ")


@pytest.mark.parametrize(
    "entry",
    [
        Name("function", "nowhere"),
        Name("helper", "tidy"),
        Name("property", "tidy"),
        Name("classmethod", "tidy"),
        Name("constant"),
        Name("stdlib", "os.system"),
    ],
)
def test_tables_refer_to_what_exists(graph: Graph, entry: Name) -> None:
    text = "def tidy(x):\n    return other(x)"
    assert outcome(with_sync(graph, text, other=entry)).startswith("refused: ")


@pytest.mark.parametrize(
    "layout",
    [
        "{",
        "[]",
        '{"dict": 1}',
        '{"dict": [[1]]}',
        '{"call": []}',
        '{"list": [], "tuple": []}',
        '{"name": ["action", "app:none"]}',
        '{"name": ["property", "tidy", ""]}',
        '{"name": ["display", "", "{}"]}',
        '{"name": ["function", "nowhere", ""]}',
        '{"name": ["stdlib", "os.system", ""]}',
        '{"name": ["stdlib", "json", ""]}',
        '{"name": ["stdlib", "type", ""]}',
        '{"name": ["stdlib", "asyncio.sleep", ""]}',
        '{"name": [["stdlib"], "json", ""]}',
        '{"dict": [[{"list": []}, {"list": []}]]}',
        '{"list": [' * 100 + "]}" * 100,
    ],
)
def test_tables_hold_only_what_the_graph_may_name(graph: Graph, layout: str) -> None:
    text = "def tidy(x):\n    return other"
    entry = Name("display", value=layout)
    assert outcome(with_sync(graph, text, other=entry)).startswith("refused: ")


@pytest.mark.parametrize(
    "entry",
    [Name("property", "run"), Name("property", "nowhere"), Name("stdlib", "math")],
)
def test_attributes_refer_to_what_exists(graph: Graph, entry: Name) -> None:
    assert outcome(replace(graph, attributes={"note": entry})).startswith("refused: ")


def test_a_function_cannot_be_made_endless_by_its_own_default(graph: Graph) -> None:
    """Defaults are names of the table, and these are values, never code."""
    text = "def tidy(x, y=_waymark_default_y):\n    return y"
    default = Name("function", "tidy")
    found = outcome(with_sync(graph, text, _waymark_default_y=default))
    assert not found.startswith("got out: ")


def test_what_a_sync_function_does_is_part_of_the_hash(graph: Graph) -> None:
    """Its text counts, its place does not."""
    moved = replace(
        graph, sync_functions=tuple(replace(f, first_line=99) for f in graph.sync_functions)
    )
    changed = with_sync(graph, "def tidy(x):\n    return x")
    assert fingerprint(moved) == fingerprint(graph) != fingerprint(changed)
    assert fingerprint(replace(graph, self_class="Other")) != fingerprint(graph)


def test_runs_leave_nothing_on_a_self_that_they_share(graph: Graph) -> None:
    """Where a graph says that its `self` is nothing one serves all its runs; an edited
    function that set a field of it would tell a run of another."""
    text = """
@workflow
class W(Workflow):
    def tidy(self):
        return 3

    async def run(self) -> Any:
        return self.tidy()
"""
    shared = replace(definition_of(define(text, name="shares")).graph, self_class="")
    for change in ("self.seen = 1", "setattr(self, 'seen', 1)", "del self.tidy"):
        function = shared.sync_functions[0]
        code = Code(f"def tidy(self):\n    {change}\n    return self.seen", "exec", (1, 1, 1))
        edited = replace(shared, sync_functions=(replace(function, code=code),))
        found = outcome(edited)
        assert found.startswith(("refused", "raised: ImpureCallError")), found
