"""What holds for every graph, just compiled or read from the database.

1.  Function names are unique and the first is `run`. Parameters are variables;
    defaults are constants of the function's table.
    Variables and names do not look like the engine's own.
2.  Nodes are numbered from 0 through the whole graph, each before what it holds.
3.  Every piece of code parses in its mode, reads and writes what it says, and
    passes `check.check_code`.
4.  Targets and names of handlers are variables. `Jump` stands inside a loop.
5.  Tables refer to what exists: helpers to functions, `stdlib` to the catalogue.
    Only constants carry a value.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from waymark.errors import GraphError

from .check import check_code
from .model import (
    HIDDEN,
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
    Try,
    children,
    walk,
)
from .operations import operation_at
from .scopes import bound_names, free_names

CODE_CHARACTERS_MAX = 1_000_000
#: Locations are for people, but tracebacks need as many lines.
LINES_MAX = 1_000_000


def validate(graph: Graph) -> None:
    """Raise GraphError unless every rule above holds."""
    if not graph.functions or graph.functions[0].name != "run":
        raise GraphError("the first function of a graph is `run`")
    functions = [function.name for function in graph.functions]
    if len(set(functions)) != len(functions):
        raise GraphError("two functions of the graph have one name")
    _check_numbers(graph)
    for name, entry in graph.attributes.items():
        if entry.kind not in ("constant", "helper", "class"):
            raise GraphError(f"`self.{name}` cannot be a {entry.kind}")
        _check_entry(name, entry, functions)
    for function in graph.functions:
        _FunctionCheck(graph, function, functions).run()


def _check_numbers(graph: Graph) -> None:
    expected = 0
    for function in graph.functions:
        for node in walk(function.body):
            if node.id != expected:
                raise GraphError(f"node {node.id} stands where {expected} belongs")
            expected += 1


def _check_entry(name: str, entry: Name, functions: list[str]) -> None:
    hidden = name.startswith(HIDDEN) and not name.startswith(f"{HIDDEN}default_")
    if hidden or not name.isidentifier() or name.startswith("__"):
        raise GraphError(f"{name!r} cannot be a name")
    if entry.kind == "helper" and entry.ref not in functions:
        raise GraphError(f"`{name}` refers to the function {entry.ref!r}, which is missing")
    if entry.kind == "stdlib" and operation_at(entry.ref) is None:
        raise GraphError(f"`{name}` refers to `{entry.ref}`, which is not allowed")
    if (entry.kind == "constant") != bool(entry.value):
        raise GraphError(f"`{name}` is a {entry.kind} with{'out' if entry.value else ''} a value")


class _FunctionCheck:
    def __init__(self, graph: Graph, function: Function, functions: list[str]) -> None:
        self.graph = graph
        self.function = function
        self.functions = functions
        self.variables = frozenset(function.variables)

    def run(self) -> None:
        self.check_places()
        self.check_names()
        self.check_jumps(self.function.body, looping=False)
        for node in walk(self.function.body):
            for variable in _bound_by(node):
                self.check_variable(node, variable)
            for code, mode in _codes(node):
                self.check_code(node, code, mode)

    def odd(self, node: Node | None, problem: str) -> GraphError:
        where = f"node {node.id} of " if node is not None else ""
        return GraphError(f"{where}`{self.function.name}` of {self.graph.workflow}: {problem}")

    def check_places(self) -> None:
        if not 1 <= self.function.first_line <= LINES_MAX or "\0" in self.function.path:
            raise self.odd(None, "it stands at an impossible place")

    def check_names(self) -> None:
        function = self.function
        for name in function.variables:
            if not _may_name_a_variable(name):
                raise self.odd(None, f"{name!r} cannot be a variable")
        if len(self.variables) != len(function.variables):
            raise self.odd(None, "a variable is listed twice")
        for name, entry in function.names.items():
            _check_entry(name, entry, self.functions)
            if name in self.variables or (name == "self" and function.method):
                raise self.odd(None, f"`{name}` is both a variable and a name of the table")
        names = tuple(parameter.name for parameter in function.parameters)
        if function.variables[: len(names)] != names:
            raise self.odd(None, "the variables do not begin with the parameters")
        for parameter in function.parameters:
            default = parameter.default
            if default is not None and (
                default not in function.names or function.names[default].kind != "constant"
            ):
                raise self.odd(None, f"the default of `{parameter.name}` is no constant")

    def check_jumps(self, body: tuple[Node, ...], *, looping: bool) -> None:
        for node in body:
            if isinstance(node, Jump) and not looping:
                raise self.odd(node, f"`{node.kind}` outside a loop")
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
        if code.mode != mode:
            raise self.odd(node, f"its code should be of mode {mode!r}")
        if len(code.text) > CODE_CHARACTERS_MAX:
            raise self.odd(node, f"its code is longer than {CODE_CHARACTERS_MAX} characters")
        if not all(1 <= line <= LINES_MAX for line in code.lines):
            raise self.odd(node, "its code stands at an impossible line")
        try:
            tree = ast.parse(code.text, mode=mode)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self.odd(node, f"its code does not parse: {error}") from None
        scope = self.variables | ({"self"} if self.function.method else frozenset[str]())
        violations = check_code(tree, self.function.names, scope, self.graph.attributes)
        if violations:
            first = violations[0]
            raise self.odd(node, f"{first.fact} ({first.code})")
        self.check_uses(node, code, tree)

    def check_uses(self, node: Node, code: Code, tree: ast.AST) -> None:
        reads = tuple(sorted(free_names(tree) & self.variables))
        writes = tuple(sorted(set(bound_names([tree])) & self.variables))
        if (code.reads, code.writes) != (reads, writes):
            raise self.odd(node, "its code reads or writes other variables than it says")


def _may_name_a_variable(name: str) -> bool:
    """The engine keeps names of its own beside the code, behind the same prefix
    as the compiler: only the compiler's own form may be a variable."""
    if name.startswith(HIDDEN):
        return name.removeprefix(HIDDEN).isdecimal()
    return name.isidentifier() and not name.startswith("__") and name != "self"


def _bound_by(node: Node) -> Iterator[str]:
    match node:
        case Await(target=str(name)) | Loop(target=str(name)):
            yield name
        case Try(handlers=handlers, star=star):
            yield from (handler.name for handler in handlers if handler.name is not None)
            if star is not None:
                yield star
        case _:
            return


def _codes(node: Node) -> Iterator[tuple[Code, str]]:
    match node:
        case Compute(code=code):
            yield code, "exec"
        case Raise(code=Code() as code):
            yield code, "exec"
        case Await(call=code) | Branch(test=code) | Loop(head=code) | Return(value=Code() as code):
            yield code, "eval"
        case Try(handlers=handlers):
            for handler in handlers:
                if handler.types is not None:
                    yield handler.types, "eval"
        case _:
            return
