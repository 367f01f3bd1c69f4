"""A graph as a picture: `sketch(graph)`.

What the author wrote decides what is shown, since a picture is read beside the
source: a `match` is one region and not the chain of tests it was lowered to, and
a line shows once. What is waited for comes from the nodes, found by their places.
A run of statements that neither wait nor leave is one `compute` step.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

from waymark.graph.model import DEFINED, Function, Graph

from .authored import Authored, authored_of
from .awaits import Awaits, called_name, has_step
from .nodes import node_items
from .picture import Item, Panel, Part, Picture, Region, RegionKind, Role, Step

_Loop = ast.For | ast.AsyncFor | ast.While


def sketch(graph: Graph) -> Picture:
    """The picture of a graph; never raises for a valid one. Functions that the
    compiler brings along are left out."""
    authored = [each for each in graph.functions if not each.name.startswith(DEFINED)]
    panels = tuple(_panel(function) for function in authored)
    return Picture(graph.workflow, panels)


def _panel(function: Function) -> Panel:
    names = tuple(parameter.name for parameter in function.parameters)
    return Panel(function.name, names, function.span.line, _items(function))


def _items(function: Function) -> tuple[Item, ...]:
    authored = authored_of(function)
    if authored is None:
        return node_items(function.body)
    try:
        return _Sketch(authored).body(_without_docstring(authored.definition.body))
    except RecursionError:
        # Nobody's code, but a text of a database may be nested as it likes.
        return node_items(function.body)


def _without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    match body[0]:
        case ast.Expr(value=ast.Constant(value=str())):
            return body[1:]
        case _:
            return body


def _is_shown(node: ast.AST, *, in_loop: bool = False) -> bool:
    """Whether a statement is drawn as what it is and not as a line of a `compute`:
    it waits, or it leaves the function or a loop around it."""
    match node:
        case ast.Return() | ast.Raise():
            return True
        case ast.Break() | ast.Continue():
            return not in_loop
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return False
        case ast.expr():
            return has_step(node)
        case ast.AsyncFor() | ast.AsyncWith():
            return True
        case _:
            looping = in_loop or isinstance(node, (ast.For, ast.While))
            return any(_is_shown(child, in_loop=looping) for child in ast.iter_child_nodes(node))


class _Sketch:
    """One function."""

    def __init__(self, authored: Authored) -> None:
        self.authored = authored
        self.awaits = Awaits(authored)

    def body(self, statements: Sequence[ast.stmt]) -> tuple[Item, ...]:
        """Statements in their order, runs of plain ones together."""
        items: list[Item] = []
        for statement in statements:
            if isinstance(statement, ast.Pass):
                continue
            for item in self.shown(statement) if _is_shown(statement) else self.plain(statement):
                last = items[-1] if items else item
                if last is not item and _is_compute(last) and _is_compute(item):
                    items[-1] = replace(last, text=f"{last.text}\n{item.text}")
                else:
                    items.append(item)
        return tuple(items)

    def plain(self, statement: ast.stmt) -> tuple[Step]:
        lines = [self.authored.text(statement)]
        if hasattr(statement, "body") or hasattr(statement, "cases"):
            lines = self.authored.block(statement)
        return (Step("compute", self.authored.line(statement), "\n".join(lines)),)

    def part(
        self,
        statements: Sequence[ast.stmt],
        caption: str = "",
        line: int = 0,
        before: Sequence[Item] = (),
    ) -> Part:
        return Part((*before, *self.body(statements)), caption, line)

    def after(
        self, statements: Sequence[ast.stmt], caption: str, role: Role = "after"
    ) -> Iterator[Part]:
        if statements:
            line = self.authored.keyword_line(caption, statements[0])
            yield Part(self.body(statements), caption, line, role)

    # Statements

    def shown(self, statement: ast.stmt) -> tuple[Item, ...]:
        match statement:
            case ast.If():
                return self.branch(statement)
            case ast.While():
                return (self.while_(statement),)
            case ast.For() | ast.AsyncFor():
                return self.for_(statement)
            case ast.Try() | ast.TryStar():
                return (self.try_(statement),)
            case ast.Match():
                return self.match(statement)
            case ast.With() | ast.AsyncWith():
                return self.with_(statement)
            case _ if has_step(statement):
                return self.awaits.statement(statement)
            case _:
                return (self.awaits.plain(statement),)

    def branch(self, node: ast.If) -> tuple[Item, ...]:
        before = tuple(self.awaits.of(node.test))
        caption = f"if {self.authored.text(node.test)}"
        chain = list(self.chain(node))
        last = self.otherwise(node)
        after = tuple(self.after(last, "else", "way"))
        if len(chain) > 1:
            caption = "if"
            parts = tuple(
                self.part(each.body, text, self.authored.line(each)) for text, each in chain
            )
        else:
            parts = (self.part(node.body, "yes" if last else ""),)
            after = tuple(replace(part, caption="no") for part in after)
        goes_on = not last or any(part.goes_on for part in (*parts, *after))
        line = self.authored.line(node)
        return (*before, Region("branch", line, caption, (*parts, *after), goes_on))

    def chain(self, node: ast.If) -> Iterator[tuple[str, ast.If]]:
        """The `if` and its `elif`s: those whose test waits are drawn inside."""
        word, current = "if", node
        while True:
            yield f"{word} {self.authored.text(current.test)}", current
            following = self.elif_(current)
            if following is None:
                return
            word, current = "elif", following

    def otherwise(self, node: ast.If) -> list[ast.stmt]:
        """What stands in the `else` of the whole chain."""
        following = self.elif_(node)
        return node.orelse if following is None else self.otherwise(following)

    def elif_(self, node: ast.If) -> ast.If | None:
        match node.orelse:
            case [ast.If() as following] if following.col_offset == node.col_offset:
                return None if has_step(following.test) else following
            case _:
                return None

    def for_(self, node: ast.For | ast.AsyncFor) -> tuple[Item, ...]:
        before = tuple(self.awaits.of(node.iter))
        word = "async for" if isinstance(node, ast.AsyncFor) else "for"
        caption = f"{word} {self.authored.text(node.target, node.iter)}"
        parts = (self.part(node.body), *self.after(node.orelse, "else"))
        return (*before, Region("loop", self.authored.line(node), caption, parts))

    def while_(self, node: ast.While) -> Region:
        before = tuple(self.awaits.of(node.test))
        caption = f"while {self.authored.text(node.test)}"
        parts = (self.part(node.body, before=before), *self.after(node.orelse, "else"))
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        goes_on = not endless or any(map(_breaks, node.body))
        return Region("loop", self.authored.line(node), caption, parts, goes_on)

    def try_(self, node: ast.Try | ast.TryStar) -> Region:
        star = "*" if isinstance(node, ast.TryStar) else ""
        body = self.part(node.body)
        handlers = tuple(self.handler(handler, star) for handler in node.handlers)
        orelse = tuple(self.after(node.orelse, "else", "else"))
        final = tuple(self.after(node.finalbody, "finally"))
        ends = (all(part.goes_on for part in (body, *orelse)), *(part.goes_on for part in handlers))
        goes_on = any(ends) and all(part.goes_on for part in final)
        parts = (body, *handlers, *orelse, *final)
        return Region("try", self.authored.line(node), "try", parts, goes_on)

    def handler(self, node: ast.ExceptHandler, star: str) -> Part:
        caption = f"except{star}"
        if node.type is not None:
            caption += f" {self.authored.text(node.type)}"
        if node.name is not None:
            caption += f" as {node.name}"
        before = tuple(self.awaits.of(node.type))
        return Part((*before, *self.body(node.body)), caption, self.authored.line(node), "except")

    def match(self, node: ast.Match) -> tuple[Item, ...]:
        before = tuple(self.awaits.of(node.subject))
        parts = tuple(map(self.case, node.cases))
        total = any(_always(case) for case in node.cases)
        goes_on = not total or any(part.goes_on for part in parts)
        caption = f"match {self.authored.text(node.subject)}"
        return (*before, Region("branch", self.authored.line(node), caption, parts, goes_on))

    def case(self, case: ast.match_case) -> Part:
        caption = f"case {self.authored.text(case.pattern)}"
        before: tuple[Item, ...] = ()
        if case.guard is not None:
            caption += f" if {self.authored.text(case.guard)}"
            before = tuple(self.awaits.of(case.guard))
        return Part((*before, *self.body(case.body)), caption, self.authored.line(case.pattern))

    def with_(self, node: ast.With | ast.AsyncWith) -> tuple[Item, ...]:
        before = tuple(item for each in node.items for item in self.awaits.of(each.context_expr))
        word = "async with" if isinstance(node, ast.AsyncWith) else "with"
        last = node.items[-1].optional_vars or node.items[-1].context_expr
        caption = f"{word} {self.authored.text(node.items[0].context_expr, last)}"
        groups = any(_called(each.context_expr) == "TaskGroup" for each in node.items)
        part = self.part(node.body)
        goes_on = part.goes_on or word == "with"
        kind: RegionKind = "group" if groups else "scope"
        return (*before, Region(kind, self.authored.line(node), caption, (part,), goes_on))


def _is_compute(item: Item) -> TypeGuard[Step]:
    return isinstance(item, Step) and item.kind == "compute"


def _called(node: ast.expr) -> str:
    return called_name(node.func) if isinstance(node, ast.Call) else ""


def _breaks(node: ast.AST) -> bool:
    """Whether a `break` in `node` leaves the loop that `node` stands in."""
    match node:
        case ast.Break():
            return True
        case ast.For() | ast.AsyncFor() | ast.While():
            return any(map(_breaks, node.orelse))
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.expr():
            return False
        case _:
            return any(map(_breaks, ast.iter_child_nodes(node)))


def _always(case: ast.match_case) -> bool:
    """Whether a case takes everything that comes to it."""
    pattern = case.pattern
    while isinstance(pattern, ast.MatchOr):
        pattern = pattern.patterns[-1]
    return case.guard is None and isinstance(pattern, ast.MatchAs) and pattern.pattern is None
