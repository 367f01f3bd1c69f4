"""What one workflow reaches: its helpers, its attributes, and what is wrong.

One object per compilation. Functions are compiled one after the other; each may
name helpers that join the queue here.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from waymark.authoring.workflow import AUTHORED, Workflow, WorkflowDefinition
from waymark.graph.advice import run_apart, unknown_attribute
from waymark.graph.model import Name

from .diagnostics import Diagnostic
from .names import Refusal, constant
from .source import Source

_LATER = {
    "run_action": ("WM501", "`self.run_action` is not supported yet", "await the action itself"),
    "wait_for_event": (
        "WM303",
        "`self.wait_for_event` is not supported yet",
        "poll an @action in a loop with `await asyncio.sleep(...)`",
    ),
}


@dataclass(frozen=True, slots=True)
class PendingFunction:
    """A function that is to be compiled. `function` is a FunctionType (which type
    checkers would take for a method of this class); `method` says that its first
    parameter is `self`."""

    name: str
    function: Any
    method: bool


@dataclass(slots=True)
class Reach:
    """The workflow under compilation."""

    definition: WorkflowDefinition
    final: bool
    queue: list[PendingFunction] = field(default_factory=list[PendingFunction])
    names: dict[FunctionType, str] = field(default_factory=dict[FunctionType, str])
    signatures: dict[str, inspect.Signature] = field(default_factory=dict[str, inspect.Signature])
    attributes: dict[str, Name] = field(default_factory=dict[str, Name])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    unresolved: dict[str, None] = field(default_factory=dict[str, None])
    sources: dict[str, Source] = field(default_factory=dict[str, Source])

    def report(self, source: Source, node: ast.AST, code: str, fact: str, fix: str) -> None:
        """Note a violation, unless one is known at this very place: a later pass
        may find another way to say the same."""
        diagnostic = source.diagnostic(node, code, fact, fix)
        if all(_place(diagnostic) != _place(known) for known in self.diagnostics):
            self.diagnostics.append(diagnostic)

    def helper(self, function: FunctionType, name: str, *, method: bool) -> str:
        """The graph's name of a helper, which joins the queue when it is new."""
        known = self.names.get(function)
        if known is not None:
            return known
        taken = set(self.names.values())
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        self.names[function] = unique
        signature = inspect.signature(function)
        if method:
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        self.signatures[unique] = signature
        self.queue.append(PendingFunction(unique, function, method))
        return unique

    def attribute(self, name: str) -> Name | Refusal:
        """What `self.<name>` stands for; remembered when it may be used."""
        if name in self.attributes:
            return self.attributes[name]
        entry = self._attribute(name)
        if isinstance(entry, Name):
            self.attributes[name] = entry
        return entry

    def _attribute(self, name: str) -> Name | Refusal:
        cls = self.definition.cls
        if name in _LATER and not hasattr(cls, name):
            return Refusal(*_LATER[name])
        value = inspect.getattr_static(cls, name, _MISSING)
        if value is _MISSING:
            return self._instance_attribute(name)
        if hasattr(Workflow, name):
            return Refusal(*run_apart(f"self.{name}", self.definition.cls.__name__))
        return self._class_attribute(cls, name, value)

    def _class_attribute(self, cls: type, name: str, value: Any) -> Name | Refusal:
        static = isinstance(value, staticmethod)
        function: Any = value.__func__ if static else value
        function = getattr(function, AUTHORED, function)
        kind = type(value).__name__
        if kind in ("classmethod", "property", "cached_property"):
            return Refusal(
                "WM204",
                f"`self.{name}` is a {kind}, which is not supported yet",
                "make it an `async def` method and await it, or a class constant",
            )
        if not isinstance(function, FunctionType):
            return constant(value, f"self.{name}")
        if not inspect.iscoroutinefunction(function):
            return Refusal(
                "WM204",
                f"`self.{name}` is a plain method, which is not supported yet",
                "make it `async def` and await it, or a module function marked @waymark.pure",
            )
        owner = next((base for base in cls.__mro__ if name in base.__dict__), cls)
        return Name(
            "helper", ref=self.helper(function, f"{owner.__name__}.{name}", method=not static)
        )

    def _instance_attribute(self, name: str) -> Refusal:
        if inspect.isfunction(self.definition.cls.__init__):
            return Refusal(
                "WM213",
                f"`self.{name}` would be set by `__init__`, which is not supported yet",
                "make it a constant of the class, or pass it to `run`",
            )
        return Refusal(*unknown_attribute(name))


def _place(diagnostic: Diagnostic) -> tuple[object, ...]:
    return (
        diagnostic.path,
        diagnostic.line,
        diagnostic.column,
        diagnostic.end_line,
        diagnostic.end_column,
    )


_MISSING = object()
