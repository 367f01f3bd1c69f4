"""From the author's tree to a tree that only says what the graph can hold.

Works on a copy. It has each name decided (see `table`), takes off what means
nothing at run time (annotations, docstrings, `typing.cast`), calls the first
parameter of a method `self`, and refuses syntax that cannot be held. After it,
every name is a variable, `self`, an entry of the table, an allowed builtin, or
bound by an inner scope.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Final, NewType, TypeGuard, TypeVar, cast

from waymark.graph import advice
from waymark.graph.attribute_names import is_plain_attribute_call
from waymark.graph.grammar import FIELDS, UNDECIDED
from waymark.graph.model import HIDDEN
from waymark.graph.operations import ATTRIBUTE_CALLS
from waymark.graph.scopes import (
    Comprehension,
    bound_names,
    comprehension_names,
    parameter_names,
    unpacks,
)
from waymark.graph.trees import FIELDS as WITH_NODES
from waymark.graph.trees import copied, walk

from .asynchronous import check_async_for, check_async_with
from .catalogued import library_path
from .local_functions import LocalFunctions
from .names import MISSING
from .reach import PendingFunction, Reach, Receiver
from .receiver import ReceiverNames
from .source import Definition, Source
from .table import PLACEHOLDER, Prepared, Table
from .templates import check_template

T = TypeVar("T", bound=ast.AST)

#: Node classes and fields beyond pure code's that this package lowers or takes off.
LOWERED = {
    "FunctionDef": FIELDS["FunctionDef"] | {"returns"},
    "arg": FIELDS["arg"] | {"annotation"},
    "AsyncFunctionDef": FIELDS["FunctionDef"] | {"returns"},
    "Await": frozenset({"value"}),
    "AsyncWith": FIELDS["With"],
    "AsyncFor": FIELDS["For"],
    "AnnAssign": frozenset({"target", "annotation", "value", "simple"}),
}


class _Undecided(dict[type[ast.AST], tuple[str, ...] | None]):
    """As `grammar.UNDECIDED` with what is lowered."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...] | None:
        lowered = LOWERED.get(kind.__name__)
        if lowered is None:
            self[kind] = UNDECIDED[kind]
        else:
            self[kind] = tuple(name for name in kind._fields if name not in lowered)
        return self[kind]


_UNDECIDED: Final = _Undecided()

_SUPPRESS = "contextlib.suppress"
_KNOWN_DECORATORS = ("staticmethod", "classmethod", "override", "final", "abstractmethod")


def prepare(source: Source, pending: PendingFunction, reach: Reach) -> Prepared:
    """The prepared form of a function's definition; problems go to `reach`."""
    node = copied(source.node)
    word = _take_receiver(node.args) if pending.receiver else None
    prepared = Prepared(source, pending, node.args)
    prepared.variables = dict.fromkeys((*parameter_names(node.args), *bound_names(node.body)))
    preparer = _Preparer(prepared, reach, word)
    preparer.check_definition(node)
    prepared.body = preparer.body(node.body)
    if pending.receiver == "cls":
        # A parameter like others from here on.
        prepared.variables = {"cls": None, **prepared.variables}
    return prepared


def _take_receiver(arguments: ast.arguments) -> str | None:
    for group in (arguments.posonlyargs, arguments.args):
        if group:
            return group.pop(0).arg
    return None


