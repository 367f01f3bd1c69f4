"""What one workflow reaches: its helpers, its attributes, and what is wrong.

One object per pass over the workflow. Functions are compiled one after the
other; each may name helpers that join the queue here.

What `self` means depends on all of them: an attribute that any function assigns
is a variable of the run everywhere. So a pass compiles under `Facts` that the
pass before has found, and is done again while it finds more (`workflow`).
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, Literal, TypeAlias

from waymark.authoring.annotations import signature_of
from waymark.authoring.workflow import WorkflowDefinition
from waymark.graph.concurrency import NEEDS
from waymark.graph.model import DEFINED, Function, Name

from . import prelude
from .code import Trees
from .diagnostics import Diagnostic
from .source import Source

#: What the first parameter of a function is: nothing special, the instance or its class.
Receiver: TypeAlias = Literal["", "self", "cls"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of `self`. `stateful` says that it is needed as an object,
    `escapes` that it is also held under other names. `stored` are attributes that
    are assigned or deleted, on whatever object."""

    stateful: bool = False
    escapes: bool = False
    stored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PendingFunction:
    """A function that is to be compiled. `function` is a FunctionType (which type
    checkers would take for a method of this class). `caller` is the one whose
    `line` reached it first."""

    name: str
    function: Any
    receiver: Receiver = ""
    caller: PendingFunction | None = None
    line: int = 0
    #: Defined inside of `function`, whose receiver it has from there.
    local: bool = False

    @property
    def method(self) -> bool:
        """Whether the first parameter is `self`."""
        return self.receiver == "self" and not self.local

    @property
    def is_async(self) -> bool:
        return self.local or inspect.iscoroutinefunction(self.function)

    def chain(self) -> str:
        """How it was reached: "called from `total`, line 8, from `run`, line 21"."""
        steps: list[str] = []
        step = self
        while step.caller is not None:
            steps.append(f"from `{step.caller.name}`, line {step.line}")
            step = step.caller
        return "called " + ", ".join(steps) if steps else ""


@dataclass(slots=True)
class Reach:
    """The workflow under compilation."""

    definition: WorkflowDefinition
    final: bool
    facts: Facts = field(default_factory=Facts)
    queue: list[PendingFunction] = field(default_factory=list[PendingFunction])
    pending: dict[str, PendingFunction] = field(default_factory=dict[str, PendingFunction])
    names: dict[tuple[FunctionType, Receiver], str] = field(
        default_factory=dict[tuple[FunctionType, Receiver], str]
    )
    signatures: dict[str, inspect.Signature] = field(default_factory=dict[str, inspect.Signature])
    attributes: dict[str, Name] = field(default_factory=dict[str, Name])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    unresolved: dict[str, None] = field(default_factory=dict[str, None])
    #: What this pass has found out of what `facts` says.
    stateful: bool = False
    escapes: bool = False
    stored: set[str] = field(default_factory=set[str])
    #: The function that is being compiled, and the line of it that is looked at.
    current: PendingFunction | None = None
    line: int = 0
    taken: set[str] = field(default_factory=set[str])
    #: Functions that others define, compiled.
    local_functions: list[Function] = field(default_factory=list[Function])
    #: Functions behind properties.
    properties: set[str] = field(default_factory=set[str])

    @classmethod
    def under(cls, facts: Facts, definition: WorkflowDefinition, final: bool) -> Reach:
        """A pass that begins with what is known."""
        reach = cls(definition, final, facts)
        reach.stateful, reach.escapes = facts.stateful, facts.escapes
        reach.stored.update(facts.stored)
        return reach

    def found(self) -> Facts:
        """What the next pass has to assume."""
        return Facts(self.stateful, self.escapes, frozenset(self.stored))

    def is_fixed(self, name: str) -> bool:
        """Whether `self.<name>` is the same whenever it is read."""
        entry = self.attributes.get(name)
        changing = entry is None or entry.kind in ("property", "cached_property")
        return not changing and name not in self.facts.stored

    sources: dict[str, Source] = field(default_factory=dict[str, Source])
    #: What texts of code parse to, for those who check them.
    trees: Trees = field(default_factory=dict[str, ast.Module])

    def report(self, source: Source, node: ast.AST, code: str, fact: str, fix: str) -> None:
        """Note a violation, unless one is known at this very place: a later pass
        may find another way to say the same."""
        diagnostic = source.diagnostic(node, code, fact, fix)
        if self.current is not None:
            diagnostic = replace(diagnostic, note=self.current.chain())
        if all(_place(diagnostic) != _place(known) for known in self.diagnostics):
            self.diagnostics.append(diagnostic)

    def helper(self, function: FunctionType, name: str, receiver: Receiver = "") -> str:
        """The graph's name of a helper, which joins the queue when it is new."""
        known = self.names.get((function, receiver))
        if known is not None:
            return known
        if function.__module__ == prelude.__name__:
            name = f"{DEFINED}{name}"
        unique = self.names[function, receiver] = self.unique(name)
        self.signatures[unique] = signature_of(function, follow_wrapped=False)
        self.pending[unique] = PendingFunction(unique, function, receiver, self.current, self.line)
        self.queue.append(self.pending[unique])
        return unique

    def define(self, path: str) -> None:
        """Let the definitions that a name of asyncio needs join the graph."""
        for name in NEEDS.get(path, ()):
            self.helper(getattr(prelude, name), name)

    def unique(self, name: str) -> str:
        """A name for a function of the graph that no other has."""
        unique, number = name, 1
        while unique in self.taken:
            number += 1
            unique = f"{name}_{number}"
        self.taken.add(unique)
        return unique

    def kind_of(self, ref: str) -> Literal["helper", "function"]:
        """What a name is that stands for this function."""
        return "helper" if self.pending[ref].is_async else "function"

    def receiver_of(self, ref: str) -> Receiver:
        pending = self.pending.get(ref)
        return pending.receiver if pending is not None else ""


def _place(diagnostic: Diagnostic) -> tuple[object, ...]:
    return (
        diagnostic.path,
        diagnostic.line,
        diagnostic.column,
        diagnostic.end_line,
        diagnostic.end_column,
    )
