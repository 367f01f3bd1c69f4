"""Binds a checked graph to this process: text to code objects, names to values.

Each node's code is compiled as a function nested in one whose locals are the
author's variables (in `pieces`, when a run first comes to it). It therefore
reaches the variables through *cells*; the evaluator gives each frame cells of its
own. Assignments, deletions, closures with late binding and comprehensions then
mean just what they mean in Python, and nothing is copied in or out.

Before compiling, guards are put on what depends on the value's type (`guards`).
The globals of a node hold the allowed builtins, the function's linked names and
the guards, and nothing else; `__builtins__` is empty.
"""

from __future__ import annotations

import ast
import builtins
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import CellType, CodeType, FunctionType
from typing import Any, Protocol

from waymark.errors import GraphError, UnresolvedActionError, WaymarkBug
from waymark.graph.displays import build, every_name
from waymark.graph.model import DEFINED, HIDDEN, INIT, Function, Graph, Name, SyncFunction
from waymark.graph.operations import BUILTINS, operation_at
from waymark.values import freeze, meet_decimals, plan_for

from .arithmetic import fixed
from .awaitables import HelperCall, action_stub, workflow_stub
from .binding import binder, binding_code, local_maker
from .concurrency.operations import operations
from .concurrency.scopes import Scopes
from .definitions import fill_defaults, make_function
from .flat import ENTER, LEAVE, FlatFunction, flatten
from .guarded import ITEM, GuardInserter, guard_names, self_name
from .guards import NO_BUILTINS, Guards
from .heap.names import Names
from .instance import class_of, methods_of, once
from .links import LinkedAction, LinkedWorkflow, Links
from .pieces import Pieces
from .running import Running
from .sites import LinkedSite, Taping, is_lazy
from .tape import Tape
from .wrapping import set_lines

#: Kinds of names that may need a sync function, so are linked when all are made.
_LATE = ("function", "display")

#: Kinds of names that lead to no recorded call.
_QUIET = ("action", "workflow", "helper", "constant", "local")


