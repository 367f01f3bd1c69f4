"""From the author's tree to a tree that only says what the graph can hold.

Works on a copy. It has each name decided (see `table`), takes off what means
nothing at run time (annotations, docstrings, `typing.cast`), calls the first
parameter of a method `self`, and refuses syntax that cannot be held. After it,
every name is a variable, `self`, an entry of the table, an allowed builtin, or
bound by an inner scope.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from types import ModuleType
from typing import Any, TypeGuard, TypeVar, cast

from waymark.authoring.workflow import Workflow
from waymark.graph import advice
from waymark.graph.grammar import FIELDS
from waymark.graph.model import HIDDEN
from waymark.graph.scopes import bound_names, comprehension_names, parameter_names

from .names import MISSING, Refusal
from .reach import PendingFunction, Reach
from .source import Source
from .table import PLACEHOLDER, Prepared, Table

T = TypeVar("T", bound=ast.AST)

#: Node classes and fields beyond pure code's that this package lowers or takes off.
LOWERED = {
    "FunctionDef": FIELDS["FunctionDef"] | {"returns"},
    "arg": FIELDS["arg"] | {"annotation"},
    "Await": frozenset({"value"}),
    "AnnAssign": frozenset({"target", "annotation", "value", "simple"}),
}

_SUPPRESS = "contextlib.suppress"


def prepare(source: Source, pending: PendingFunction, reach: Reach) -> Prepared:
    """The prepared form of a function's definition; problems go to `reach`."""
    node = copy.deepcopy(source.node)
    receiver = _take_receiver(node.args) if pending.method else None
    prepared = Prepared(source, pending, node.args)
    prepared.variables = list(dict.fromkeys((*parameter_names(node.args), *bound_names(node.body))))
    preparer = _Preparer(prepared, reach, receiver)
    preparer.check_definition(node)
    prepared.body = preparer.body(node.body)
    return prepared


def _take_receiver(arguments: ast.arguments) -> str | None:
    for group in (arguments.posonlyargs, arguments.args):
        if group:
            return group.pop(0).arg
    return None


