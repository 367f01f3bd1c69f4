"""Which names a piece of Python binds and which it reads, scope by scope.

Python's rules, in brief: a function's locals are whatever it binds anywhere in
its own body; a comprehension, lambda or nested function has a scope of its own;
a walrus inside a comprehension binds in the scope around it; the first iterable
of a comprehension is evaluated in the scope around it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias, cast

from .trees import FIELDS, children, class_of, walk

#: Names that a piece of code reads and that it writes.
Uses: TypeAlias = tuple[set[str], set[str]]
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def target_names(target: ast.AST) -> Iterator[str]:
    """Names that an assignment target binds, in order."""
    for node in walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def parameter_names(arguments: ast.arguments) -> list[str]:
    """Every parameter's name, in Python's order."""
    plain = [*arguments.posonlyargs, *arguments.args]
    names = [parameter.arg for parameter in plain]
    if arguments.vararg is not None:
        names.append(arguments.vararg.arg)
    names.extend(parameter.arg for parameter in arguments.kwonlyargs)
    if arguments.kwarg is not None:
        names.append(arguments.kwarg.arg)
    return names


def comprehension_names(node: Comprehension) -> set[str]:
    """Names of a comprehension's own scope."""
    return {name for part in node.generators for name in target_names(part.target)}


def unpacks(node: Comprehension) -> bool:
    """Whether a comprehension unpacks what it makes, as Python 3.15 lets it."""
    if isinstance(node, ast.DictComp):
        # `{**made for made in many}` has `made` as its key.
        return cast("ast.expr | None", node.value) is None
    return isinstance(node.elt, ast.Starred)


def bound_names(body: Iterable[ast.AST]) -> list[str]:
    """Names that `body` binds in its own scope, in order of first binding."""
    found: dict[str, None] = {}
    # What is found below a node comes before what stands beside it.
    pending = [*body][::-1]
    while pending:
        node: Any = pending.pop()
        kind = class_of(node)
        if kind is ast.Name:
            if type(node.ctx) is not ast.Load:
                found.setdefault(node.id)
            continue
        if kind is ast.alias:
            # Refused itself; that its name is unknown as well would be said in vain.
            found.setdefault(node.asname or node.name.partition(".")[0])
        elif kind in _NAMING:
            # A pattern or a handler need not give a name.
            name = getattr(node, _NAMING[kind])
            if name is not None:
                found.setdefault(name)
        pending += [*_same_scope(node)][::-1]
    return list(found)


#: Nodes that bind a name of their own, and the field that holds it.
_NAMING: Final[dict[type, str]] = {
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
}


def _same_scope(node: ast.AST) -> Iterable[ast.AST]:
    """Children that may bind in the scope that `node` itself stands in."""
    if type(node) not in _SCOPED:
        return children(node)
    match node:
        case ast.Lambda() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return _defaults(node.args)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return _walruses(node)
        case _:
            return ()


_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
#: Nodes with a scope of their own.
_SCOPED: Final = frozenset(
    {*_COMPREHENSIONS, ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}
)


#: Where it takes more than a look at each name.
_INVOLVED: Final = _SCOPED | {*_NAMING, ast.alias, ast.Delete}


#: Where it takes more than a look at the names.
_TWOFOLD: Final = _INVOLVED | {ast.AugAssign}


def _defaults(arguments: ast.arguments) -> Iterator[ast.expr]:
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)


def _walruses(node: Comprehension) -> Iterator[ast.AST]:
    for inner in walk(node):
        if isinstance(inner, ast.NamedExpr):
            yield inner.target


def uses(tree: ast.AST, nodes: Sequence[ast.AST] = ()) -> Uses:
    """`free_names` and `bound_names` of a tree, mostly in one walk over it, or in a
    look at its `nodes` where these are known."""
    reads: set[str] = set()
    writes: set[str] = set()
    if nodes and _TWOFOLD.isdisjoint(map(type, nodes)):
        for node in nodes:
            if isinstance(node, ast.Name):
                (reads if type(node.ctx) is ast.Load else writes).add(node.id)
        return reads, writes
    if _collects(tree, reads, writes):
        return reads, writes
    return free_names(tree), set(bound_names([tree]))


def _collects(tree: ast.AST, reads: set[str], writes: set[str]) -> bool:
    """Whether the names that a tree uses could be told by looking at each alone."""
    node: Any
    fields, nodes = FIELDS, [tree]
    for node in nodes:
        kind = class_of(node)
        if kind is ast.Name:
            (reads if type(node.ctx) is ast.Load else writes).add(node.id)
            continue
        if kind in _INVOLVED:
            if kind not in _COMPREHENSIONS or not _collects_inside(node, reads, writes):
                return False
            continue
        if kind is ast.AugAssign and type(node.target) is ast.Name:
            reads.add(node.target.id)
        for field in fields[kind]:
            value: Any = getattr(node, field, None)
            if value is None:
                continue
            if class_of(value) is list:
                nodes += filter(None, value)
            else:
                nodes.append(value)
    return True


def _collects_inside(node: Comprehension, reads: set[str], writes: set[str]) -> bool:
    """The same for a comprehension, unless it binds something around it."""
    inside: set[str] = set()
    bound: set[str] = set()
    if not _collects(node.generators[0].iter, reads, writes):
        return False
    for part in _inside_comprehension(node):
        if not _collects(part, inside, bound):
            return False
    own = comprehension_names(node)
    reads |= inside - own
    return bound <= own


def free_names(tree: ast.AST) -> set[str]:
    """Names that `tree` reads from the scope around it."""
    found: set[str] = set()
    _read(tree, frozenset(), found)
    return found


def _read(node: ast.AST, hidden: frozenset[str], found: set[str]) -> None:
    kind = type(node)
    if kind is ast.Name:
        read = cast("ast.Name", node)
        if isinstance(read.ctx, ast.Load) and read.id not in hidden:
            found.add(read.id)
        return
    match node:
        # An augmented assignment and a `del` need the variable to be there.
        case ast.AugAssign(target=ast.Name(id=name)) if name not in hidden:
            found.add(name)
        case ast.Delete(targets=targets):
            found.update(
                target.id
                for target in targets
                if isinstance(target, ast.Name) and target.id not in hidden
            )
        case _:
            pass
    if kind in _SCOPED:
        walk_scope(node, hidden, lambda inner, scope: _read(inner, scope, found))
    else:
        for child in children(node):
            _read(child, hidden, found)


def walk_scope(
    node: ast.AST, hidden: frozenset[str], visit: Callable[[ast.AST, frozenset[str]], None]
) -> None:
    """Call `visit(child, names of the inner scopes it stands in)` for each child."""
    match node:
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            visit(node.generators[0].iter, hidden)
            inner = hidden | comprehension_names(node)
            for child in _inside_comprehension(node):
                visit(child, inner)
        case ast.Lambda():
            for default in _defaults(node.args):
                visit(default, hidden)
            visit(node.body, hidden | set(parameter_names(node.args)))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            for outside in (*_defaults(node.args), *node.decorator_list):
                visit(outside, hidden)
            inner = hidden | set(parameter_names(node.args)) | set(bound_names(node.body))
            for statement in node.body:
                visit(statement, inner)
        case _:
            for child in children(node):
                visit(child, hidden)


def _inside_comprehension(node: Comprehension) -> Iterator[ast.AST]:
    for position, part in enumerate(node.generators):
        yield part.target
        if position:
            yield part.iter
        yield from part.ifs
    if isinstance(node, ast.DictComp):
        yield node.key
        yield node.value
    else:
        yield node.elt
