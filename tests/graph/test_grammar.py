"""Every node class of Python's grammar, with every field of it, is decided."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

import pytest

from waymark.graph.check import check_code
from waymark.graph.grammar import FIELDS, SILENT
from waymark.graph.model import Name

VARIABLES = frozenset(["a", "b", "c", "d", "e", "f", "g", "h", "i", "k", "q", "r", "x", "y", "z"])

#: Statements that together hold every node class of `FIELDS` in every shape.
CORPUS = """
x = a or b and c
(y := a)
z = a + b - c * d @ e / f % g ** h << i >> k | x ^ y & z // a
z = -a, +b, ~c, not d
f = lambda q, /, r=a, *x, y=b, **z: q + r
x = a if b else c
x = {a: b, **c}
x = {a, b}
x = [q for q in a if b]
x = {q for q in a for r in b if c}
x = {q: r for q, r in a}
x = (q for q in a)
x = a < b <= c > d >= e == f != g is h is not i in k not in x
x = abs(a, *b, key=c, **d)
x = f"{a!r:>{b}} and {c}"
x = a.name
x = a[b:c:d]
x = a[b]
x = [a, *b]
x = a, b
a.name = b
a[b] = c
x = y = a
x, *y = a
x += a
a.name += b
del x, a[b]
for x in a:
    x = b
    continue
else:
    x = c
while a:
    x = b
    break
else:
    x = c
if a:
    x = b
elif c:
    x = d
else:
    x = e
try:
    x = a
except b as e:
    x = c
except (c, d):
    pass
else:
    x = e
finally:
    x = f
try:
    x = a
except* b as e:
    x = c
raise a from b
assert a, b
with contextlib.suppress(a, b) as c, contextlib.suppress():
    x = d
@a
def f(q=a, *x, r=b, **z):
    q = c
    return q
match a:
    case 1 | "x" if b:
        x = c
    case None:
        x = d
    case [y, *z]:
        x = e
    case {"k": y, **z}:
        x = e
    case ValueError(q, args=r):
        x = e
    case datetime.UTC:
        x = f
    case (d, e) as f:
        x = a
    case _:
        x = g
abs(a)
"""
NAMES = {
    "contextlib": Name("stdlib", ref="contextlib"),
    "datetime": Name("stdlib", ref="datetime"),
}


def concrete_classes() -> list[type[ast.AST]]:
    """Node classes that a parser makes on this Python."""
    return sorted(
        (
            cls
            for cls in vars(ast).values()
            if isinstance(cls, type)
            and issubclass(cls, ast.AST)
            and not cls.__subclasses__()
            and cls.__module__ in ("ast", "_ast")
            and cls.__name__ not in DEPRECATED
        ),
        key=lambda cls: cls.__name__,
    )


#: Kept by the standard library for old programs; no parser makes them.
DEPRECATED = frozenset(
    {"Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice", "Suite", "AugLoad"}
    | {"AugStore", "Param", "TypeIgnore", "FunctionType", "Interactive"}
)


def test_corpus_is_allowed_and_holds_every_node_class() -> None:
    """The test below would prove nothing about a class that is missing here."""
    tree = ast.parse(CORPUS)
    assert check_code(tree, NAMES, VARIABLES) == []
    held = {type(node).__name__ for node in ast.walk(tree)}
    assert set(FIELDS) - held == {"Expression", "Store"} - held


@pytest.mark.parametrize("cls", concrete_classes(), ids=lambda cls: cls.__name__)
def test_every_class_and_field_is_decided(cls: type[ast.AST]) -> None:
    """A class is listed with its fields, or refused; a field that is not listed
    is refused as soon as it holds something."""
    known = FIELDS.get(cls.__name__)
    if known is None:
        node = bare(cls)
        violations = check_code(node, {}, frozenset())
        assert [violation.node for violation in violations] == [node]
        return
    assert known <= set(cls._fields), "a listed field does not exist"
    for field in set(cls._fields) - known:
        node = bare(cls)
        setattr(node, field, [ast.Constant(1)])
        violations = [v for v in check_code_of_field(node) if v.code == "WM108"]
        assert violations, f"{cls.__name__}.{field} is dropped"


def bare(cls: type[ast.AST]) -> ast.AST:
    """A node with nothing in it, which Python 3.15 does not make in the ordinary way."""
    return cls.__new__(cls)


def check_code_of_field(node: ast.AST) -> list[object]:
    for field in node._fields:
        if not hasattr(node, field):
            setattr(node, field, [] if field in LISTS else None)
    if isinstance(node, ast.FunctionDef):
        node.name, node.args = "f", ast.parse("lambda: 0", mode="eval").body.args  # type: ignore[attr-defined]
    return list(check_code(node, {}, frozenset({"f"})))


LISTS = frozenset({"body", "decorator_list", "type_params", "cases", "handlers", "generators"})


def expression_places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Every place of a tree that holds an expression to be read."""
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            items = value if isinstance(value, list) else [value]
            for index, item in enumerate(items):
                if isinstance(item, ast.expr) and isinstance(
                    getattr(item, "ctx", ast.Load()), ast.Load
                ):
                    yield node, field, index if isinstance(value, list) else None


def test_every_expression_of_every_field_is_checked() -> None:
    """Something forbidden is found wherever it is put."""
    tree = ast.parse(CORPUS)
    places = list(expression_places(tree))
    assert len(places) > 150
    for node, field, index in places:
        old = getattr(node, field)
        bad = ast.Name("open", ast.Load())
        if index is None:
            setattr(node, field, bad)
        else:
            changed = copy.copy(old)
            changed[index] = bad
            setattr(node, field, changed)
        found = check_code(tree, NAMES, VARIABLES)
        assert any(violation.node is bad for violation in found), f"{ast.dump(node)}: {field}"
        setattr(node, field, old)


def test_silent_fields_say_why() -> None:
    """A field that nobody looks at has its reason written down."""
    listed = {field for fields in FIELDS.values() for field in fields}
    assert set(SILENT) <= listed
    assert all(reason for reason in SILENT.values())
