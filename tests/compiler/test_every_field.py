"""Promise 5: no syntax is dropped. Python's own `ast` says what there is.

Every node class that this Python's parser makes stands in a program below, with
every field filled. The program compiles or is refused; then the field is taken
out or changed, and the graph or the refusal must change with it. A class or a
field that a later Python brings has no program, and fails here.
"""

from __future__ import annotations

import ast
import copy
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compiler.authored import HEAD, define, definition_of
from waymark.errors import WorkflowCompileError
from waymark.graph.check import check_code
from waymark.graph.codec import canonical

#: Bodies of `run`. Parted by lines of dashes.
TEXTS = """
return 1 + x - x * x / x // x % x ** x << x >> x | x ^ x & x @ x, x and x or await slow(x)
---
return not x, -x, +x, ~x, (x if y else z), x[1], x[1:2:3], x.name, [*x, 1], (*x, 2), {1, 2}
---
return {"a": x, **y}
---
return x == y != z < x <= y > z >= x is y is not z in x not in y
---
f = lambda a, /, b=1, *c, d=2, **e: a + b
return f(x, *y, k=z, **w), (n := x), None, u"text", ...
---
def f(a, /, b: int = 1, *c: int, d=2, **e) -> int:
    return a
return f(x)
---
@first
@second
def f(a):
    return 1
return f
---
return f"{x!r:>{y}} {z}", await slow(f"{x}")
---
return [a for a in x if a for b in y], {a for a in x}, {a: b for a in x for b in y}
---
return list(a for a in x if a)
---
return [await slow(a) for a in x if await slow(y)], {await slow(a) for a in x}
---
return {a: await slow(b) for a, b in x}
---
a = b = x
a, *b = c = await slow(x)
a: int = x
a += x
b.name = c[0] = x
del a, b.name
---
x.name += await slow(y)
x[0] -= await slow(y)
a: list[int]
return x
---
for a in x:
    if a:
        continue
    await slow(a)
    break
else:
    await slow(y)
while y:
    await slow(x)
else:
    await slow(z)
---
for a in x:
    y = a
    if a: break
else:
    y = 2
while y:
    y = 0
else:
    y = 3
return y
---
if x:
    await slow(1)
elif y:
    await slow(2)
else:
    await slow(3)
---
try:
    await slow(x)
except ValueError as e:
    await slow(y)
except (KeyError, OSError):
    await slow(z)
else:
    await slow(1)
finally:
    await slow(2)
---
try:
    x = 1
except ValueError as e:
    x = 2
else:
    x = 3
finally:
    x = 4
return x
---
try:
    await slow(x)
except* ValueError as e:
    await slow(y)
except* KeyError:
    await slow(z)
else:
    await slow(1)
finally:
    await slow(2)
---
raise x from y
---
assert x, y
assert await slow(x), y
---
with suppress(x, *y) as z, suppress(w):
    await slow(1)
with suppress(x) as z:
    y = 1
---
match x:
    case 1 | "b" if y:
        await slow(1)
    case None | True:
        await slow(2)
    case [a, *b]:
        await slow(3)
    case {"k": a, **b}:
        await slow(4)
    case ValueError(a, args=b):
        await slow(5)
    case (int() | str()) as c:
        await slow(6)
    case _:
        await slow(7)
---
match x:
    case {1: a} if y:
        z = a
    case [a, b]:
        z = b
    case other:
        z = 3
return z
---
pass
return
---
import a.b as c, d
---
from a import b as c
---
global GLOBAL
GLOBAL = x
---
def f():
    nonlocal x
    x = 1
return f
---
f = lambda: (yield x)
---
f = lambda: (yield from x)
---
@first
async def f():
    await slow(1)
return await f()
---
async def f(a, b=x, *c, d=y, **e) -> int:
    return await slow(a), b, x
return await f(y)
---
@first
class A(B, metaclass=C):
    z = 1
---
async for a in x:
    await slow(a)
else:
    await slow(y)
---
return [a async for a in x]
---
async with x as y, z:
    await slow(1)
---
with x as y:
    pass
"""
PROGRAMS = TEXTS.split("\n---\n")

if sys.version_info >= (3, 12):
    PROGRAMS += [
        "type A[T: int, *U, **V] = list[T]",
        "def f[T: int, *U, **V](a: T) -> T:\n    return a\nreturn f(x)",
        "class A[T]:\n    z = 1",
        "async def f[T](a: T) -> T:\n    await slow(1)\nreturn await f(x)",
    ]
