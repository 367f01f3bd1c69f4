"""Where the guards of `guards` are put into a piece of code.

The checker has decided what may be written; this rewrites what only the values
can decide: reads of attributes, calls of what is not known by name, functions
handed to what will call them, sets, and what a pattern of `match` looks at.
Names follow Python's scopes: a variable of a comprehension, a lambda or a local
function hides what the function's table says.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol, TypeGuard, TypeVar

from waymark.errors import GraphError
from waymark.graph.model import HIDDEN, Name
from waymark.graph.operations import ATTRIBUTE_CALLS, BUILTINS, operation_at
from waymark.graph.scopes import bound_names, comprehension_names, parameter_names
from waymark.graph.trees import replace_children

from .guards import Boxed, Guards, make_frozenset, make_set, plain_type
from .reach import SET_OPERATIONS, item
from .reach import set_operation as operate

_GET, _OWNER, _MAKE = f"{HIDDEN}get", f"{HIDDEN}owner", f"{HIDDEN}make"
_SET, _FROZENSET, _TYPE = f"{HIDDEN}set", f"{HIDDEN}frozenset", f"{HIDDEN}type"
_CALLABLE, _CALLABLES = f"{HIDDEN}callable", f"{HIDDEN}callables"
_BOX, _OPERATE = f"{HIDDEN}box", f"{HIDDEN}operate"
#: A subscript, which leads to no recorded call.
ITEM = f"{HIDDEN}item"
_ATTRIBUTE_CALLS = {name: f"{HIDDEN}{name}" for name in ATTRIBUTE_CALLS}
_SPECIAL_CALLS = {"set": _SET, "frozenset": _FROZENSET, "type": _TYPE}

_BY_KEYWORD = frozenset(
    {"sorted", "min", "max", "bisect.bisect", "bisect.bisect_left", "bisect.bisect_right"}
    | {"bisect.insort", "bisect.insort_left", "bisect.insort_right"}
    | {"json.dumps", "json.loads", "list.sort"}
)
#: What calls a function that it is given.
_CALLING = _BY_KEYWORD | {
    *("map", "filter", "functools.reduce", "functools.partial", "functools.cmp_to_key"),
    *("itertools.accumulate", "itertools.dropwhile", "itertools.filterfalse"),
    *("itertools.groupby", "itertools.starmap", "itertools.takewhile"),
    *("collections.defaultdict", "heapq.merge", "heapq.nlargest", "heapq.nsmallest"),
    *("collections.ChainMap", "collections.ChainMap.new_child"),
    *("hmac.new", "hmac.digest"),
    *("textwrap.indent", "urllib.parse.urlencode", "re.sub", "re.subn"),
    *("dataclasses.asdict", "dataclasses.astuple"),
}
_CALLING_METHODS = frozenset({"sort", "sub", "subn", "split", "subgroup", "new_child"})
_VIEWS = frozenset({"keys", "items"})

_E = TypeVar("_E", bound=ast.expr)


class Linker(Protocol):
    """What the inserter asks of the one who links a function."""

    guards: Guards

    def is_module(self, ref: str) -> bool: ...

    def stdlib(self, path: str) -> Any: ...


def guard_names(guards: Guards) -> dict[str, Any]:
    """The guards by the names under which inserted code calls them."""
    return {
        _GET: guards.get,
        _OWNER: guards.owner,
        _MAKE: guards.make,
        _CALLABLE: guards.callable,
        _CALLABLES: guards.callables,
        _SET: make_set,
        _FROZENSET: make_frozenset,
        _TYPE: plain_type,
        _BOX: Boxed,
        _OPERATE: operate,
        ITEM: item,
        _ATTRIBUTE_CALLS["getattr"]: guards.get_or,
        _ATTRIBUTE_CALLS["hasattr"]: guards.has,
        _ATTRIBUTE_CALLS["setattr"]: guards.put,
        _ATTRIBUTE_CALLS["delattr"]: guards.remove,
    }


def self_name(attribute: str) -> str:
    """The name under which `self.<attribute>` stands in a namespace."""
    return f"{HIDDEN}self_{attribute}"


class GuardInserter(ast.NodeTransformer):
    """Puts guards into the code of one function. `names` is its table,
    `variables` are those around the code. Where `self` is no value, `door` is what it
    leads to."""

    def __init__(
        self,
        linker: Linker,
        names: Mapping[str, Name],
        variables: Collection[str],
        door: Mapping[str, Name] | None,
        namespace: dict[str, Any],
    ) -> None:
        self.linker = linker
        self.names = names
        self.variables = variables
        self.door = door
        self.namespace = namespace
        self.inner: frozenset[str] = frozenset()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        replace_children(node, self.visit)
        return node

    # Names

    def is_variable(self, name: str) -> bool:
        return name in self.inner or name in self.variables

    def through_door(self, node: ast.Attribute) -> bool:
        """Whether `node` is `self.<name>` where `self` is no value."""
        return (
            self.door is not None and isinstance(node.value, ast.Name) and node.value.id == "self"
        )

    def path(self, node: ast.expr) -> str | None:
        """The dotted path of the catalogue that an expression spells, if any."""
        match node:
            case ast.Name(id=name) if not self.is_variable(name):
                meaning = self.names.get(name)
                if meaning is None:
                    return name if name in BUILTINS else None
                return meaning.ref if meaning.kind == "stdlib" else None
            case ast.Attribute(value=value, attr=attr):
                base = self.path(value)
                return None if base is None else f"{base}.{attr}"
            case _:
                return None

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        path = self.path(node)
        if path is not None and operation_at(path) is not None:
            name = f"{HIDDEN}at_{path.replace('.', '_')}"
            if not self.linker.is_module(path):
                self.namespace[name] = self.linker.stdlib(path)
                return _at(node, ast.Name(name, ast.Load()))
        if self.through_door(node):
            return _at(node, ast.Name(self_name(node.attr), ast.Load()))
        self.generic_visit(node)
        label = ast.Constant(node.attr)
        if isinstance(node.ctx, ast.Load):
            return _call(node, _GET, node.value, label)
        node.value = _call(node, _OWNER, node.value, label)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        plain = isinstance(node.slice, ast.Slice | ast.UnaryOp) or (
            isinstance(node.slice, ast.Constant) and type(node.slice.value) is int
        )
        self.generic_visit(node)
        if plain or not isinstance(node.ctx, ast.Load):
            return node
        return _call(node, ITEM, node.value, node.slice)

    # Calls

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if _is_template(node):
            node.args = [self.visit(argument) for argument in node.args]
            node.keywords = [self.visit(keyword) for keyword in node.keywords]
            return node
        calling = self.calls_arguments(node)
        function = node.func
        if self.is_attribute_call(function):
            self.generic_visit(node)
            node.func = _at(function, ast.Name(_ATTRIBUTE_CALLS[function.id], ast.Load()))
            return node
        # Of all classes of the library, these make classes.
        static = self.is_known(function) and not (self.path(function) or "").startswith("enum.")
        self.generic_visit(node)
        if calling is not None:
            self.guard_arguments(node, positional=calling)
        if not static:
            node.func = _call(function, _CALLABLE, node.func)
        elif isinstance(function, ast.Name):
            self.guard_name(node, function)
        return node

    def is_attribute_call(self, function: ast.expr) -> TypeGuard[ast.Name]:
        """Whether it is `getattr` or one of its kin, whose names the checker has read."""
        return (
            isinstance(function, ast.Name)
            and function.id in _ATTRIBUTE_CALLS
            and not self.is_variable(function.id)
            and function.id not in self.names
        )

    def is_known(self, function: ast.expr) -> bool:
        """Whether the text says what is called: a guarded attribute, a name of
        the table or a builtin, a lambda on the spot."""
        if isinstance(function, ast.Name):
            if self.is_variable(function.id):
                return False
            meaning = self.names.get(function.id)
            return meaning is None or meaning.kind != "constant"
        if isinstance(function, ast.Attribute):
            if self.door is not None and self.through_door(function):
                meaning = self.door.get(function.attr)
                return meaning is None or meaning.kind != "constant"
            # A field of `self` may hold anything.
            return not (isinstance(function.value, ast.Name) and function.value.id == "self")
        return isinstance(function, ast.Lambda)

    def guard_name(self, node: ast.Call, function: ast.Name) -> None:
        meaning = self.names.get(function.id)
        path = self.path(function)
        if meaning is not None and meaning.kind in ("class", "display"):
            node.args.insert(0, node.func)
            node.func = _at(node, ast.Name(_MAKE, ast.Load()))
        elif path in _SPECIAL_CALLS:
            node.func = _at(node, ast.Name(_SPECIAL_CALLS[path], ast.Load()))

    def calls_arguments(self, node: ast.Call) -> bool | None:
        """Whether the called one calls what it is given: None if not, True if
        its positional arguments, too."""
        path = self.path(node.func)
        if path is not None and operation_at(path) is not None:
            return path not in _BY_KEYWORD if path in _CALLING else None
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CALLING_METHODS:
            return True
        return None

    def guard_arguments(self, node: ast.Call, *, positional: bool) -> None:
        if positional:
            node.args = [self.guard_argument(argument) for argument in node.args]
        for keyword in node.keywords:
            name = _CALLABLE if keyword.arg is not None else _CALLABLES
            keyword.value = _call(keyword.value, name, keyword.value)

    def guard_argument(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            node.value = _call(node, _CALLABLES, node.value)
            return node
        if isinstance(node, ast.Constant | ast.Lambda):
            return node
        return _call(node, _CALLABLE, node)

    # Sets

    def visit_Set(self, node: ast.Set) -> ast.expr:
        self.generic_visit(node)
        return _call(node, _SET, _at(node, ast.List(node.elts, ast.Load())))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        operator = type(node.op).__name__
        guarded = operator in SET_OPERATIONS and _may_be_views(node)
        self.generic_visit(node)
        if not guarded:
            return node
        return _call(node, _OPERATE, ast.Constant(operator), node.left, node.right)

    # Scopes

    def within(self, names: Iterable[str], visit: Callable[[], None]) -> None:
        outer = self.inner
        self.inner = outer | frozenset(names)
        visit()
        self.inner = outer

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self.visit(node.args)

        def inside() -> None:
            node.body = self.visit(node.body)

        self.within(parameter_names(node.args), inside)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        # A decorator is called, and what it is given is a function of the graph.
        node.decorator_list = [
            self.guard_argument(self.visit(decorator)) for decorator in node.decorator_list
        ]
        self.visit(node.args)

        def inside() -> None:
            node.body = [self.visit(statement) for statement in node.body]

        self.within((*parameter_names(node.args), *bound_names(node.body)), inside)
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        return self.comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        return self.comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.expr:
        return self.comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.expr:
        items = _at(node, ast.ListComp(node.elt, node.generators))
        return _call(node, _SET, self.comprehension(items))

    def comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> ast.expr:
        first = node.generators[0]
        first.iter = self.visit(first.iter)

        def inside() -> None:
            for part in node.generators:
                part.target = self.visit(part.target)
                if part is not first:
                    part.iter = self.visit(part.iter)
                part.ifs = [self.visit(test) for test in part.ifs]
            if isinstance(node, ast.DictComp):
                node.key, node.value = self.visit(node.key), self.visit(node.value)
            else:
                node.elt = self.visit(node.elt)

        self.within(comprehension_names(node), inside)
        return node

    # Patterns

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.pattern:
        node.value = self.compared(node.value)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.pattern:
        node.keys = [self.compared(key) for key in node.keys]
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        return node

    def compared(self, value: ast.expr) -> ast.expr:
        """A value of a pattern. Python takes a dotted name there and nothing
        that was made of one, so what the guard gives is read from a box."""
        if not isinstance(value, ast.Attribute):
            return value
        return _at(value, ast.Attribute(_call(value, _BOX, self.visit(value)), "value", ast.Load()))

    def visit_MatchClass(self, node: ast.MatchClass) -> ast.pattern:
        spelled = ast.unparse(node.cls)
        cls = self.visit(node.cls)
        if not isinstance(cls, ast.Name) or self.is_variable(cls.id):
            raise GraphError(f"`{spelled}` in a pattern is no class of the graph")
        found = self.namespace.get(cls.id)
        if not isinstance(found, type):
            raise GraphError(f"`{spelled}` in a pattern is no class of the graph")
        positional = getattr(found, "__match_args__", ())[: len(node.patterns)]
        for name in (*positional, *node.kwd_attrs):
            if not self.linker.guards.matches(found, name):
                raise GraphError(f"a pattern cannot look at `{spelled}.{name}`")
        node.cls = cls
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        node.kwd_patterns = [self.visit(pattern) for pattern in node.kwd_patterns]
        return node


def _is_template(node: ast.Call) -> bool:
    """`"literal".format(...)`, whose template the checker has read."""
    return (
        isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "format_map")
        and isinstance(node.func.value, ast.Constant)
    )


def _may_be_views(node: ast.BinOp) -> bool:
    """Whether an operand may be a view of a dict. Subtractions are mostly of
    numbers, so these must look like it."""
    if isinstance(node.left, ast.Constant) or isinstance(node.right, ast.Constant):
        return False
    if not isinstance(node.op, ast.Sub):
        return True
    left, right = _is_view(node.left), _is_view(node.right)
    return left or right or (isinstance(node.left, ast.Name) and isinstance(node.right, ast.Name))


def _is_view(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _VIEWS
    )


def _at(near: ast.expr, node: _E) -> _E:
    """`node` at the place of `near`."""
    return ast.copy_location(node, near)


def _call(near: ast.expr, name: str, *arguments: ast.expr) -> ast.expr:
    return _at(near, ast.Call(ast.Name(name, ast.Load()), list(arguments), []))