class _Preparer:
    def __init__(self, prepared: Prepared, reach: Reach, word: str | None) -> None:
        self.prepared = prepared
        self.reach = reach
        self.source = prepared.source
        self.table = Table(prepared, reach, word)
        self.receiver = ReceiverNames(self.table, word, prepared.pending.receiver)
        self.locals = LocalFunctions(self)

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        self.reach.report(self.source, node, code, fact, fix)

    def check_definition(self, node: Definition) -> None:
        # A sync function is what its name stands for, so it is wrapped already.
        decorators = node.decorator_list if isinstance(node, ast.AsyncFunctionDef) else ()
        for decorator in decorators:
            path = ast.unparse(decorator)
            if path.rpartition(".")[2] not in _KNOWN_DECORATORS:
                self.report(
                    decorator,
                    "WM114",
                    f"the body is compiled, so `@{path}` would never wrap it",
                    "take it off; wrap the actions instead",
                )
        for parameter in walk(node.args):
            if isinstance(parameter, ast.arg):
                self.check_bound(parameter, (parameter.arg,), receiver=self.receiver.kind)
        if getattr(node, "type_params", None):
            self.report(node, *advice.unknown_field(node, "type_params"))

    # Walking

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        found = [self.rewrite(statement) for statement in statements]
        kept = [statement for statement in found if not _means_nothing(statement)]
        return kept or [ast.copy_location(ast.Pass(), statements[0])]

    def rewrite(self, node: T) -> T:
        """The prepared form of `node`, of the same category."""
        kind = type(node)
        if _UNDECIDED[kind] != () and not self.known(node):
            harmless: T = self.replacement(node)
            return harmless
        rewritten = _REWRITTEN.get(kind)
        if rewritten is None:
            self.fields(node)
            return node
        result: T = rewritten(self, node)
        return result

    def known(self, node: ast.AST) -> bool:
        """Report syntax that is decided nowhere."""
        undecided = _UNDECIDED[type(node)]
        if undecided is None:
            self.report(node, *self.refused(node))
            return False
        for name in undecided:
            if getattr(node, name, None):
                self.report(node, *advice.unknown_field(node, name))
        return True

    def refused(self, node: ast.AST) -> advice.Advice:
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
        for name in WITH_NODES[type(node)]:
            value: Any = getattr(node, name, None)
            if _is_list(value):
                setattr(node, name, self.items(value))
            elif value is not None:
                setattr(node, name, self.rewrite(value))

    def items(self, items: list[Any]) -> list[Any]:
        if items and isinstance(items[0], ast.stmt):
            return self.body(items)
        return [None if item is None else self.rewrite(item) for item in items]

    def within(self, names: Any, node: T) -> T:
        outer = self.table.inner
        self.table.inner = outer | frozenset(names)
        result = self.rewrite(node)
        self.table.inner = outer
        return result

    # Scopes

    def lambda_(self, node: ast.Lambda) -> ast.expr:
        node.args = self.arguments(node.args)
        node.body = self.within(parameter_names(node.args), node.body)
        return node

    def comprehension(self, node: Comprehension) -> ast.expr:
        names = comprehension_names(node)
        self.check_bound(node, names)
        if unpacks(node):
            self.report(node, *advice.UNPACKS)
            if isinstance(node, ast.DictComp):
                # Whoever looks for more to report finds a whole tree.
                node.value = node.key
            return node
        for position, part in enumerate(node.generators):
            part.iter = self.within(names if position else (), part.iter)
            part.target = self.within(names, part.target)
            part.ifs = [self.within(names, test) for test in part.ifs]
            if part.is_async and isinstance(node, ast.GeneratorExp):
                self.report(part.target, *advice.refused_syntax(ast.Await(part.target)))
                part.is_async = 0
            elif part.is_async and not check_async_for(self.table, part.iter):
                part.is_async = 0
        if isinstance(node, ast.DictComp):
            node.key = self.within(names, node.key)
            node.value = self.within(names, node.value)
        else:
            node.elt = self.within(names, node.elt)
        return node

    def naming(self, node: ast.ExceptHandler | ast.MatchAs) -> ast.AST:
        if node.name is not None:
            self.check_bound(node, (node.name,))
        self.fields(node)
        return node

    def check_bound(
        self, node: ast.AST, names: Iterable[str], *, receiver: Receiver = "self"
    ) -> None:
        """Report names that mean something else to the graph or to Python."""
        for name in names:
            if name.startswith((HIDDEN, "__")) or (receiver and name == receiver):
                self.report(node, *advice.reserved_name(name))

    def arguments(self, arguments: ast.arguments) -> ast.arguments:
        for parameter in walk(arguments):
            if isinstance(parameter, ast.arg):
                parameter.annotation = None
                self.check_bound(parameter, (parameter.arg,))
        arguments.defaults = [self.rewrite(default) for default in arguments.defaults]
        arguments.kw_defaults = [
            default and self.rewrite(default) for default in arguments.kw_defaults
        ]
        return arguments

    def function(self, node: ast.FunctionDef) -> ast.stmt:
        node.decorator_list = [self.rewrite(decorator) for decorator in node.decorator_list]
        node.returns = None
        node.args = self.arguments(node.args)
        names = (*parameter_names(node.args), *bound_names(node.body))
        self.check_bound(node, names)
        outer = self.table.inner
        self.table.inner = outer | frozenset(names)
        node.body = self.body(node.body)
        self.table.inner = outer
        return node

    # Statements

    def annotated(self, node: ast.AnnAssign) -> ast.stmt:
        """An annotation of a local is never evaluated."""
        if node.value is None and self.is_own(node.target):
            return ast.copy_location(ast.Pass(), node)
        target = self.rewrite(node.target)
        if node.value is not None:
            result: ast.stmt = ast.Assign([target], self.rewrite(node.value))
        elif isinstance(target, ast.Name):
            result = ast.Pass()
        else:
            result = ast.Expr(target.value)
        return ast.copy_location(result, node)

    def is_own(self, target: ast.expr) -> bool:
        return isinstance(target, ast.Attribute) and self.receiver.is_receiver(target.value)

    def with_(self, node: ast.With) -> ast.stmt:
        """Only `with contextlib.suppress(...)` is known."""
        for item in node.items:
            call = item.context_expr
            if not isinstance(call, ast.Call) or self.table.live_path(call.func) != _SUPPRESS:
                self.report(call, *advice.refused_syntax(node))
                return cast("ast.stmt", self.replacement(node))
        self.fields(node)
        return node

    def asynchronous(self, node: ast.AsyncWith | ast.AsyncFor) -> ast.stmt:
        """`async with` and `async for` of asyncio's own."""
        if isinstance(node, ast.AsyncWith):
            known = check_async_with(self.table, node)
        else:
            known = check_async_for(self.table, node.iter)
        if not known:
            return cast("ast.stmt", self.replacement(node))
        self.fields(node)
        return node

    def call(self, node: ast.Call) -> ast.expr:
        self.reach.line = node.lineno
        function = node.func
        if self.receiver.is_super(node):
            # With a member it is looked at there.
            self.receiver.refuse_super(node)
            return self.replacement_value(node)
        live = self.table.live(function)
        if live is not MISSING and len(node.args) == 2 and library_path(live) == "typing.cast":
            # Its first argument is an annotation, which need not mean anything.
            return self.rewrite(node.args[1])
        if _is_new_type(live) and _is_one_value(node):
            return self.rewrite(node.args[0])
        if isinstance(function, ast.Attribute) and self.receiver.is_super(function.value):
            node.args = [self.rewrite(argument) for argument in node.args]
            node.keywords = [self.rewrite(keyword) for keyword in node.keywords]
            return self.receiver.super_call(node, function, function.value)
        if self.is_attribute_call(node):
            return self.attribute_call(node)
        self.fields(node)
        self.receiver.mutated(node.func)
        return node

    def is_attribute_call(self, node: ast.Call) -> bool:
        function = node.func
        return (
            isinstance(function, ast.Name)
            and function.id in ATTRIBUTE_CALLS
            and not self.table.is_variable(function.id)
            and self.table.live(function) is MISSING
            and is_plain_attribute_call(node, function.id)
        )

    def attribute_call(self, node: ast.Call) -> ast.expr:
        """`getattr(value, "name")`; of `self` it is `self.name`, whatever that is."""
        owner, label, function = node.args[0], node.args[1], node.func
        if self.receiver.is_receiver(owner):
            assert isinstance(function, ast.Name)
            assert isinstance(label, ast.Constant)
            if function.id == "getattr" and len(node.args) == 2:
                read = ast.Attribute(owner, str(label.value), ast.Load())
                return self.rewrite(ast.copy_location(read, node))
            if not self.receiver.may_have(node, function.id, str(label.value)):
                return self.replacement_value(node)
        node.args = [self.rewrite(argument) for argument in node.args]
        return node

    # Names

    def name(self, node: ast.Name) -> ast.expr:
        self.reach.line = node.lineno
        variable = self.table.is_variable(node.id)
        if not variable and _is_new_type(self.table.live(node)):
            return ast.copy_location(_identity(), node)
        if not isinstance(node.ctx, ast.Load):
            if node.id not in self.table.inner:
                self.check_bound(node, (node.id,), receiver=self.receiver.kind)
        elif variable:
            pass
        elif self.receiver.is_receiver(node):
            return self.receiver.value(node)
        else:
            self.table.plain_name(node, node.id)
        return node

    def attribute(self, node: ast.Attribute) -> ast.expr:
        self.reach.line = node.lineno
        if self.receiver.is_receiver(node.value):
            return self.receiver.attribute(node) or self.replacement_value(node)
        if self.receiver.is_super(node.value):
            found = self.receiver.super_attribute(node, node.value)
            return found or self.replacement_value(node)
        owner: Any = self.table.live(node.value)
        if isinstance(owner, ModuleType) and _is_new_type(getattr(owner, node.attr, MISSING)):
            return ast.copy_location(_identity(), node)
        short: ast.Name | None = None
        if isinstance(node.ctx, ast.Load):
            if isinstance(owner, ModuleType):
                short = self.table.module_member(node, owner)
            elif isinstance(owner, type):
                short = self.table.class_member(node, owner)
            elif owner is MISSING:
                self.receiver.maybe_read(node.attr)
        elif isinstance(owner, type):
            self.report(node.value, *advice.table_write(ast.unparse(node.value)))
            return self.replacement_value(node)
        elif self.reach.facts.escapes:
            self.reach.stored.add(node.attr)
        if short is None:
            node.value = self.rewrite(node.value)
            if node.attr == "format" and isinstance(node.ctx, ast.Load):
                check_template(self.table, node)
            elif node.attr == "__class__" and isinstance(node.ctx, ast.Load):
                return self.receiver.class_of(node, node.value)
        return short or node