if sys.version_info >= (3, 13):
    PROGRAMS += [
        "def f[T = int, *U = *tuple[int], **V = [int]](a: T) -> T:\n    return a\nreturn f(x)",
    ]

if sys.version_info >= (3, 14):
    PROGRAMS += ["return t'a{x!r:>{y}}b{z}'"]

if sys.version_info >= (3, 15):
    PROGRAMS += ["lazy import json\nreturn json", "lazy from json import loads\nreturn loads"]
    PROGRAMS += ["return [*y for y in [x]]", "return {*y for y in [x]}"]
    PROGRAMS += ["return {**{1: y} for y in x}", "return tuple(*y for y in [x])"]

TEMPLATE = """
from contextlib import suppress
GLOBAL = 1
@workflow
class W(Workflow):
    async def run(self, x: Any, y: Any = 1, *, z: Any = 2, **w: Any) -> Any:
        first = second = x
{}
"""

#: Kept by the standard library for old programs, or made for other ways to parse.
NEVER_IN_A_BODY = frozenset(
    {"Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice", "Suite", "AugLoad"}
    | {"AugStore", "Param", "TypeIgnore", "FunctionType", "Interactive", "Expression", "Module"}
)

#: What means nothing when a body runs, and why. Changing it must change nothing.
MEANINGLESS = {
    "ctx": "follows from where the node stands",
    "type_comment": "a comment",
    "simple": "whether the target of an annotation stands in parentheses",
    "AnnAssign.annotation": "annotations of locals are never evaluated",
    "arg.annotation": "annotations of parameters are hints",
    "FunctionDef.returns": "annotations of results are hints",
    "AsyncFunctionDef.returns": "annotations of results are hints",
}


def classes() -> list[type[ast.AST]]:
    """Node classes that this Python's parser makes of a body."""
    found = (cls for cls in vars(ast).values() if isinstance(cls, type))
    return sorted(
        (
            cls
            for cls in found
            if issubclass(cls, ast.AST)
            and not cls.__subclasses__()
            and cls.__module__ in ("ast", "_ast")
            and cls.__name__ not in NEVER_IN_A_BODY
        ),
        key=lambda cls: cls.__name__,
    )


def program(text: str) -> ast.Module:
    """The module of a workflow whose `run` is `text`."""
    body = "\n".join("        " + line for line in text.strip("\n").split("\n"))
    return ast.parse(TEMPLATE.format(body))


def run_of(module: ast.Module) -> ast.AsyncFunctionDef:
    return next(n for n in ast.walk(module) if isinstance(n, ast.AsyncFunctionDef))


def outcome(module: ast.Module) -> Any:
    """What comes of compiling: the graph without its locations, or what is refused."""
    try:
        text = ast.unparse(module)
        compile(text, "changed", "exec")
    except Exception:  # what this change makes is no Python
        return None
    try:
        definition = definition_of(define(text, HEAD, name="every_field"))
        graph = json.loads(canonical(definition.graph))
    except WorkflowCompileError as error:
        return [(found.code, found.message, found.text.strip()) for found in error.diagnostics]
    except Exception as error:  # refused before there is a graph
        return str(error)
    return graph


ALL = [(text, program(text), outcome(program(text))) for text in PROGRAMS]


def test_no_program_makes_the_compiler_fail() -> None:
    """What it does not know it refuses, in words about the program."""
    assert not [
        text for text, _, result in ALL if isinstance(result, str) or "WM901" in str(result)
    ]


def refused_at(result: Any, node: ast.AST) -> bool:
    """Whether a refusal shows the line that `node` begins on."""
    lines = ast.unparse(node).split("\n")
    line = next(line.strip() for line in lines if not line.startswith("@"))
    return isinstance(result, list) and any(line in shown or shown in line for *_, shown in result)


def changes(node: ast.AST, field: str) -> Iterator[Any]:
    """Other values for a field of a node."""
    value = getattr(node, field, None)
    match value:
        case list():
            for position in range(len(value)):
                yield [*value[:position], *value[position + 1 :]]
                item = value[position]
                for new in replacements(item):
                    yield [*value[:position], new, *value[position + 1 :]]
        case bool() | None:
            yield not value
        case int():
            yield -1
            yield 1 - value
            yield value + 1
            yield ord("r")
        case ast.expr_context():
            yield value
        case ast.arguments():
            yield ast.parse("lambda: 0", mode="eval").body.args  # type: ignore[attr-defined]
        case _:
            yield None
            yield from replacements(value)


