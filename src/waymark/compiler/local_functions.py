"""`async def` inside of a function.

It becomes a function of the graph. Where it stands, a call makes the value that
its name is bound to:

    async def step(x, times=n): ...   ->   step = step_function(lambda: (log, n), (n,), {})

Defaults are evaluated there and then. The lambda is never called: it closes over
the variables that the function uses of those around it, and Python gives it the
very cells of the frame, so these are shared and late bound as in any closure. It
needs no frame of the graph around it: a sync function may define one, too.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from waymark.graph.model import Name
from waymark.graph.scopes import bound_names, free_names, parameter_names

from .reach import PendingFunction
from .source import Source
from .table import Prepared, Table

if TYPE_CHECKING:
    from collections.abc import Iterable


class Preparer(Protocol):
    """What is asked of the one who prepares the function around."""

    table: Table
    source: Source

    def arguments(self, arguments: ast.arguments) -> ast.arguments: ...

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]: ...

    def check_bound(self, node: ast.AST, names: Iterable[str]) -> None: ...

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None: ...


class LocalFunctions:
    """Those of one function."""

    def __init__(self, preparer: Preparer) -> None:
        self.preparer = preparer
        self.around: Prepared = preparer.table.prepared

    def made(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        """The statement that stands for a definition, whose body is prepared."""
        for decorator in node.decorator_list:
            path = ast.unparse(decorator)
            self.preparer.report(
                node,
                "WM224",
                f"a local `async def` is compiled, so `@{path}` would never wrap it",
                "take it off, and do what it does in the body",
            )
        source = Source(self.preparer.source.path, self.preparer.source.lines, node)
        span_of = ast.copy_location(ast.Pass(), node)
        node.decorator_list, node.returns = [], None
        node.args = self.preparer.arguments(node.args)
        variables = dict.fromkeys((*parameter_names(node.args), *bound_names(node.body)))
        self.preparer.check_bound(node, variables)
        captured = self.prepared(node, variables, source)
        return ast.copy_location(self.assignment(node, captured), span_of)

    def prepared(
        self, node: ast.AsyncFunctionDef, variables: dict[str, None], source: Source
    ) -> Prepared:
        """Prepare the body, and leave it with the function around."""
        table, around = self.preparer.table, self.around
        pending = self.pending(node)
        inner = Prepared(source, pending, node.args, names=around.names, variables=variables)
        outer = table.inner
        table.inner = outer | frozenset(variables)
        table.prepared = self.around = inner
        inner.body = node.body = self.preparer.body(node.body)
        table.prepared = self.around = around
        table.inner = outer
        visible = outer | table.variables | self.receivers()
        used = {name for statement in node.body for name in free_names(statement)}
        inner.captured = sorted((used - set(variables)) & visible)
        around.inner.append(inner)
        return inner

    def pending(self, node: ast.AsyncFunctionDef) -> PendingFunction:
        around = self.around.pending
        name = around.function.__qualname__.rpartition("<locals>.")[2]
        name = f"{around.name if around.local else name}.<locals>.{node.name}"
        return replace(around, name=self.preparer.table.reach.unique(name), local=True)

    def receivers(self) -> frozenset[str]:
        """`self` and `cls`, where these are variables."""
        table = self.preparer.table
        receiver = table.receiver_kind
        stateful = receiver == "self" and table.reach.facts.stateful
        return frozenset({receiver}) if stateful or receiver == "cls" else frozenset()

    def assignment(self, node: ast.AsyncFunctionDef, inner: Prepared) -> ast.stmt:
        table = self.preparer.table
        key = table.free_key(f"{node.name}.function", None, fresh=True)
        self.around.names[key] = Name("local", ref=inner.pending.name)
        cells = ast.Tuple([ast.Name(name, ast.Load()) for name in inner.captured], ast.Load())
        nothing = ast.arguments([], [], None, [], [], None, [])
        defaults = ast.Tuple(list(node.args.defaults), ast.Load())
        named = [
            (ast.Constant(parameter.arg), default)
            for parameter, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default is not None
        ]
        keywords = ast.Dict([key for key, _ in named], [default for _, default in named])
        call = ast.Call(
            ast.Name(key, ast.Load()), [ast.Lambda(nothing, cells), defaults, keywords], []
        )
        made = ast.Assign([ast.Name(node.name, ast.Store())], call)
        for part in ast.walk(made):
            if not hasattr(part, "lineno"):
                ast.copy_location(part, node)
        return made
