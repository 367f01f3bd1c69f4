"""From statements to nodes: nothing is dropped, nothing is doubled, and no more
nodes are made than the awaits need."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

import pytest

from tests.compiler.authored import body, define, definition_of, graph_of
from waymark.errors import WorkflowCompileError
from waymark.graph.model import (
    Await,
    Branch,
    Compute,
    Graph,
    Jump,
    Loop,
    Raise,
    Return,
    Try,
    walk,
)

#: Statements that hold an expression in every field that can hold one.
CORPUS = """
x = y = a + b
z, *w = a
box[a] = b
box[a], box[b] = c, d
box.name = a
x += a
box[a] += b
box.name += a
x: int = a
del box[a], box[b]
log(a, *b, key=c, **d)
log.append(a)
x = [a, *b, c]
x = {a, b}
x = {a: b, **c, d: e}
x = a if b else c
x = a and b and c
x = a or b
x = a < b < c
x = not a
x = f"{a!r:>{b}}{c}"
x = a[b:c:d]
x = a[b]
x = a.name
x = (y := a)
x = [y + a for y in b if c for z in d if y]
x = {y for y in a if b}
x = {y: a for y in b}
many = (y for y in a)
x = sorted(a, key=lambda y: y)
for x in a:
    if b:
        continue
    log(c)
else:
    log(d)
for x, box[a] in b:
    break
while a:
    log(b)
    if c:
        break
else:
    log(d)
if a:
    log(b)
elif c:
    log(d)
else:
    log(e)
try:
    log(a)
except ValueError as error:
    log(b)
    raise
except (KeyError, TypeError):
    raise KeyError(a) from b
else:
    log(c)
finally:
    log(d)
assert a, b
match a:
    case 1 | 2:
        log(b)
    case [y, *z] if c:
        log(d)
    case _:
        log(e)
