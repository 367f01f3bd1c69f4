"""What holds for every graph, just compiled or read from the database.

1.  Function names are unique and the first is `run`. Parameters are variables;
    defaults are constants of the function's table.
    Variables and names do not look like the engine's own.
2.  Nodes are numbered from 0 through the whole graph, each before what it holds.
3.  Every piece of code parses in its mode, reads and writes what it says, and
    passes `check.check_uses`.
4.  Targets and names of handlers are variables. `Jump` stands inside a loop.
5.  Tables refer to what exists: helpers to functions, `stdlib` to the catalogue.
    Only constants carry a value. A local function is named only where it is made.
6.  A sync function is one definition that passes `check.check_definition`; its
    defaults are names of its table.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator, Mapping

from waymark.errors import GraphError

from .check import check_definition, check_uses
from .displays import leaves
from .model import (
    ATTRIBUTES_ONLY,
    DEFAULT,
    HIDDEN,
    INIT,
    Await,
    Branch,
    Code,
    Compute,
    Function,
    Graph,
    Jump,
    Loop,
    Name,
    Node,
    Raise,
    Return,
    Scope,
    SyncFunction,
    Try,
    children,
    walk,
)
from .operations import operation_at
from .scopes import parameter_names

CODE_CHARACTERS_MAX = 1_000_000
#: Locations are for people, but tracebacks need as many lines.
LINES_MAX = 1_000_000
#: Of all functions together: each is given as many empty lines as stand before it.
SUM_MAX = 10 * LINES_MAX


def validate(graph: Graph, trees: Mapping[str, ast.Module] | None = None) -> None:
    """Raise GraphError unless every rule above holds. `trees` are what texts of
    statements parse to, as far as this process parsed them before."""
    try:
        _validate(graph, trees or {})
    except RecursionError:
        raise GraphError("the graph's code is nested too deeply") from None


def _validate(graph: Graph, trees: Mapping[str, ast.Module]) -> None:
    first = graph.functions[0] if graph.functions else None
    if first is None or first.name != "run" or first.local:
        raise GraphError("the first function of a graph is `run`")
    known = _Known(graph, trees)
    _check_numbers(graph)
    _check_size(graph)
    for name, entry in graph.attributes.items():
        if entry.kind in ("stdlib", "local"):
            raise GraphError(f"`self.{name}` cannot be a {entry.kind}")
        known.check_entry(name, entry)
    for function in graph.functions:
        _FunctionCheck(graph, function, known).run()
    for sync in graph.sync_functions:
        check_sync_function(sync, known)


def _check_numbers(graph: Graph) -> None:
    expected = 0
    for function in graph.functions:
        for node in walk(function.body):
            if node.id != expected:
                raise GraphError(f"node {node.id} stands where {expected} belongs")
            expected += 1


def _check_size(graph: Graph) -> None:
    """What a loader makes of a few digits must stay small."""
    first_lines = [function.first_line for function in graph.functions]
    first_lines += [function.first_line for function in graph.sync_functions]
    if sum(first_lines) > SUM_MAX:
        raise GraphError("its functions stand at impossible places")
    if "\0" in graph.self_class:
        raise GraphError(f"{graph.self_class!r} cannot be the name of a class")


class _Known:
    """The functions of a graph, to which tables refer, and trees of texts."""

    def __init__(self, graph: Graph, trees: Mapping[str, ast.Module]) -> None:
        self.trees = trees
        self.helpers = [function.name for function in graph.functions]
        self.sync = [function.name for function in graph.sync_functions]
        self.local = [function.name for function in graph.functions if function.local]
        if len({*self.helpers, *self.sync}) != len(self.helpers) + len(self.sync):
            raise GraphError("two functions of the graph have one name")

    def refers(self, entry: Name) -> bool:
        """Whether what `entry` refers to in the graph is there."""
        match entry.kind:
            case "helper":
                return entry.ref in self.helpers and entry.ref not in self.local
            case "local":
                return entry.ref in self.local
            case "function" | "property" | "cached_property":
                return entry.ref in self.sync
            case "classmethod":
                known = (*self.helpers, *self.sync)
                return entry.ref in known and entry.ref not in self.local
            case _:
                return True

    def check_table(self, names: dict[str, Name]) -> None:
        for name, entry in names.items():
            if entry.kind in ATTRIBUTES_ONLY:
                raise GraphError(f"`{name}` cannot be a {entry.kind}")
            self.check_entry(name, entry)

    def check_entry(self, name: str, entry: Name) -> None:
        ours = name == INIT or name.startswith(DEFAULT)
        if (
            (name.startswith(HIDDEN) and not ours)
            or not _is_identifier(name)
            or name.startswith("__")
        ):
            raise GraphError(f"{name!r} cannot be a name")
        if not self.refers(entry):
            raise GraphError(f"`{name}` refers to the function {entry.ref!r}, which is missing")
        if name == INIT and entry.kind != "function":
            raise GraphError(f"`__init__` cannot be a {entry.kind}")
        if entry.kind == "stdlib" and operation_at(entry.ref) is None:
            raise GraphError(f"`{name}` refers to `{entry.ref}`, which is not allowed")
        if entry.kind == "display":
            for part in leaves(entry):
                self.check_leaf(name, part)
        if (entry.kind in ("constant", "display")) != bool(entry.value):
            raise GraphError(
                f"`{name}` is a {entry.kind} with{'out' if entry.value else ''} a value"
            )

    def check_leaf(self, name: str, entry: Name) -> None:
        """A name inside of a table: reached by no path, so it has no rules that hold
        at a call."""
        self.check_entry(name, entry)
        operation = operation_at(entry.ref) if entry.kind == "stdlib" else None
        if operation is not None and (operation.bounded or operation.kind in _NO_VALUES):
            raise GraphError(f"`{name}` holds `{entry.ref}`, which is no value")


_NO_VALUES = ("module", "context")


def check_sync_function(function: SyncFunction, known: _Known) -> None:
    """Raise GraphError unless `function` is one pure definition."""
    where = f"`{function.name}`"
    check_place(where, function)
    known.check_table(function.names)
    tree = parsed(function.code, "exec", known.trees)
    if isinstance(tree, str):
        raise GraphError(f"{where}: {tree}")
    body = tree.body if isinstance(tree, ast.Module) else []
    definition = body[0] if len(body) == 1 else None
    if not isinstance(definition, ast.FunctionDef):
        raise GraphError(f"{where}: a sync function is one `def`")
    if function.code.reads or function.code.writes:
        raise GraphError(f"{where}: a sync function has no variables around it")
    violations = check_definition(definition, function.names)
    if violations:
        raise GraphError(f"{where}: {violations[0].fact} ({violations[0].code})")
    arguments = definition.args
    for default in (*arguments.defaults, *arguments.kw_defaults):
        name = default.id if isinstance(default, ast.Name) else ""
        if default is not None and not (name.startswith(DEFAULT) and name in function.names):
            raise GraphError(f"{where}: a default is no name of the table")
    first = parameter_names(arguments)[:1]
    if function.method and first != ["self"]:
        raise GraphError(f"{where}: the first parameter of a method is `self`")


def check_place(where: str, function: Function | SyncFunction) -> None:
    if not 1 <= function.first_line <= LINES_MAX or "\0" in function.path + function.name:
        raise GraphError(f"{where}: it stands at an impossible place")


def parsed(code: Code, mode: str, trees: Mapping[str, ast.Module]) -> ast.AST | str:
    """The tree of a piece of code within bounds, else what is wrong with it."""
    if code.mode != mode:
        return f"its code should be of mode {mode!r}"
    if len(code.text) > CODE_CHARACTERS_MAX:
        return f"its code is longer than {CODE_CHARACTERS_MAX} characters"
    if code.lines and not 1 <= min(code.lines) <= max(code.lines) <= LINES_MAX:
        return "its code stands at an impossible line"
    if mode == "exec" and code.text in trees:
        return trees[code.text]
    try:
        tree: ast.AST = ast.parse(code.text, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"its code does not parse: {error}"
    return tree


class _FunctionCheck:
    def __init__(self, graph: Graph, function: Function, known: _Known) -> None:
        self.graph = graph
        self.function = function
        self.known = known
        self.variables = frozenset(function.variables)
        method = function.method or function.local
        self.scope = self.variables | {"self"} if method else self.variables
        free = bool(graph.self_class) or not method
        self.door = None if free else graph.attributes

    def run(self) -> None:
        check_place(self.where(None), self.function)
        self.check_names()
        self.check_jumps(self.function.body, looping=False)
        for node in walk(self.function.body):
            if type(node) in _BINDING:
                for variable in _bound_by(node):
                    self.check_variable(node, variable)
            for code, mode in _codes(node):
                self.check_code(node, code, mode)

    def where(self, node: Node | None) -> str:
        place = f"node {node.id} of " if node is not None else ""
        return f"{place}`{self.function.name}` of {self.graph.workflow}"

    def odd(self, node: Node | None, problem: str) -> GraphError:
        return GraphError(f"{self.where(node)}: {problem}")

    def check_names(self) -> None:
        function = self.function
        for name in function.variables:
            if not _may_name_a_variable(name) or (name == "self" and function.method):
                raise self.odd(None, f"{name!r} cannot be a variable")
        if len(self.variables) != len(function.variables):
            raise self.odd(None, "a variable is listed twice")
        self.known.check_table(function.names)
        for name in function.names:
            if name in self.variables or (name == "self" and function.method):
                raise self.odd(None, f"`{name}` is both a variable and a name of the table")
        shared = len(function.variables) - len(function.captured)
        if function.variables[shared:] != function.captured:
            raise self.odd(None, "the variables do not end with those that it shares")
        if function.method if function.local else function.captured:
            raise self.odd(None, "only a local function shares variables, and none is a method")
        names = tuple(parameter.name for parameter in function.parameters)
        if function.variables[: len(names)] != names:
            raise self.odd(None, "the variables do not begin with the parameters")
        for parameter in function.parameters:
            default = parameter.default
            if function.local and default in (None, f"{DEFAULT}{parameter.name}"):
                continue
            if default is not None and (
                default not in function.names or function.names[default].kind != "constant"
            ):
                raise self.odd(None, f"the default of `{parameter.name}` is no constant")

    def check_jumps(self, body: tuple[Node, ...], *, looping: bool) -> None:
        for node in body:
            if isinstance(node, Jump) and not looping:
                raise self.odd(node, f"`{node.kind}` outside a loop")
            if type(node) in _LEAVES:
                continue
            if isinstance(node, Loop):
                if (node.flavour == "for") != (node.target is not None):
                    raise self.odd(node, "only a `for` has a target, and each has one")
                self.check_jumps(node.body, looping=True)
                self.check_jumps(node.orelse, looping=looping)
                continue
            for inner in children(node):
                self.check_jumps(inner, looping=looping)

    def check_variable(self, node: Node, name: str) -> None:
        if name not in self.variables:
            raise self.odd(node, f"`{name}` is not a variable")

    def check_code(self, node: Node, code: Code, mode: str) -> None:
        tree = parsed(code, mode, self.known.trees)
        if isinstance(tree, str):
            raise self.odd(node, tree)
        names, variables = self.function.names, self.variables
        violations, reads, writes = check_uses(tree, names, self.scope, self.door)
        if violations:
            first = violations[0]
            raise self.odd(node, f"{first.fact} ({first.code})")
        said = (tuple(sorted(reads & variables)), tuple(sorted(writes & variables)))
        if (code.reads, code.writes) != said:
            raise self.odd(node, "its code reads or writes other variables than it says")


def _may_name_a_variable(name: str) -> bool:
    """The engine keeps names of its own beside the code, behind the same prefix
    as the compiler: only the compiler's own form may be a variable."""
    if name.startswith(HIDDEN):
        return name.removeprefix(HIDDEN).isdecimal()
    return _is_identifier(name) and not name.startswith("__")