@dataclass(frozen=True, slots=True)
class LinkedFunction:
    """One function, ready to run. `bind(*args, **kwargs)` gives the values of
    its parameters in order, or raises Python's own TypeError. `variables` are its
    own; those that it shares come behind them in a frame."""

    name: str
    flat: FlatFunction
    sites: tuple[LinkedSite, ...]
    variables: tuple[str, ...]
    namespace: dict[str, Any]
    bind: Callable[..., tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Program:
    """A graph, bound to this process. Shared by all its runs in one thread."""

    graph: Graph
    hash: bytes
    links: Links
    functions: tuple[LinkedFunction, ...]
    flat: tuple[FlatFunction, ...]
    tape: Tape
    workflow: str
    definition: LinkedWorkflow
    actions: dict[str, LinkedAction]
    children: dict[str, LinkedWorkflow]
    cancelled_error: type[BaseException]
    invalid_state_error: type[BaseException]
    running: Running
    definitions: dict[str, int]
    #: What values may refer to, for snapshots.
    names: Names
    #: Makes the `self` of a run, where `run` takes one.
    make_self: Callable[[], Any] | None


def _refs(graph: Graph, kind: str) -> list[str]:
    """Every action, or workflow, that a graph names, sorted."""
    return sorted({name.ref for name in every_name(graph) if name.kind == kind})


def load_program(graph: Graph, hash: bytes, links: Links) -> Program:
    """Bind a validated graph. Raises `UnresolvedActionError` (with every action or
    workflow that is missing) and `GraphError`."""
    found = {ref: links.actions(ref) for ref in _refs(graph, "action")}
    actions = {action.name: action for action in found.values() if action is not None}
    runs = {ref: links.workflows(ref) for ref in _refs(graph, "workflow")}
    children = {child.name: child for child in runs.values() if child is not None}
    missing = [ref for ref, action in (*found.items(), *runs.items()) if action is None]
    if missing:
        listed = ", ".join(f"`{ref}`" for ref in missing)
        raise UnresolvedActionError(
            f"workflow {graph.workflow} calls {listed}, which no imported module registers; "
            "import the module that defines it before waymark.start(), or give the action "
            "its old name in aliases="
        )
    definition = links.workflows(graph.workflow)
    if definition is None:
        raise UnresolvedActionError(
            f"workflow {graph.workflow} is registered by no imported module; import the module "
            "that defines it before waymark.start()"
        )
    tape = Tape(links.types)
    running = Running(tape)
    try:
        linker = _Linker(graph, hash, links, Guards(tape), running)
        functions = tuple(linker.link(function) for function in graph.functions)
    except (SyntaxError, UnicodeError, RecursionError, MemoryError) as error:
        raise GraphError(f"the graph of {graph.workflow} cannot be compiled: {error}") from error
    return Program(
        graph,
        hash,
        links,
        functions,
        tuple(function.flat for function in functions),
        tape,
        graph.workflow,
        definition,
        actions,
        children,
        links.modules["asyncio"].CancelledError,
        links.modules["asyncio"].InvalidStateError,
        running,
        {name: i for name, i in linker.indices.items() if name.startswith(DEFINED)},
        Names(linker),
        _maker(linker.self_class) if graph.self_class else None,
    )


def _maker(cls: Callable[[], Any]) -> Callable[[], Any]:
    """Makes the `self` of a run, whose `__init__` may compute."""
    return partial(fixed(_made), cls)


def _made(cls: Callable[[], Any]) -> Any:
    return cls()


class _Linker:
    def __init__(
        self, graph: Graph, hash: bytes, links: Links, guards: Guards, running: Running
    ) -> None:
        self.graph = graph
        self.links = links
        self.guards = guards
        self.operations = operations(running)
        self.scopes = Scopes(running)
        self.tag = hash.hex()[:8]
        self.plan = plan_for(Any, links.types)
        self.indices = {function.name: i for i, function in enumerate(graph.functions)}
        self.constants: dict[tuple[str, str], Any] = {}
        self.stateful = bool(graph.self_class)
        self.binders = [binder(f, stateful=self.stateful) for f in graph.functions]
        self.helpers: dict[str, Callable[..., HelperCall]] = {}
        self.sync: dict[str, FunctionType] = {}
        self.locals: dict[int, tuple[Function, CodeType, Callable[..., Any]]] = {}
        self.define()
        self.self_class = class_of(graph, self.value, methods_of(graph).__getitem__)
        # Where `self` keeps nothing, all runs may share one.
        self.door = self.self_class()
        self.fill()
        self.taping = Taping(any(is_lazy(made.__code__) for made in self.sync.values()))

    # Sync functions

    def define(self) -> None:
        """Make the sync functions, which still lack each other's names."""
        for function in self.graph.sync_functions:
            namespace = self.namespace(function.names)
            guard = GuardInserter(self, function.names, (), None, namespace)
            guarded = guard.visit(_parsed(function))
            filename = self.source_name(function)
            made = make_function(function, namespace, filename, set_lines, guarded)
            self.sync[function.name] = made

    def fill(self) -> None:
        """Give the sync functions what they lack, then their defaults."""
        for function in self.graph.sync_functions:
            self.complete(self.sync[function.name].__globals__, function.names)
        for function in self.graph.sync_functions:
            fill_defaults(self.sync[function.name], _parsed(function))

    def complete(self, namespace: dict[str, Any], names: Mapping[str, Name]) -> None:
        """Add what needs the sync functions."""
        for name, meaning in names.items():
            if meaning.kind in _LATE:
                namespace[name] = self.value(name, meaning)
        for name in self.graph.attributes if not self.stateful else ():
            namespace[self_name(name)] = getattr(self.door, name)

    # Functions

    def link(self, function: Function) -> LinkedFunction:
        flat = flatten(function)
        namespace = self.namespace(function.names)
        self.complete(namespace, function.names)
        variables = self.variables(function)
        sites = self.pieces(function, namespace, variables).sites(flat)
        own = variables[: len(variables) - len(function.captured)]
        bind = _nothing if function.local else self.bind(function)
        if function.method and not self.stateful:
            bind = partial(bind, None)
        return LinkedFunction(function.name, flat, sites, own, namespace, bind)

    def variables(self, function: Function) -> tuple[str, ...]:
        """The function's variables, with `self` where that is one."""
        own = function.method and self.stateful
        return ("self", *function.variables) if own else function.variables

    def quiet_names(self, function: Function) -> frozenset[str]:
        """Global names that lead to no recorded call."""
        quiet = set(BUILTINS) | {f"{HIDDEN}at_asyncio_gather", f"{HIDDEN}at_asyncio_sleep", ITEM}
        for name, meaning in function.names.items():
            if meaning.kind in _QUIET:
                quiet.add(name)
        attributes = self.graph.attributes.items()
        return frozenset(
            quiet | {self_name(name) for name, entry in attributes if entry.kind in _QUIET}
        )

    def bind(self, function: Function) -> Callable[..., tuple[Any, ...]]:
        """The function's binder, with its defaults filled in."""
        defaults = {
            parameter.default: self.value(parameter.name, function.names[parameter.default])
            for parameter in function.parameters
            if parameter.default is not None
        }
        made: dict[str, Any] = {}
        exec(self.binders[self.indices[function.name]], defaults, made)  # noqa: S102 - our own text
        bind: Callable[..., tuple[Any, ...]] = made["bind"]
        bind.__qualname__ = function.name
        return bind

    # Names

    def namespace(self, names: Mapping[str, Name]) -> dict[str, Any]:
        space: dict[str, Any] = {"__builtins__": NO_BUILTINS}
        space.update((name, getattr(builtins, name)) for name in BUILTINS)
        space.update(guard_names(self.guards))
        space.update({ENTER: self.scopes.enter, LEAVE: self.scopes.leave})
        for name, meaning in names.items():
            module = meaning.kind == "stdlib" and self.is_module(meaning.ref)
            if meaning.kind not in _LATE and not module:
                space[name] = self.value(name, meaning)
        return space

    def is_module(self, ref: str) -> bool:
        operation = operation_at(ref)
        return operation is not None and operation.kind == "module"

    def value(self, name: str, meaning: Name) -> Any:
        """What a name stands for in this process."""
        match meaning.kind:
            case "action":
                action = self.links.actions(meaning.ref)
                if action is None:
                    raise UnresolvedActionError(f"no action is registered as {meaning.ref}")
                return action_stub(action)
            case "workflow":
                workflow = self.links.workflows(meaning.ref)
                if workflow is None:
                    raise UnresolvedActionError(f"no workflow is registered as {meaning.ref}")
                return workflow_stub(workflow)
            case "class":
                found = self.links.types.resolve(meaning.ref)
                if found is None:
                    raise GraphError(f"`{name}` names the class {meaning.ref}, unknown here")
                return found
            case "constant":
                return self.constant(name, meaning.value)
            case "display":
                return self.display(name, meaning)
            case "helper":
                return self.helper(meaning.ref)
            case "function" | "property" | "cached_property":
                made = self.sync_function(name, meaning.ref)
                return once(made) if name == INIT else made
            case "local":
                return self.local(meaning.ref)
            case "classmethod":
                sync = meaning.ref in self.sync
                return self.sync_function(name, meaning.ref) if sync else self.helper(meaning.ref)
            case "pure":
                function = self.links.pure(meaning.ref)
                if function is None:
                    raise GraphError(f"`{name}` names the function {meaning.ref}, unknown here")
                return self.guards.foreign(function)
            case "stdlib":
                return self.stdlib(meaning.ref)

    def constant(self, name: str, value: str) -> Any:
        """One object for each constant, whichever functions name it."""
        if (name, value) not in self.constants:
            loaded = self.plan.loads(value.encode(), run=True)
            self.constants[name, value] = freeze(loaded, name, self.guards.constants)
        return self.constants[name, value]

    def display(self, name: str, meaning: Name) -> Any:
        """One object for each table, as for each constant."""
        key = (name, meaning.value)
        if key not in self.constants:
            made = build(meaning, lambda leaf: self.value(name, leaf))
            self.constants[key] = freeze(made, name, self.guards.constants)
        return self.constants[key]

    def sync_function(self, name: str, ref: str) -> FunctionType:
        function = self.sync.get(ref)
        if function is None:
            raise GraphError(f"`{name}` names the function {ref}, which the graph lacks")
        return function

    def helper(self, ref: str) -> Callable[..., HelperCall]:
        """What calling an async function gives: one object, whoever names it."""
        index = self.indices.get(ref)
        if index is None:
            raise GraphError(f"the graph has no function {ref}")
        if ref not in self.helpers:
            bind = self.bind(self.graph.functions[index])

            def call(*args: Any, **kwargs: Any) -> HelperCall:
                return HelperCall(index, ref, bind(*args, **kwargs))

            self.helpers[ref] = call
        return self.helpers[ref]

    def local(self, ref: str) -> Callable[..., Any]:
        """What makes a local function, where its definition stands."""
        index = self.indices[ref]
        if index not in self.locals:

            def call(values: tuple[Any, ...], cells: tuple[CellType, ...]) -> HelperCall:
                return HelperCall(index, ref, values, cells)

            code = binding_code(self.binders[index])
            self.locals[index] = self.graph.functions[index], code, call
        return local_maker(*self.locals[index])

    def stdlib(self, path: str) -> Any:
        """The object at a dotted path of the catalogue, guarded by its kind."""
        operation = operation_at(path)
        if operation is None or operation.kind == "module":
            raise GraphError(f"{path} is not in the catalogue")
        if path.startswith("decimal."):
            meet_decimals()
        if path in self.operations:
            return self.operations[path]
        if operation.kind == "definition":
            return self.helper(f"{DEFINED}{path.rpartition('.')[2]}")
        if operation.kind == "clock":
            return self.guards.clock(path)
        found = self.reach(path)
        special = self.guards.special(path, found)
        if special is not None:
            return special
        return self.guards.recorded(found) if operation.kind == "recorded" else found

    def reach(self, path: str) -> Any:
        parts = path.split(".")
        for cut in range(len(parts), 0, -1):
            module = self.links.modules.get(".".join(parts[:cut]))
            if module is None:
                continue
            found: Any = module
            for part in parts[cut:]:
                found = getattr(found, part, None)
            if found is not None:
                return found
        if hasattr(builtins, parts[0]):
            found = getattr(builtins, parts[0])
            for part in parts[1:]:
                found = getattr(found, part)
            return found
        raise GraphError(f"{path} does not exist on this Python")

    # Code

    def pieces(
        self, function: Function, namespace: dict[str, Any], variables: tuple[str, ...]
    ) -> Pieces:
        """What makes the function's code."""
        through = (function.method or function.local) and not self.stateful
        door = self.graph.attributes if through else None
        names, around = function.names, frozenset(variables)

        def inserter() -> GuardInserter:
            return GuardInserter(self, names, around, door, namespace)

        filename = self.source_name(function)
        return Pieces(
            function, variables, filename, self.quiet_names(function), inserter, self.taping
        )

    def source_name(self, function: Function | SyncFunction) -> str:
        """A file name whose text is the stored source, not today's file."""
        filename = f"{function.path or self.graph.workflow}#{self.tag}:{function.name}"
        lines = [*["\n"] * (function.first_line - 1), *function.source.splitlines(keepends=True)]
        linecache.cache[filename] = (sum(map(len, lines)), None, lines, filename)
        return filename


def _nothing(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    raise WaymarkBug("a local function is bound where it is defined")


def _parsed(function: SyncFunction) -> ast.FunctionDef:
    definition = ast.parse(function.code.text).body[0]
    assert isinstance(definition, ast.FunctionDef), "validation lets nothing else pass"
    return definition


class RunningFrame(Protocol):
    """What code needs of a frame."""

    cells: list[CellType]
    function: LinkedFunction


def run_code(site: LinkedSite, frame: RunningFrame) -> Any:
    """Evaluate one site's code over a frame's cells."""
    cells = frame.cells
    if site.name >= 0:
        try:
            return cells[site.name].cell_contents
        except ValueError:  # unbound: let Python say so
            pass
    code = site.code
    if code is None:
        code = site.bound()
        if code is None:
            return None
    if site.free:
        closure = tuple([cells[i] for i in site.free])
        return FunctionType(code, frame.function.namespace, None, None, closure)()
    return FunctionType(code, frame.function.namespace)()