def replacements(item: Any) -> Iterator[Any]:
    """Something else of the same category."""
    match item:
        case ast.operator() | ast.unaryop() | ast.boolop() | ast.cmpop():
            yield other(item)
        case ast.stmt():
            yield ast.Pass()
        case ast.expr():
            yield ast.Name("other", ast.Load())
            yield ast.Constant(7)
        case ast.pattern():
            yield ast.MatchAs(None, "renamed")
            yield ast.MatchValue(ast.Constant(7))
        case str():
            yield "renamed"
        case _:
            return


def other(operator: ast.AST) -> ast.AST:
    """An operator of the same category."""
    category = type(operator).__bases__[0]
    return next(cls() for cls in category.__subclasses__() if cls is not type(operator))


def annotations(module: ast.Module) -> Iterator[ast.expr]:
    """What is never evaluated."""
    for node in ast.walk(module):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                yield getattr(node, field)


def places(cls: type[ast.AST], field: str) -> Iterator[tuple[str, Any, Iterator[Any]]]:
    """Each node of a class with something in a field: what it is, what comes of its
    program, and what comes of it with the field changed in one way or another."""
    for _, module, result in ALL:
        hints = {id(inner) for hint in annotations(module) for inner in ast.walk(hint)}
        hints.add(id(run_of(module).args.args[0]))  # `self`, which may have any name
        for position, node in enumerate(ast.walk(run_of(module))):
            if (
                id(node) in hints
                or type(node) is not cls
                or not (getattr(node, field) or field in ALWAYS)
            ):
                continue
            if refused_at(result, node):
                yield ast.unparse(node), result, iter(["refused as a whole"])
            if isinstance(result, list):
                continue  # What else stands in a refused program is not compiled.
            yield ast.dump(node), result, outcomes(module, position, field)


def outcomes(module: ast.Module, position: int, field: str) -> Iterator[Any]:
    """What comes of changing a field of the node at a position, where it is Python."""
    for value in changes(list(ast.walk(run_of(module)))[position], field):
        changed = copy.deepcopy(module)
        setattr(list(ast.walk(run_of(changed)))[position], field, value)
        found = outcome(ast.fix_missing_locations(changed))
        if found is not None:
            yield found


#: Fields that mean something also where they hold 0 or None.
ALWAYS = frozenset({"value", "conversion", "is_async", "type_comment", "simple", "level"})


FIELDS = [(cls, field) for cls in classes() for field in cls._fields]


def test_every_class_stands_in_a_program() -> None:
    """A node class that a later Python brings needs a program here first."""
    held = {type(node) for _, module, _ in ALL for node in ast.walk(run_of(module))}
    assert [cls.__name__ for cls in classes() if cls not in held] == []


@pytest.mark.parametrize(("cls", "field"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_every_field_counts(cls: type[ast.AST], field: str) -> None:
    """What is written there changes the graph, or is refused; or it means nothing,
    for a reason."""
    if field in MEANINGLESS or f"{cls.__name__}.{field}" in MEANINGLESS:
        for shown, before, after in places(cls, field):
            assert all(one in (before, "refused as a whole") for one in after), shown
        return
    counts = False
    for shown, before, after in places(cls, field):
        first = next(after, None)
        if first is not None:
            counts = True
            differs = first != before or any(one != before for one in after)
            assert differs, f"{field} of {shown} is dropped"
    assert counts, f"{cls.__name__}.{field} stands in no program"


def test_unknown_syntax_is_refused() -> None:
    """A node class or a field that nobody has heard of is no part of any program."""
    made = type("Spell", (ast.expr,), {"_fields": ("words",)})()
    made.words = [ast.Constant(1)]
    ast.copy_location(made, ast.parse("1").body[0])
    found = check_code(ast.Expr(made), {}, frozenset())
    assert [(violation.code, violation.fact) for violation in found] == [
        ("WM108", "`Spell` is syntax that a workflow does not support yet")
    ]
    # A class that is known, as a later Python might have it.
    fields = {"_fields": (*ast.Pass._fields, "spell"), "_field_types": {"spell": ast.expr}}
    later = type("Pass", (ast.Pass,), fields)(spell=ast.Constant(1))
    found = check_code(later, {}, frozenset({"x"}))
    assert [violation.code for violation in found] == ["WM108"]
