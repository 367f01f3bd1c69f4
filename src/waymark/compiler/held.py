"""Values that cannot wait: generators kept in a variable and read on the other
side of an await. A generator is a frame of Python's own, which nothing stores.

All else that code can make may wait: lambdas and local functions with what they
capture, iterators of built-ins, bound methods, patterns. Recovery makes them
again, since it evaluates the nodes again."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from waymark.graph import trees
from waymark.graph.model import (
    Await,
    Branch,
    Code,
    Compute,
    Loop,
    Node,
    Raise,
    Return,
    Scope,
    Try,
    children,
    walk,
)
from waymark.graph.scopes import bound_names, free_names

from .reach import Reach
from .table import Prepared


def check_held(prepared: Prepared, body: Sequence[Node], reach: Reach) -> None:
    """Report generators that cross an await."""
    held = dict(_held(prepared.kinds))
    if not held:
        return
    steps = list(_steps(tuple(body), ()))
    for name, where in held.items():
        if not _crosses(name, steps):
            continue
        fact = f"the generator in `{name}` would have to be stored at an await, which it cannot"
        reach.report(prepared.source, where, "WM401", fact, _FIX)


_FIX = "build a list, `[... for ...]`, or make the generator where it is used"


@dataclass(frozen=True, slots=True)
class _Step:
    """A node in source order. `loops` are the loops around it that await, each
    with whether the node stands directly in the loop's body."""

    node: Node
    loops: tuple[tuple[int, bool], ...]


def _steps(body: tuple[Node, ...], loops: tuple[tuple[int, bool], ...]) -> Iterator[_Step]:
    for node in body:
        yield _Step(node, loops)
        inside = tuple((loop, False) for loop, _ in loops)
        for inner in children(node):
            around = inside
            if isinstance(node, Loop) and inner is node.body and _awaits(inner):
                around = (*inside, (id(node), True))
            yield from _steps(inner, around)


def _awaits(body: tuple[Node, ...]) -> bool:
    return any(isinstance(node, (Await, Scope)) for node in walk(body))


def _crosses(name: str, steps: list[_Step]) -> bool:
    """Whether a value of `name` may wait between where it is made and read."""
    made = [at for at, step in enumerate(steps) if name in _writes(step.node)]
    read = [at for at, step in enumerate(steps) if _reads_first(step.node, name)]
    return any(_waits_between(name, steps, start, end) for start in made for end in read)


def _waits_between(name: str, steps: list[_Step], start: int, end: int) -> bool:
    shared = {loop for loop, _ in steps[start].loops} & {loop for loop, _ in steps[end].loops}
    if end <= start:
        return bool(shared)
    if any(isinstance(step.node, (Await, Scope)) for step in steps[start + 1 : end]):
        return True
    if not shared:
        return False
    # The next round may read what this one made, unless each round makes it anew.
    inmost = max(shared, key=_depth(steps[start]))
    return (inmost, True) not in steps[start].loops or not _binds(steps[start].node, name)


def _depth(step: _Step) -> Callable[[int], int]:
    order = [loop for loop, _ in step.loops]
    return order.index


def _held(kinds: trees.Kinds) -> Iterator[tuple[str, ast.AST]]:
    """Generators by the variable they are bound to, as the body was written: where a case
    awaits, lowering takes what it holds out of its tree."""
    bindings: list[ast.Assign | ast.NamedExpr]
    bindings = [*kinds.of(ast.Assign), *kinds.of(ast.NamedExpr)]
    for binding in sorted(bindings, key=lambda node: (node.lineno, node.col_offset)):
        match binding:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.GeneratorExp() as value):
                yield name, value
            case ast.NamedExpr(target=ast.Name(id=name), value=ast.GeneratorExp() as value):
                yield name, value
            case _:
                pass


def _reads_first(node: Node, name: str) -> bool:
    """Whether `node` reads a value of `name` from before it."""
    for code in _codes(node):
        if name in code.reads and not (code.mode == "exec" and _binds_first(code, name)):
            return True
    return False


def _binds(node: Node, name: str) -> bool:
    """Whether `node` binds `name` whatever happens in it."""
    return isinstance(node, Compute) and any(
        _is_binding(statement, name) for statement in ast.parse(node.code.text).body
    )


def _binds_first(code: Code, name: str) -> bool:
    for statement in ast.parse(code.text).body:
        if name in free_names(statement):
            return False
        if _is_binding(statement, name):
            return True
    return True


def _is_binding(statement: ast.stmt, name: str) -> bool:
    simple = isinstance(statement, (ast.Assign, ast.FunctionDef))
    return simple and name in bound_names([statement])


def _writes(node: Node) -> set[str]:
    return {name for code in _codes(node) for name in code.writes}


def _codes(node: Node) -> Iterator[Code]:
    """The code of one node, without what it holds."""
    match node:
        case Compute(code=code) | Raise(code=Code() as code):
            yield code
        case Await(call=code) | Branch(test=code) | Loop(head=code) | Return(value=Code() as code):
            yield code
        case Scope(manager=code):
            yield code
        case Try(handlers=handlers):
            yield from (handler.types for handler in handlers if handler.types is not None)
        case _:
            return