class _Preparer:
    def __init__(self, prepared: Prepared, reach: Reach, receiver: str | None) -> None:
        self.prepared = prepared
        self.reach = reach
        self.receiver = receiver
        self.source = prepared.source
        self.table = Table(prepared, reach, receiver)

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        self.reach.report(self.source, node, code, fact, fix)

    def check_definition(self, node: ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            path = ast.unparse(decorator)
            if path.rpartition(".")[2] not in ("staticmethod", "override", "final"):
                self.report(
                    decorator,
                    "WM114",
                    f"the body is compiled, so `@{path}` would never wrap it",
                    "take it off; wrap the actions instead",
                )
        for parameter in ast.walk(node.args):
            if isinstance(parameter, ast.arg):
                self.check_bound(parameter, (parameter.arg,), receiver=self.receiver)
        if getattr(node, "type_params", None):
            self.report(node, *advice.unknown_field(node, "type_params"))

    # Walking

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        found = [self.rewrite(statement) for statement in statements]
        kept = [statement for statement in found if not _means_nothing(statement)]
        return kept or [ast.copy_location(ast.Pass(), statements[0])]

    def rewrite(self, node: T) -> T:
        """The prepared form of `node`, of the same category."""
        result: Any = node
        if not self.known(node):
            result = self.replacement(node)
            return cast("T", result)
        match node:
            case ast.Name():
                result = self.name(node)
            case ast.Attribute():
                result = self.attribute(node)
            case ast.AnnAssign():
                result = self.annotated(node)
            case ast.With():
                result = self.with_(node)
            case ast.Call():
                result = self.call(node)
            case ast.FunctionDef():
                self.function(node)
            case ast.Lambda():
                node.args = self.arguments(node.args)
                node.body = self.within(parameter_names(node.args), node.body)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self.comprehension(node)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                self.check_bound(node, (name,))
                self.fields(node)
            case _:
                self.fields(node)
        return cast("T", result)

    def known(self, node: ast.AST) -> bool:
        """Report syntax that is decided nowhere."""
        kind = type(node).__name__
        fields = LOWERED.get(kind) or FIELDS.get(kind)
        if fields is None:
            self.report(node, *self.refused(node))
            return False
        for name in node._fields:
            if name not in fields and getattr(node, name, None):
                self.report(node, *advice.unknown_field(node, name))
        return True

    def refused(self, node: ast.AST) -> advice.Advice:
        if isinstance(node, ast.AsyncWith) and isinstance(node.items[0].context_expr, ast.Call):
            path = self.table.live_path(node.items[0].context_expr.func)
            if path is not None and path.startswith("asyncio."):
                return advice.stdlib_not_allowed(path)
        return advice.refused_syntax(node)

    def replacement(self, node: ast.AST) -> Any:
        """Something harmless of the same category, so that the rest is judged."""
        if isinstance(node, (ast.With, ast.AsyncWith)):
            body = ast.If(ast.copy_location(ast.Constant(True), node), self.body(node.body), [])
            return ast.copy_location(body, node)
        if isinstance(node, ast.AsyncFor):
            loop = ast.For(node.target, node.iter, node.body, node.orelse)
            return self.rewrite(ast.copy_location(loop, node))
        if isinstance(node, ast.stmt):
            return ast.copy_location(ast.Pass(), node)
        if isinstance(node, ast.pattern):
            return ast.copy_location(ast.MatchAs(), node)
        return self.replacement_value(node)

    def replacement_value(self, node: ast.AST) -> ast.expr:
        self.prepared.names.setdefault("_refused", PLACEHOLDER)
        return ast.copy_location(ast.Name("_refused", ast.Load()), node)

    def fields(self, node: ast.AST) -> None:
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                setattr(node, name, self.rewrite(value))
            elif _is_list(value):
                setattr(node, name, self.items(value))

    def items(self, items: list[Any]) -> list[Any]:
        if items and isinstance(items[0], ast.stmt):
            return self.body(items)
        return [self.rewrite(item) if isinstance(item, ast.AST) else item for item in items]

    def within(self, names: Any, node: T) -> T:
        outer = self.table.inner
        self.table.inner = outer | frozenset(names)
        result = self.rewrite(node)
        self.table.inner = outer
        return result

    # Scopes

    def comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        names = comprehension_names(node)
        self.check_bound(node, names)
        for position, part in enumerate(node.generators):
            part.iter = self.within(names if position else (), part.iter)
            part.target = self.within(names, part.target)
            part.ifs = [self.within(names, test) for test in part.ifs]
            if part.is_async:
                self.report(part.target, *advice.ASYNC_COMPREHENSION)
                part.is_async = 0
        if isinstance(node, ast.DictComp):
            node.key = self.within(names, node.key)
            node.value = self.within(names, node.value)
        else:
            node.elt = self.within(names, node.elt)

    def check_bound(
        self, node: ast.AST, names: Iterable[str], *, receiver: str | None = "self"
    ) -> None:
        """Report names that mean something else to the graph or to Python."""
        for name in names:
            if name.startswith((HIDDEN, "__")) or (name == "self" and receiver is not None):
                self.report(node, *advice.reserved_name(name))

    def arguments(self, arguments: ast.arguments) -> ast.arguments:
        for parameter in ast.walk(arguments):
            if isinstance(parameter, ast.arg):
                parameter.annotation = None
                self.check_bound(parameter, (parameter.arg,))
        arguments.defaults = [self.rewrite(default) for default in arguments.defaults]
        arguments.kw_defaults = [
            default and self.rewrite(default) for default in arguments.kw_defaults
        ]
        return arguments

    def function(self, node: ast.FunctionDef) -> None:
        node.decorator_list = [self.rewrite(decorator) for decorator in node.decorator_list]
        node.returns = None
        node.args = self.arguments(node.args)
        names = (*parameter_names(node.args), *bound_names(node.body))
        self.check_bound(node, names)
        outer = self.table.inner
        self.table.inner = outer | frozenset(names)
        node.body = self.body(node.body)
        self.table.inner = outer

    # Statements

    def annotated(self, node: ast.AnnAssign) -> ast.stmt:
        """An annotation of a local is never evaluated."""
        target = self.rewrite(node.target)
        if node.value is not None:
            result: ast.stmt = ast.Assign([target], self.rewrite(node.value))
        elif isinstance(target, ast.Name):
            result = ast.Pass()
        else:
            result = ast.Expr(target.value)
        return ast.copy_location(result, node)

    def with_(self, node: ast.With) -> ast.stmt:
        """Only `with contextlib.suppress(...)` is known."""
        for item in node.items:
            call = item.context_expr
            if not isinstance(call, ast.Call) or self.table.live_path(call.func) != _SUPPRESS:
                self.report(call, *advice.refused_syntax(node))
                return cast("ast.stmt", self.replacement(node))
        self.fields(node)
        return node

    def call(self, node: ast.Call) -> ast.expr:
        if self.is_super(node.func):
            self.report(node, *advice.missing_name("super"))
            return self.replacement_value(node)
        if self.table.live_path(node.func) == "typing.cast" and len(node.args) == 2:
            # Its first argument is an annotation, which need not mean anything.
            return self.rewrite(node.args[1])
        self.fields(node)
        return node

    def is_super(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Name) and node.id == "super" and self.table.live(node) is MISSING
        )

    # Names

    def name(self, node: ast.Name) -> ast.Name:
        if not isinstance(node.ctx, ast.Load):
            if node.id not in self.table.inner:
                self.check_bound(node, (node.id,), receiver=self.receiver)
        elif self.table.is_variable(node.id):
            pass
        elif node.id == self.receiver:
            node.id = "self"
        else:
            self.table.plain_name(node, node.id)
        return node

    def attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id == self.receiver:
            return self.own_attribute(node)
        short: ast.Name | None = None
        if isinstance(node.ctx, ast.Load):
            owner = self.table.live(node.value)
            if isinstance(owner, ModuleType):
                short = self.table.module_member(node, owner)
            elif isinstance(owner, type) and issubclass(owner, Workflow):
                short = self.table.workflow_constant(node, owner)
        if short is None:
            node.value = self.rewrite(node.value)
        return short or node

    def own_attribute(self, node: ast.Attribute) -> ast.expr:
        node.value = self.rewrite(node.value)
        private = node.attr.startswith("__")
        if isinstance(node.ctx, ast.Load) and not private:
            entry = self.reach.attribute(node.attr)
            if isinstance(entry, Refusal):
                self.report(node, entry.code, entry.fact, entry.fix)
                return self.replacement_value(node)
        return node


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _means_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assert():
            # `python -O` leaves them out of the authored body as well.
            return not __debug__
        case _:
            return False
