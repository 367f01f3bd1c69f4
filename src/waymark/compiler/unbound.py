"""Whether a `try` in pure code may catch the reading of an unbound variable.

Code of a node reaches variables through cells, where Python says `NameError`
for what is an `UnboundLocalError` in a function. The engine names what leaves a
node; what is caught inside of one it cannot see. So such a `try` becomes nodes.
Assignments are followed in order; in doubt a variable counts as unbound.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable

from waymark.graph.scopes import bound_names, free_names, target_names
from waymark.graph.trees import walk


def fickle_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that may be unbound, or bound again inside an expression, in code of
    these nodes."""
    found: set[str] = set()
    for node in nodes:
        if type(node) in _UNSETTLING:
            match node:
                case ast.Delete(targets=targets):
                    found.update(name for target in targets for name in _deleted(target))
                case ast.NamedExpr(target=ast.Name(id=name)) | ast.ExceptHandler(name=str(name)):
                    found.add(name)
                case _:
                    pass
    return found


_UNSETTLING = frozenset({ast.Delete, ast.NamedExpr, ast.ExceptHandler})


def _deleted(target: ast.expr) -> list[str]:
    names = (node for node in walk(target) if isinstance(node, ast.Name))
    return [node.id for node in names if isinstance(node.ctx, ast.Del)]


def _tries(statement: ast.stmt) -> bool:
    """Whether anything in `statement` may catch what is raised."""
    found: list[ast.AST] = [statement]
    for node in found:
        if type(node) in _TRYING:
            return True
        for field in _BODIES.get(type(node), ()):
            found += getattr(node, field)
    return False


#: What catches, and where statements stand in others.
_TRYING = frozenset({ast.Try, ast.TryStar, ast.With})
_BODIES: dict[type, tuple[str, ...]] = {
    ast.If: ("body", "orelse"),
    ast.While: ("body", "orelse"),
    ast.For: ("body", "orelse"),
    ast.Match: ("cases",),
    ast.match_case: ("body",),
}


def may_catch_unbound(
    statement: ast.stmt, variables: Collection[str], bound: Collection[str]
) -> bool:
    """Whether a `try` within `statement` reads one of `variables` that is not
    certainly `bound` by then."""
    if not _tries(statement):
        return False
    following = _Follow(frozenset(variables), frozenset(fickle_names(walk(statement))))
    return following.block([statement], set(bound), trying=False)


class _Follow:
    def __init__(self, variables: frozenset[str], fickle: frozenset[str]) -> None:
        self.variables = variables
        self.fickle = fickle

    def reads(self, node: ast.AST | None, bound: set[str]) -> bool:
        if node is None:
            return False
        return not self.variables.intersection(free_names(node)) <= bound - self.fickle

    def block(self, body: Iterable[ast.stmt], bound: set[str], *, trying: bool) -> bool:
        """Follow `body`, adding to `bound`, up to what is in doubt."""
        return any(self.statement(node, bound, trying=trying) for node in body)

    def statement(self, node: ast.stmt, bound: set[str], *, trying: bool) -> bool:
        match node:
            case ast.Try() | ast.TryStar():
                return self.attempt(node, bound, trying=trying)
            case ast.With():
                found = any(self.head(i.context_expr, bound, trying=trying) for i in node.items)
                bound.update(bound_names(node.items))
                return found | self.block(node.body, set(bound), trying=True)
            case ast.If():
                return self.head(node.test, bound, trying=trying) | self.either(
                    (node.body, node.orelse), bound, trying=trying
                )
            case ast.While():
                return self.head(node.test, bound, trying=trying) | self.loop(
                    node, (), bound, trying=trying
                )
            case ast.For():
                return self.head(node.iter, bound, trying=trying) | self.loop(
                    node, target_names(node.target), bound, trying=trying
                )
            case ast.Match():
                found = self.head(node.subject, bound, trying=trying)
                for case in node.cases:
                    inner = bound | set(bound_names([case.pattern]))
                    found |= self.head(case.guard, inner, trying=trying)
                    found |= self.block(case.body, inner, trying=trying)
                return found
            case _:
                return self.simple(node, bound, trying=trying)

    def head(self, node: ast.expr | None, bound: set[str], *, trying: bool) -> bool:
        return trying and self.reads(node, bound)

    def simple(self, node: ast.stmt, bound: set[str], *, trying: bool) -> bool:
        found = trying and self.reads(node, bound)
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.FunctionDef)):
            bound.update(bound_names([node]))
        return found

    def attempt(self, node: ast.Try | ast.TryStar, bound: set[str], *, trying: bool) -> bool:
        inner = set(bound)
        # What `finally` raises gets the exception that it interrupts as its context.
        trying = trying or bool(node.finalbody)
        found = self.block(node.body, inner, trying=trying or bool(node.handlers))
        for handler in node.handlers:
            found |= self.head(handler.type, bound, trying=trying)
            found |= self.handler(handler, bound, trying=trying)
        found |= self.block(node.orelse, inner, trying=trying)
        return found | self.block(node.finalbody, bound, trying=trying)

    def handler(self, node: ast.ExceptHandler, bound: set[str], *, trying: bool) -> bool:
        """Within its handler the exception's name is bound, as long as nothing there unbinds it."""
        named = {node.name} if node.name else set[str]()
        held = named - fickle_names(walk(*node.body))
        inside = _Follow(self.variables, self.fickle - held)
        return inside.block(node.body, bound | named, trying=trying)

    def either(
        self, bodies: tuple[list[ast.stmt], list[ast.stmt]], bound: set[str], *, trying: bool
    ) -> bool:
        then, orelse = set(bound), set(bound)
        found = self.block(bodies[0], then, trying=trying)
        found |= self.block(bodies[1], orelse, trying=trying)
        bound.update(then & orelse)
        return found

    def loop(
        self, node: ast.For | ast.While, targets: Iterable[str], bound: set[str], *, trying: bool
    ) -> bool:
        inside = self.block(node.body, bound | set(targets), trying=trying)
        return inside | self.block(node.orelse, set(bound), trying=trying)
