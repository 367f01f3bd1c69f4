"""The names of one function: which are variables, and what the others are.

Everything that is no variable becomes an entry of the function's table, which
is filled here from what the author's scopes hold.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

from waymark.authoring.workflow import Workflow
from waymark.graph import advice
from waymark.graph.model import ATTRIBUTES_ONLY, DEFAULT, Name
from waymark.graph.operations import BUILTINS
from waymark.graph.trees import Kinds

from .catalogued import catalogue_path, library_path
from .displays import entry_for
from .members import Member, entry_of, find_member
from .names import MISSING, Namespace, Refusal, stdlib_module, storable
from .origins import outside_origin
from .reach import PendingFunction, Reach
from .source import Source

#: Stands in the table where a name was refused or has no meaning yet, so that the
#: rest of the function is still judged. Never reaches a graph.
PLACEHOLDER = Name("class", ref="")


@dataclass
class Prepared:
    """A function's body in prepared form. `variables` are in their order, parameters
    first."""

    source: Source
    pending: PendingFunction
    arguments: ast.arguments
    body: list[ast.stmt] = field(default_factory=list[ast.stmt])
    names: dict[str, Name] = field(default_factory=dict[str, Name])
    variables: dict[str, None] = field(default_factory=dict[str, None])
    #: Of a local function: variables of the functions around it.
    captured: list[str] = field(default_factory=list[str])
    #: Async functions that are defined in this one.
    inner: list[Prepared] = field(default_factory=list["Prepared"])

    @cached_property
    def kinds(self) -> Kinds:
        """The nodes of the body, as it was before anything of it was lowered."""
        return Kinds(*self.body)

    def is_variable(self, name: str) -> bool:
        """Whether `name` is a variable, of this function or of one around it."""
        return name in self.variables or name in self.captured


class Table:
    """Fills a function's table. `receiver` is the author's word for `self`;
    `inner` are the names of the inner scopes around what is looked at."""

    def __init__(self, prepared: Prepared, reach: Reach, receiver: str | None) -> None:
        self.prepared = prepared
        self.receiver_kind = prepared.pending.receiver
        self.reach = reach
        self.receiver = receiver
        self.namespace = Namespace(prepared.pending.function)
        self.variables = frozenset(prepared.variables)
        self.inner: frozenset[str] = frozenset()
        self.keys: dict[tuple[str, type | None], str] = {}

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        self.reach.report(self.prepared.source, node, code, fact, fix)

    # Looking at what is there

    def is_variable(self, name: str) -> bool:
        return name in self.inner or name in self.variables

    def live(self, node: ast.expr) -> Any:
        """The live object that a dotted name outside the variables spells."""
        if isinstance(node, ast.Name):
            if self.is_variable(node.id) or node.id == self.receiver:
                return MISSING
            return self.look_up(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.live(node.value)
            if isinstance(owner, ModuleType):
                return getattr(owner, node.attr, MISSING)
        return MISSING

    def look_up(self, name: str) -> Any:
        """The live value at the head of a dotted name. The class is there when it is
        decorated, though its module does not know it yet."""
        found = self.namespace.look_up(name)
        cls = self.reach.definition.cls
        return cls if found is MISSING and name == cls.__name__ else found

    def live_path(self, node: ast.expr) -> str | None:
        """The library's path of what a dotted name outside the variables spells."""
        live = self.live(node)
        return None if live is MISSING else library_path(live)

    # Entering names

    def plain_name(self, node: ast.AST, name: str) -> None:
        """A name that is read and is no variable."""
        self.enter(node, name, name, self.namespace.look_up(name))

    def enter(self, node: ast.AST, key: str, spelled: str, value: Any) -> None:
        """Give `key` its entry in the function's table."""
        if key in self.prepared.names:
            return
        if value is MISSING:
            self.missing(node, key, spelled)
            return
        if isinstance(value, ModuleType):
            module = stdlib_module(value)
            if module is None:
                self.report(node, *advice.module_as_value(value.__name__))
            self.prepared.names[key] = Name("stdlib", ref=module or "math")
            return
        entry = entry_for(self.reach, value, spelled)
        if isinstance(entry, Name) and entry.kind == "constant":
            entry = self.constant(entry, spelled)
        self.put(node, key, entry)

    def constant(self, entry: Name, spelled: str) -> Name | Refusal:
        if spelled.partition(".")[0] in self.namespace.cells:
            return entry
        scope: dict[str, Any] = self.namespace.function.__globals__
        *modules, name = spelled.split(".")
        for part in modules:
            module = scope.get(part)
            if not isinstance(module, ModuleType):
                # A module that makes its members when they are asked for.
                return entry
            scope = vars(module)
        origin = outside_origin(scope, name)
        if origin is None:
            return entry
        return Refusal(
            "WM209",
            f"`{spelled}` is made from {origin}, which differs between processes",
            "pass it to `run`, or read it in an @action",
        )

    def missing(self, node: ast.AST, key: str, spelled: str) -> None:
        if spelled in BUILTINS or key in BUILTINS:
            return
        self.prepared.names[key] = PLACEHOLDER
        if key in advice.REFUSED_BUILTINS:
            self.report(node, *advice.missing_name(key))
        elif key.startswith("__"):
            self.report(node, *advice.reserved_name(key))
        elif not self.reach.final:
            self.reach.unresolved.setdefault(spelled)
        else:
            code, fact, fix = advice.missing_name(key)
            similar = self.namespace.similar(key, self.variables)
            self.report(node, code, fact, f"did you mean `{similar}`?" if similar else fix)

    def module_member(self, node: ast.Attribute, module: ModuleType) -> ast.Name | None:
        """The one name for `module.name`; None where the dotted path is kept, as
        it is for the catalogue's modules."""
        spelled = ast.unparse(node)
        value = getattr(module, node.attr, MISSING)
        if stdlib_module(module) is not None:
            if value is MISSING:
                self.report(node, *advice.missing_member(spelled))
            return None
        key = self.free_key(spelled)
        if isinstance(value, ModuleType) and stdlib_module(value) is None:
            self.report(node, *advice.module_as_value(spelled))
            self.prepared.names[key] = PLACEHOLDER
        else:
            self.enter(node, key, spelled, value)
        return ast.copy_location(ast.Name(key, ast.Load()), node)

    def class_member(self, node: ast.Attribute, cls: type) -> ast.Name | None:
        """The one name for `Report.LIMIT` or `Base.method`; None for what only the
        class itself can answer when the code runs."""
        if storable(cls) or library_path(cls) is not None or catalogue_path(cls) is not None:
            return None
        member = find_member(cls, node.attr, ast.unparse(node))
        if member is None or hasattr(Workflow, node.attr):
            return None
        return self.member(node, member)

    def member(self, node: ast.AST, member: Member, *, unwrapped: bool = False) -> ast.Name:
        """The one name for a member of a class, which no instance binds. A
        classmethod or a property may only be had `unwrapped`, as its function."""
        entry = entry_of(self.reach, member)
        if isinstance(entry, Name) and entry.kind in ATTRIBUTES_ONLY:
            if unwrapped:
                entry = Name(self.reach.kind_of(entry.ref), ref=entry.ref)
            else:
                entry = Refusal(
                    "WM220",
                    f"`{member.spelled}` is a {entry.kind} that is reached through its class",
                    f"reach it through the object: `self.{member.name}`",
                )
        key = self.free_key(f"{member.owner.__name__}.{member.name}", member.owner)
        self.put(node, key, entry)
        return ast.copy_location(ast.Name(key, ast.Load()), node)

    def default(self, parameter: ast.arg, value: Any) -> ast.Name:
        """The name of a parameter's default."""
        key = f"{DEFAULT}{parameter.arg}"
        self.enter(parameter, key, parameter.arg, value)
        return ast.copy_location(ast.Name(key, ast.Load()), parameter)

    def operation(self, node: ast.Attribute, path: str) -> ast.Name:
        """The one name for `self.run_action`, an operation of the catalogue."""
        key = self.free_key(f"self.{node.attr}")
        self.prepared.names[key] = Name("stdlib", ref=path)
        return ast.copy_location(ast.Name(key, ast.Load()), node)

    def put(self, node: ast.AST, key: str, entry: Name | Refusal) -> None:
        if isinstance(entry, Refusal):
            self.report(node, entry.code, entry.fact, entry.fix)
            entry = PLACEHOLDER
        self.prepared.names[key] = entry

    def free_key(self, spelled: str, owner: type | None = None, *, fresh: bool = False) -> str:
        """One name for a dotted one, that means nothing else here. Classes may
        share a name, so `owner` tells their members apart. A `fresh` one is new."""
        if fresh or (spelled, owner) not in self.keys:
            key = spelled.replace(".", "_").lstrip("_")
            while (
                self.is_variable(key)
                or key in self.keys.values()
                or key in self.prepared.names
                or self.namespace.look_up(key) is not MISSING
            ):
                key += "_"
            self.keys[spelled, owner] = key
        return self.keys[spelled, owner]
