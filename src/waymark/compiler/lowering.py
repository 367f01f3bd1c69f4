"""The state of lowering one function: the block being filled, and its names.

Lowering walks the prepared body in order and fills blocks. A block collects pure
statements until something needs a node of its own; then the collected ones
become one `Compute`. Nodes get their numbers afterwards.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from waymark.graph.check import check_code
from waymark.graph.model import HIDDEN, Code, Compute, Name, Node, Span
from waymark.graph.scopes import bound_names, parameter_names

from .code import Piece, expression_piece, statements_piece
from .reach import Reach
from .table import Prepared
from .unbound import fickle_names

if TYPE_CHECKING:
    from collections.abc import Generator

#: Nodes are numbered when the whole graph is known.
UNNUMBERED = -1


class Lowering:
    """One function on its way to nodes."""

    def __init__(
        self,
        prepared: Prepared,
        reach: Reach,
        lower_statement: Callable[[Lowering, ast.stmt], None],
    ) -> None:
        self.prepared = prepared
        self.reach = reach
        self.nodes: list[Node] = []
        self.pending: list[ast.stmt] = []
        self.hidden: list[str] = []
        #: The variables, for who only asks which they are.
        self._scope = {*prepared.variables, *prepared.captured}
        #: Names outside the variables that the emitted code reads.
        self.used: set[str] = set()
        self.fickle = fickle_names(prepared.kinds.all)
        self.bound = set(parameter_names(prepared.arguments)) - self.fickle
        self._lower_statement = lower_statement

    # Reporting

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        self.reach.report(self.prepared.source, node, code, fact, fix)

    def span(self, node: ast.AST) -> Span:
        return self.prepared.source.span(node)

    # Names

    def fresh(self) -> str:
        """A new hidden variable."""
        name = f"{HIDDEN}{len(self.hidden) + 1}"
        self.hidden.append(name)
        self._scope.add(name)
        return name

    def builtin(self, name: str) -> str:
        """A name under which the builtin `name` stands, whatever the author's own
        variables are called."""
        key = name
        while key in self.prepared.variables or key in self.prepared.names:
            entry = self.prepared.names.get(key)
            if entry is not None and (entry.kind, entry.ref) == ("stdlib", name):
                return key
            key += "_"
        if key != name:
            self.prepared.names[key] = Name("stdlib", ref=name)
        return key

    @property
    def variables(self) -> list[str]:
        return [*self.prepared.variables, *self.hidden, *self.prepared.captured]

    def is_hidden(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id.startswith(HIDDEN)

    def is_stable(self, node: ast.expr) -> bool:
        """Whether evaluating `node` later gives the same and raises as little."""
        match node:
            case ast.Constant():
                return True
            case ast.Lambda(args=arguments):
                return not (arguments.defaults or any(arguments.kw_defaults))
            case ast.Name(id=name):
                if name in self.prepared.captured:
                    # Its function may give it another value meanwhile.
                    return name == "self"
                if name in self.prepared.variables:
                    return name in self.bound
                return True
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self.reach.is_fixed(name)
            case ast.Attribute():
                return self._is_path(node)
            case _:
                return False

    def _is_path(self, node: ast.Attribute) -> bool:
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in self._scope:
            return False
        entry = self.prepared.names.get(root.id)
        return entry is not None and entry.kind == "stdlib"

    def bind(self, names: Iterable[str]) -> None:
        """Note names that are bound from here on, whatever happens."""
        self.bound.update(name for name in names if name not in self.fickle)

    # Code

    def expression(self, node: ast.expr) -> Code:
        return self._code(expression_piece(node), (node,))

    def statements(self, body: Sequence[ast.stmt]) -> Code:
        return self._code(statements_piece(body), body)

    def _code(self, piece: Piece, nodes: Sequence[ast.AST]) -> Code:
        self.used |= piece.used[0]
        self._check(nodes)
        return piece.code(self._scope, self.reach.trees)

    def _check(self, nodes: Sequence[ast.AST]) -> None:
        method = self.prepared.pending.receiver == "self"
        scope = self._scope | {"self"} if method else frozenset(self._scope)
        names = self.prepared.names
        door = self.reach.attributes if method and not self.reach.facts.stateful else None
        for node in nodes:
            for violation in check_code(node, names, scope, door):
                self.report(violation.node, violation.code, violation.fact, violation.fix)

    # Filling the block

    def pure(self, statement: ast.stmt) -> None:
        self.pending.append(statement)
        self.bind(_certainly_bound(statement))

    def node(self, node: Node) -> None:
        self.nodes.append(node)

    def flush(self) -> None:
        """Turn the pure statements collected so far into a node."""
        if not self.pending:
            return
        spans = [self.span(statement) for statement in self.pending]
        start = min((span.line, span.column) for span in spans)
        end = max((span.end_line, span.end_column) for span in spans)
        code = self.statements(self.pending)
        self.nodes.append(Compute(UNNUMBERED, Span(*start, *end), code))
        self.pending = []

    def block(self, body: Iterable[ast.stmt]) -> tuple[Node, ...]:
        """Lower `body` into nodes of its own."""
        outer, bound = self.nodes, self.bound
        inner = self.nodes = list[Node]()
        self.bound = set(bound)
        self.lower(body)
        self.flush()
        self.nodes, self.bound = outer, bound
        return tuple(inner)

    @contextmanager
    def new_block(self) -> Generator[list[Node], None, None]:
        """Fill another block; the one around must have been flushed."""
        outer, bound = self.nodes, set(self.bound)
        inner: list[Node] = []
        self.nodes = inner
        yield inner
        self.flush()
        self.nodes, self.bound = outer, bound

    def lower(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self._lower_statement(self, statement)

    def hide(self, value: ast.expr) -> ast.Name:
        """Evaluate `value` here, into a hidden variable."""
        name = self.fresh()
        self.assign(name, value)
        return load(name, value)

    def assign(self, name: str, value: ast.expr) -> None:
        target = ast.copy_location(ast.Name(name, ast.Store()), value)
        self.pure(ast.copy_location(ast.Assign([target], value), value))


def load(name: str, where: ast.AST) -> ast.Name:
    """A read of `name`, standing where `where` stands."""
    return ast.copy_location(ast.Name(name, ast.Load()), where)


def _certainly_bound(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign():
            return bound_names(statement.targets)
        case ast.FunctionDef():
            return [statement.name]
        case _:
            return []