#: What is made of nodes that mean more than their fields.
_REWRITTEN: Final[Mapping[type, Callable[[_Preparer, Any], Any]]] = {
    ast.Name: _Preparer.name,
    ast.Attribute: _Preparer.attribute,
    ast.AnnAssign: _Preparer.annotated,
    ast.With: _Preparer.with_,
    ast.AsyncWith: _Preparer.asynchronous,
    ast.AsyncFor: _Preparer.asynchronous,
    ast.Call: _Preparer.call,
    ast.FunctionDef: _Preparer.function,
    ast.AsyncFunctionDef: lambda preparer, node: preparer.locals.made(node),
    ast.Lambda: _Preparer.lambda_,
    ast.ListComp: _Preparer.comprehension,
    ast.SetComp: _Preparer.comprehension,
    ast.DictComp: _Preparer.comprehension,
    ast.GeneratorExp: _Preparer.comprehension,
    ast.ExceptHandler: _Preparer.naming,
    ast.MatchAs: _Preparer.naming,
}


def _is_new_type(value: object) -> bool:
    """Whether it is a `typing.NewType`, which gives back what it is given."""
    return isinstance(value, NewType)


def _is_one_value(call: ast.Call) -> bool:
    return len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Starred)


def _identity() -> ast.expr:
    return ast.parse("lambda value, /: value", mode="eval").body


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
