"""Walking and copying give what the `ast` module's own functions give."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from waymark.graph.scopes import uses
from waymark.graph.trees import Kinds, children, copied, place_missing, statements, walk

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "tests" / "oracle" / "programs.py", ROOT / "src" / "waymark" / "graph" / "check.py"]


def kinds(nodes: Iterable[ast.AST]) -> list[ast.AST]:
    return [node for node in nodes if not isinstance(node, ast.expr_context)]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def tree(request: pytest.FixtureRequest) -> ast.Module:
    path: Path = request.param
    return ast.parse(path.read_text(encoding="utf-8"))


def test_walk_meets_what_ast_walk_meets(tree: ast.Module) -> None:
    """Every node but contexts, in the same order."""
    assert walk(tree) == kinds(ast.walk(tree))
    assert all(children(node) == kinds(ast.iter_child_nodes(node)) for node in walk(tree))


@pytest.mark.parametrize(
    "text",
    [
        "match x:\n case {'a': [1, *rest], **more} | P(x=0, y=_) as p if p: pass\n case None: pass",
        "async def f(a: int, /, *b, c=1, **d) -> str:\n  global e\n  from x import y as z\n  yield",
        "try:\n  pass\nexcept* (A, B) as e:\n  raise\nwith a as b, c: del d[1:2, ...]",
        "class C(D, m=1):\n  x: int = 2",
    ],
)
def test_walk_meets_every_kind_of_node(text: str) -> None:
    tree = ast.parse(text)
    assert walk(tree) == kinds(ast.walk(tree))


def test_fields_of_a_later_python_are_what_they_are_declared_as() -> None:
    """Such as `is_lazy` of Python 3.15's imports, which is a number."""

    class Later(ast.stmt):
        _fields = ("is_new", "label", "names", "value")
        _field_types: ClassVar[dict[str, object]] = {
            "is_new": int,
            "label": str | None,
            "names": list[ast.alias],
            "value": ast.expr | None,
        }

    name, value = ast.alias("x"), ast.Constant(1)
    later = Later(is_new=1, label="x", names=[name], value=value)
    assert walk(later) == [later, name, value]
    vars(later).update(value=None)
    assert walk(later) == [later, name]


def test_copy_is_equal_and_shares_nothing(tree: ast.Module) -> None:
    """Whoever changes the copy must not change a tree that others read."""
    made = copied(tree)
    assert ast.dump(made, include_attributes=True) == ast.dump(
        copy.deepcopy(tree), include_attributes=True
    )
    assert not {id(node) for node in walk(made)} & {id(node) for node in walk(tree)}


def test_missing_places_are_filled_as_python_fills_them(tree: ast.Module) -> None:
    """For nodes without any place, without an end, and at the top."""
    for number, node in enumerate(ast.walk(tree)):
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            if number % 3 == 0 or (number % 5 == 0 and name.startswith("end_")):
                vars(node).pop(name, None)
    theirs = ast.fix_missing_locations(copy.deepcopy(tree))
    ours = place_missing(tree)
    assert ast.dump(ours, include_attributes=True) == ast.dump(theirs, include_attributes=True)


def test_statements_are_those_that_walk_meets(tree: ast.Module) -> None:
    """None is missed, whatever it stands in."""
    apart = (ast.expr, ast.keyword, ast.comprehension, ast.arguments, ast.arg)
    expected = {node for node in walk(tree) if isinstance(node, ast.stmt)}
    assert {node for node in statements(tree) if isinstance(node, ast.stmt)} == expected
    assert not any(isinstance(node, apart) for node in statements(tree))


def test_nodes_are_kept_by_their_class(tree: ast.Module) -> None:
    """Each class in the order of the walk."""
    found = Kinds(tree)
    for kind in {type(node) for node in walk(tree)}:
        assert found.of(kind) == [node for node in walk(tree) if type(node) is kind]
    assert found.of(ast.TryStar) == []


def test_names_are_the_same_by_a_look_at_known_nodes(tree: ast.Module) -> None:
    """A quicker way to what a piece of code reads and writes gives the same."""
    for node in walk(tree):
        if isinstance(node, (ast.stmt, ast.expr)):
            assert uses(node, walk(node)) == uses(node)
