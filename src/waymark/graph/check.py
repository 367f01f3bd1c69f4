"""The one whitelist checker: what may stand in a piece of pure code.

Used twice on the same rules: by the compiler, on the author's own tree, so that
a violation points at the author's line; and by the loader, on text that was
read from a database and may have been edited by anybody. It is the first of two
walls. The second is the evaluator, which decides attribute reads and method
calls by the type of the value at run time (`operations.METHODS`).

What the first wall holds, whatever the values are:

1.  Every node class and every field of it is known here. An unknown class, or a
    filled field that `FIELDS` does not list, is a violation.
2.  A name is a variable, an entry of the function's table, an allowed builtin,
    or bound by an inner scope of the code itself. No name begins with `__`.
3.  No attribute begins with an underscore, but for `type(x).__name__`,
    `type(x).__qualname__`, the three of a NamedTuple, what an exception says of
    itself (read only) and members of `self`; and none leads to a frame.
4.  A module is never a value: it stands only at the head of a dotted path that
    `operations.STDLIB` lists. An operation's own argument rules hold at the call.
5.  Nothing that a table, a builtin or `type()` yields is assigned to.
6.  Where text names an attribute (`getattr`), it is a literal that obeys the same
    rules as a dot (`attribute_names`). A literal format template names none; any
    other is read by the guard of the dot before `format`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, TypeGuard

from . import advice
from .attribute_names import (
    ERROR_NAMES,
    is_plain_attribute_call,
    is_plain_template,
    is_private,
    spelled_names,
)
from .grammar import UNDECIDED
from .model import HIDDEN, Name
from .operations import ATTRIBUTE_CALLS, ATTRIBUTES, BUILTINS, METHODS, operation_at
from .scopes import bound_names, comprehension_names, parameter_names, unpacks, uses
from .signatures import is_type_call, misfits, path_below
from .trees import FIELDS, class_of
from .violation import Violation
from .visits import Visits

_TYPE_NAMES = frozenset({"__name__", "__qualname__"})
_MUTATORS = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop"}
    | {"popitem", "popleft", "remove", "reverse", "setdefault", "sort", "update"}
)

# What a call of these yields is a value of the run; they themselves are live objects.
_OPAQUE = frozenset({"action", "workflow", "helper", "function", "pure"})


def check_code(
    tree: ast.AST,
    names: Mapping[str, Name],
    variables: Collection[str],
    attributes: Collection[str] | None = None,
) -> list[Violation]:
    """Every violation in `tree`, in source order.

    `tree` is an expression, a statement or a module. `names` is the function's
    table, `variables` its variables (with `self` where the function is a
    method). Where `attributes` are given `self` is no value, and only these may
    be read through it; else it is a variable like others.
    """
    checker = _Checker(names, frozenset(variables), attributes)
    checker.visit(tree)
    return checker.violations


def check_uses(
    tree: ast.AST,
    names: Mapping[str, Name],
    variables: frozenset[str],
    attributes: Collection[str] | None,
) -> tuple[list[Violation], set[str], set[str]]:
    """What `check_code` says, and which names `tree` reads and writes, as `scopes.uses`
    tells it; without violations only `variables` among them mean anything."""
    checker = _Checker(names, variables, attributes)
    checker.visit(tree)
    found = uses(tree) if checker.involved else (checker.reads, checker.writes)
    return checker.violations, *found


def check_definition(tree: ast.FunctionDef, names: Mapping[str, Name]) -> list[Violation]:
    """Every violation in the definition of a sync function, in source order. Its
    only variables are its own; its first parameter may be `self`."""
    checker = _Checker(names, frozenset(), None)
    checker.definition(tree)
    return checker.violations


class _Checker:
    def __init__(
        self,
        names: Mapping[str, Name],
        variables: frozenset[str],
        attributes: Collection[str] | None,
    ) -> None:
        self.names = names
        self.variables = variables
        self.scope = variables
        self.attributes = attributes
        self.violations: list[Violation] = []
        # What is used outside of inner scopes, unless that takes more than one look.
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.inner: frozenset[str] = frozenset()
        self.involved = False

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        self.violations.append(Violation(node, code, fact, fix))

    # Walking

    def visit(self, node: ast.AST) -> None:
        visit = _VISITS[type(node)]
        if visit is not None:
            visit(self, node)

    def visit_fields(self, node: ast.AST) -> None:
        """Visit what stands below a node that has no rules of its own."""
        visits = _VISITS
        for field in FIELDS[type(node)]:
            value: Any = getattr(node, field, None)
            if value is None:
                continue
            for child in value if class_of(value) is list else (value,):
                visit = visits[class_of(child)]
                if visit is not None:
                    visit(self, child)

    def known(self, node: ast.AST) -> bool:
        """Report a class or a filled field that is decided nowhere."""
        undecided = UNDECIDED[type(node)]
        for name in undecided or ():
            if getattr(node, name, None):
                self.report(node, *advice.unknown_field(node, name))
        if undecided is None:
            self.report(node, *advice.refused_syntax(node))
        return undecided is not None

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def inside(self, bound: Iterable[str], nodes: Iterable[ast.AST | None]) -> None:
        outer = self.scope
        self.scope = outer | frozenset(bound)
        self.involved = True
        self.visit_all(nodes)
        self.scope = outer

    # Names

    def visit_name(self, node: ast.Name) -> None:
        name = node.id
        if name.startswith("__"):
            self.report(node, *advice.reserved_name(name))
        elif type(node.ctx) is not ast.Load:
            self.bind(node, name)
        elif name not in self.scope:
            self.table_name(node, name)
        elif name == "self" and self.attributes is not None:
            self.report(node, *advice.SELF_AS_VALUE)
        elif name not in self.inner:
            self.reads.add(name)

    def bind(self, node: ast.AST, name: str) -> None:
        """A name that the code binds: it must be one of the scope's own."""
        if type(node) is ast.Name and type(node.ctx) is ast.Store and not self.inner:
            self.writes.add(name)
        elif name not in self.inner:
            self.involved = True
        invented = name.startswith(HIDDEN) and name not in self.variables
        if invented or name.startswith("__") or name == "self":
            self.report(node, *advice.reserved_name(name))
        elif name not in self.scope:
            self.report(node, *advice.foreign_write(name))

    def table_name(self, node: ast.AST, name: str) -> None:
        """A name of the table or a builtin, used as a value."""
        entry = self.names.get(name)
        if entry is None:
            if name not in BUILTINS:
                self.report(node, *advice.missing_name(name))
            elif name == "type":
                self.report(node, *advice.TYPE_AS_VALUE)
        elif entry.kind == "stdlib":
            self.path_end(node, entry.ref)

    def path_end(self, node: ast.AST, path: str) -> None:
        """A dotted path of the catalogue, used as a value."""
        operation = operation_at(path)
        if operation is None:
            self.report(node, *advice.stdlib_not_allowed(path))
        elif operation.kind == "module":
            self.report(node, *advice.module_as_value(path))
        elif operation.kind == "context":
            self.report(node, *advice.only_in_with(path))
        elif operation.bounded:
            self.report(node, *advice.must_be_called(path))

    # Attributes

    def visit_attribute(self, node: ast.Attribute) -> None:
        if type(node.ctx) is not ast.Load:
            self.written_attribute(node)
            return
        path = self.path_of(node)
        if path is not None:
            self.path_end(node, path)
            return
        self.attribute_name(node)
        self.attribute_owner(node)

    def attribute_owner(self, node: ast.Attribute) -> None:
        if self.is_self(node.value):
            self.reads.add("self")
            if self.attributes is not None and node.attr not in self.attributes:
                self.report(node, *advice.unknown_attribute(node.attr))
        elif (
            not isinstance(node.value, ast.Name)
            or node.value.id in self.scope
            or node.value.id not in self.names
        ):
            self.visit(node.value)
        elif self.names[node.value.id].kind in _OPAQUE:
            self.report(node, *advice.opaque(node.value.id, node.attr))

    def is_entry(self, node: ast.expr) -> TypeGuard[ast.Name]:
        """Whether `node` names an entry of the function's table."""
        return isinstance(node, ast.Name) and node.id not in self.scope and node.id in self.names

    def attribute_name(self, node: ast.Attribute) -> None:
        name = node.attr
        if name == "format_map":
            self.report(node, *advice.TEMPLATE_OF_MAP)
        if name == "format" and isinstance(node.value, ast.Constant):
            template = node.value.value
            if isinstance(template, str) and not is_plain_template(template):
                self.report(node, *advice.TEMPLATE_WALKS)
        if not is_private(name):
            return
        if name in ERROR_NAMES and isinstance(node.ctx, ast.Load):
            return
        if name in _TYPE_NAMES and is_type_call(node.value) and "type" not in self.scope:
            return
        if self.is_self(node.value) and not name.startswith("__"):
            return
        self.report(node, *advice.underscore_attribute(name))

    def written_attribute(self, node: ast.Attribute) -> None:
        self.attribute_name(node)
        if self.is_self(node.value) and self.attributes is not None:
            self.report(node, *advice.state_write(node.attr))
            return
        self.written_owner(node.value)
        self.visit(node.value)

    def written_owner(self, node: ast.expr) -> None:
        """Refuse a write into something that is no value of the run."""
        root = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if isinstance(root, ast.Name) and root.id not in self.scope:
            self.report(root, *advice.table_write(root.id))
        elif is_type_call(root):
            self.report(root, *advice.table_write("type(...)"))

    def visit_subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.written_owner(node.value)
        self.visit_all((node.value, node.slice))

    def is_self(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == "self" and "self" in self.scope

    def path_of(self, node: ast.expr) -> str | None:
        """The dotted path through the catalogue that `node` spells, if it does."""
        root = node
        while type(root) is ast.Attribute:
            root = root.value
        if type(root) is not ast.Name or root.id in self.scope:
            return None
        entry = self.names.get(root.id)
        if entry is not None and entry.kind == "stdlib":
            head = entry.ref
        elif entry is None and (root.id in METHODS or root.id in ATTRIBUTES):
            head = root.id
        else:
            return None
        return path_below(head, node)

    # Calls

    def visit_call(self, node: ast.Call) -> None:
        if self.is_attribute_call(node.func):
            self.attribute_call(node, node.func.id)
            return
        self.called(node)
        self.visit_all((*node.args, *node.keywords))

    def called(self, node: ast.Call) -> None:
        function = node.func
        path = self.path_of(function)
        if path is None and isinstance(function, ast.Name) and function.id in BUILTINS:
            outside = function.id not in self.scope and function.id not in self.names
            path = function.id if outside else None
        if path is not None:
            self.operation_call(node, path)
            for label, found in spelled_names(node, path):
                self.report(label, *found)
        else:
            self.mutating_call(function)
            self.visit(function)

    def mutating_call(self, function: ast.expr) -> None:
        if not isinstance(function, ast.Attribute) or function.attr not in _MUTATORS:
            return
        owner = function.value
        door = self.attributes is not None
        if door and isinstance(owner, ast.Attribute) and self.is_self(owner.value):
            self.report(function, *advice.constant_mutated(f"self.{owner.attr}", function.attr))
        if isinstance(owner, ast.Name) and owner.id not in self.scope:
            entry = self.names.get(owner.id)
            if entry is not None and entry.kind in ("constant", "display"):
                self.report(function, *advice.constant_mutated(owner.id, function.attr))

    def operation_call(self, node: ast.Call, path: str) -> None:
        operation = operation_at(path)
        if operation is None:
            self.report(node.func, *advice.stdlib_not_allowed(path))
            return
        if operation.kind in ("module", "constant"):
            self.report(node.func, *advice.not_callable(path))
        if operation.kind == "context":
            self.report(node.func, *advice.only_in_with(path))
        if operation.bounded:
            for where, found in misfits(node, path, operation):
                self.report(where, *found)

    def is_attribute_call(self, function: ast.expr) -> TypeGuard[ast.Name]:
        return (
            isinstance(function, ast.Name)
            and function.id in ATTRIBUTE_CALLS
            and function.id not in self.scope
            and function.id not in self.names
        )

    def attribute_call(self, node: ast.Call, name: str) -> None:
        """`getattr(value, "name")` and kin, judged as `value.name` would be."""
        if not is_plain_attribute_call(node, name):
            self.report(node, *advice.missing_name(name))
            self.visit_all((*node.args, *node.keywords))
            return
        owner, label = node.args[:2]
        assert isinstance(label, ast.Constant)
        if self.is_self(owner):
            self.visit(owner)
        loads = name in ("getattr", "hasattr")
        context: ast.expr_context = ast.Load() if loads else ast.Store()
        read = ast.Attribute(owner, str(label.value), context)
        self.visit_attribute(ast.copy_location(read, label))
        self.visit_all(node.args[2:])

    # Scopes

    def visit_comprehension_scope(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        results: Iterable[ast.expr],
    ) -> None:
        self.visit(node.generators[0].iter)
        if unpacks(node):
            self.report(node, *advice.UNPACKS)
            return
        outer, around = self.scope, self.inner
        own = comprehension_names(node)
        self.scope, self.inner = outer | own, around | own
        for position, part in enumerate(node.generators):
            self.known(part)
            if part.is_async:
                self.report(part.target, *advice.ASYNC_COMPREHENSION)
            self.visit(part.target)
            if position:
                self.visit(part.iter)
            self.visit_all(part.ifs)
        self.visit_all(results)
        self.scope, self.inner = outer, around

    def visit_elements(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self.visit_comprehension_scope(node, (node.elt,))

    def visit_dict_comp(self, node: ast.DictComp) -> None:
        self.visit_comprehension_scope(node, (node.key, node.value))

    def visit_aug_assign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.reads.add(node.target.id)
        self.visit_fields(node)

    def visit_lambda(self, node: ast.Lambda) -> None:
        self.parameters(node.args)
        self.inside(parameter_names(node.args), (node.body,))

    def visit_function_def(self, node: ast.FunctionDef) -> None:
        self.bind(node, node.name)
        self.visit_all(node.decorator_list)
        self.parameters(node.args)
        self.inside((*parameter_names(node.args), *bound_names(node.body)), node.body)

    def definition(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            self.report(decorator, *advice.unknown_field(node, "decorator_list"))
        if self.known(node):
            names = parameter_names(node.args)
            self.parameters(node.args, receiver=names[0] if names else None)
            self.inside((*names, *bound_names(node.body)), node.body)

    def parameters(self, arguments: ast.arguments, receiver: str | None = None) -> None:
        for name in parameter_names(arguments):
            if name == receiver == "self":
                continue
            if name.startswith((HIDDEN, "__")) or name == "self":
                self.report(arguments, *advice.reserved_name(name))
        self.visit(arguments)

    def visit_with_item(self, node: ast.withitem) -> None:
        call = node.context_expr
        path = self.path_of(call.func) if isinstance(call, ast.Call) else None
        operation = operation_at(path) if path is not None else None
        if operation is None or operation.kind != "context" or not isinstance(call, ast.Call):
            self.report(call, *advice.WITH)
            self.visit(call)
            return
        self.visit_all((*call.args, *call.keywords, node.optional_vars))

    # Names bound by something else than a `Name`

    def visit_except_handler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None:
            self.bind(node, node.name)
        self.visit_all((node.type, *node.body))

    def visit_match_as(self, node: ast.MatchAs) -> None:
        if node.name is not None:
            self.bind(node, node.name)
        self.visit_all((node.pattern,))

    def visit_match_star(self, node: ast.MatchStar) -> None:
        if node.name is not None:
            self.bind(node, node.name)

    def visit_match_mapping(self, node: ast.MatchMapping) -> None:
        if node.rest is not None:
            self.bind(node, node.rest)
        self.visit_all((*node.keys, *node.patterns))

    def visit_match_class(self, node: ast.MatchClass) -> None:
        for name in node.kwd_attrs:
            if is_private(name):
                self.report(node, *advice.underscore_attribute(name))
        self.visit_all((node.cls, *node.patterns, *node.kwd_patterns))


#: Node classes with rules of their own.
_SPECIAL: Mapping[type, Callable[[_Checker, Any], None]] = {
    ast.Name: _Checker.visit_name,
    ast.Attribute: _Checker.visit_attribute,
    ast.Subscript: _Checker.visit_subscript,
    ast.Call: _Checker.visit_call,
    ast.ListComp: _Checker.visit_elements,
    ast.SetComp: _Checker.visit_elements,
    ast.GeneratorExp: _Checker.visit_elements,
    ast.DictComp: _Checker.visit_dict_comp,
    ast.AugAssign: _Checker.visit_aug_assign,
    ast.Lambda: _Checker.visit_lambda,
    ast.FunctionDef: _Checker.visit_function_def,
    ast.ExceptHandler: _Checker.visit_except_handler,
    ast.withitem: _Checker.visit_with_item,
    ast.MatchAs: _Checker.visit_match_as,
    ast.MatchStar: _Checker.visit_match_star,
    ast.MatchMapping: _Checker.visit_match_mapping,
    ast.MatchClass: _Checker.visit_match_class,
}
_VISITS: Final = Visits(_SPECIAL, _Checker.visit_fields, _Checker.known)