return a
"""


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Where an expression that is read stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.pattern):
            continue
        for field, value in ast.iter_fields(node):
            items = value if isinstance(value, list) else [value]
            for index, item in enumerate(items):
                if isinstance(item, ast.expr) and isinstance(
                    getattr(item, "ctx", ast.Load()), ast.Load
                ):
                    yield node, field, index if isinstance(value, list) else None


def with_await(position: int) -> str | None:
    """The corpus with an await in one place; None where Python forbids it."""
    tree = ast.parse(CORPUS)
    node, field, index = list(places(tree))[position]
    old = getattr(node, field) if index is None else getattr(node, field)[index]
    if field == "format_spec" or isinstance(node, ast.JoinedStr) or isinstance(old, ast.Starred):
        return None
    new = ast.parse("await slow(1)", mode="eval").body
    if index is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[index] = new
    text = body(ast.unparse(tree), "self, a, b, c, d, e, box, log, error")
    try:
        compile(text, "", "exec")
    except SyntaxError:
        return None
    return text


POSITIONS = range(len(list(places(ast.parse(CORPUS)))))


def awaits(graph: Graph) -> int:
    return sum(isinstance(node, Await) for node in walk(graph.functions[0].body))


@pytest.mark.parametrize("position", POSITIONS)
def test_an_await_anywhere_is_lowered_once_or_refused(position: int) -> None:
    """Wherever Python allows `await`, the graph has it exactly once, or the
    compiler says that it cannot; it is never dropped."""
    text = with_await(position)
    if text is None:
        return
    expected = sum(isinstance(node, ast.Await) for node in ast.walk(ast.parse(text)))
    try:
        graph = definition_of(define(text)).graph
    except WorkflowCompileError as error:
        refused = {found.code for found in error.diagnostics}
    else:
        refused = set()
        assert awaits(graph) == expected == 1
    assert refused <= {"WM306", "WM307"}


def test_positions_cover_most_of_the_grammar() -> None:
    texts = [with_await(position) for position in POSITIONS]
    assert sum(text is not None for text in texts) > 100


def shape(graph: Graph) -> list[str]:
    """Kinds of nodes of `run`, with their code, in order."""
    found: list[str] = []
    for node in walk(graph.functions[0].body):
        match node:
            case Compute(code=code):
                found.append(code.text)
            case Await(call=code, target=target):
                found.append(f"await {code.text} -> {target}")
            case Branch(test=code):
                found.append(f"if {code.text}")
            case Loop(head=code, flavour=flavour, target=target):
                found.append(f"{flavour} {target} {code.text}")
            case Return(value=value):
                found.append(f"return {value.text if value else None}")
            case Raise(code=code):
                found.append(code.text if code else "raise")
            case Jump(kind=kind):
                found.append(kind)
            case Try():
                found.append("try")
    return found


def test_pure_code_between_awaits_is_one_node() -> None:
    """A hundred pure lines cost one node and no commit."""
    text = (
        "x = [1]\nfor y in x:\n    if y:\n        continue\n    break\nz = await slow(x)\nreturn z"
    )
    assert shape(graph_of(text)) == [
        "x = [1]\nfor y in x:\n    if y:\n        continue\n    break",
        "await slow(x) -> z",
        "return z",
    ]


def test_operands_are_kept_only_when_an_await_follows() -> None:
    """What needs no hidden variable gets none."""
    assert shape(graph_of("return [a.x, await slow(a), a.x]", "self, a")) == [
        "_waymark_1 = a.x",
        "await slow(a) -> _waymark_2",
        "return [_waymark_1, _waymark_2, a.x]",
    ]
    assert shape(graph_of("return a + await slow(a) + 1", "self, a")) == [
        "await slow(a) -> _waymark_1",
        "return a + _waymark_1 + 1",
    ]


def test_a_method_is_looked_up_before_its_arguments_are_awaited() -> None:
    """As in Python, `items.append` fails before the action runs, not after."""
    assert shape(graph_of("items.append(await slow(1))", "self, items")) == [
        "items.append",
        "await slow(1) -> _waymark_1",
        "items.append(_waymark_1)",
    ]


def test_a_while_that_awaits_in_its_test_leaves_through_else() -> None:
    text = "while await slow(1):\n    pass\nelse:\n    return 1"
    assert shape(graph_of(text)) == [
        "while None True",
        "await slow(1) -> _waymark_1",
        "if _waymark_1",
        "break_else",
        "return 1",
    ]


def test_comprehension_variables_stay_inside() -> None:
    """The comprehension's `x` is not the function's."""
    text = "x = 1\nfound = [await slow(x) for x in [x, 2] if x]\nreturn x, found"
    assert shape(graph_of(text)) == [
        "x = 1\n_waymark_2 = [x, 2]\n_waymark_3 = []",
        "for _waymark_1 _waymark_2",
        "if _waymark_1",
        "await slow(_waymark_1) -> _waymark_4",
        "_waymark_3.append(_waymark_4)",
        "found = _waymark_3",
        "return (x, found)",
    ]


def test_a_bare_raise_becomes_a_node_of_its_own() -> None:
    """Inside code of its own it would not know what is being handled."""
    text = "try:\n    await slow(1)\nexcept ValueError as e:\n    if e.args:\n        raise\n"
    assert shape(graph_of(text)) == ["try", "await slow(1) -> None", "if e.args", "raise"]


def test_annotations_docstrings_and_casts_leave_no_trace() -> None:
    """What means nothing at run time is not in the graph; names in annotations
    need not even exist."""
    text = (
        '"""Words."""\nx: Missing = await slow(1)\ny: AlsoMissing\n'
        "z: list[Missing] = cast('Missing', x)\nreturn z"
    )
    module = define("from typing import cast\n" + body(text))
    graph = definition_of(module).graph
    assert shape(graph) == ["await slow(1) -> x", "z = x", "return z"]
    assert graph.functions[0].variables == ("x", "y", "z")


def test_suppress_is_a_try() -> None:
    """Its classes are evaluated first, and what it catches is judged in pure code."""
    module = define(
        "import contextlib\n"
        + body("with contextlib.suppress(KeyError, ValueError):\n    await slow(1)\nreturn 2")
    )
    graph = definition_of(module).graph
    classes, attempt, _ = graph.functions[0].body
    assert isinstance(classes, Compute)
    assert classes.code.text == "_waymark_1 = (KeyError, ValueError)"
    assert isinstance(attempt, Try)
    assert attempt.handlers[0].types is None
    assert [type(node).__name__ for node in attempt.handlers[0].body] == ["Branch"]


def test_lines_of_code_are_the_authors() -> None:
    """Each line of a node's text knows the line of the file it came from."""
    text = "x = 1\n\n# why\nif x:\n    y = [\n        1,\n        2,\n    ]\nelse:\n    y = 2"
    graph = graph_of(f"{text}\nawait slow(y)")
    run = graph.functions[0]
    compute = run.body[0]
    assert isinstance(compute, Compute)
    lines = run.source.split("\n")
    shown = [lines[line - run.first_line].strip() for line in compute.code.lines]
    assert compute.code.text.split("\n") == [
        "x = 1",
        "if x:",
        "    y = [1, 2]",
        "else:",
        "    y = 2",
    ]
    assert shown == ["x = 1", "if x:", "y = [", "y = [", "y = 2"]


def test_numbers_count_through_the_graph() -> None:
    module = define(
        body("await self.other(1)\nif await slow(1):\n    return await self.other(2)")
        + "    async def other(self, n: int) -> Any:\n        return await slow(n)\n"
    )
    graph = definition_of(module).graph
    numbers = [node.id for function in graph.functions for node in walk(function.body)]
    assert numbers == list(range(len(numbers)))


def test_the_authors_tree_is_left_alone() -> None:
    """Compiling twice gives the same graph: the parsed file is shared."""
    text = "items.append(f'{await slow(1)}{[await slow(x) for x in items]}')"
    module = define(body(text, "self, items"))
    definition = definition_of(module)
    first = copy.deepcopy(definition.graph)
    definition.compiled = None
    for name in ("graph", "hash", "document"):
        vars(definition).pop(name, None)
    assert definition.graph == first