def _is_identifier(name: str) -> bool:
    """Whether a parser could have read it as a name."""
    return name.isidentifier() and not keyword.iskeyword(name)


#: Kinds of nodes that hold no others.
_LEAVES = frozenset({Compute, Await, Return, Raise})
#: Kinds of nodes that bind variables apart from their code.
_BINDING = frozenset({Await, Loop, Scope, Try})


def _bound_by(node: Node) -> Iterator[str]:
    match node:
        case Await(target=str(name)) | Loop(target=str(name)):
            yield name
        case Scope(holder=holder, outcome=outcome, target=target):
            yield from (holder, outcome, *(() if target is None else (target,)))
        case Try(handlers=handlers, star=star):
            yield from (handler.name for handler in handlers if handler.name is not None)
            if star is not None:
                yield star
        case _:
            return


def _codes(node: Node) -> Iterator[tuple[Code, str]]:
    match node:
        case Compute(code=code) | Raise(code=Code() as code):
            yield code, "exec"
        case Await(call=code) | Branch(test=code) | Loop(head=code) | Return(value=Code() as code):
            yield code, "eval"
        case Scope(manager=code):
            yield code, "eval"
        case Try(handlers=handlers):
            for handler in handlers:
                if handler.types is not None:
                    yield handler.types, "eval"
        case _:
            return
