"""One authored function as the lints see it: its tree, and what its names mean."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

from waymark.authoring.workflow import AUTHORED
from waymark.graph.scopes import parameter_names
from waymark.graph.trees import children, walk

from ..diagnostics import Diagnostic
from ..names import MISSING, Namespace
from ..source import Source

#: A definition with a body of its own.
Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(slots=True)
class Scene:
    """A function, `cls` being the workflow's class. What is found goes to `found`."""

    source: Source
    function: Any
    cls: type
    method: bool
    found: list[Diagnostic] = field(default_factory=list[Diagnostic])
    nodes: list[ast.AST] = field(init=False)
    receiver: str | None = field(init=False)
    _inner: frozenset[str] = field(init=False)
    _namespace: Namespace = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = walk(self.definition)
        parameters = parameter_names(self.definition.args)
        self.receiver = parameters[0] if self.method and parameters else None
        self._inner = frozenset(_bound_anywhere(self.nodes))
        self._namespace = Namespace(self.function)

    @property
    def definition(self) -> Definition:
        return self.source.node

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        """Note a finding, once for each code and place."""
        made = replace(self.source.diagnostic(node, code, fact, fix), severity="warning")
        if made not in self.found:
            self.found.append(made)

    # What names mean

    def is_local(self, name: str) -> bool:
        """Whether `name` is bound in the function or in a scope inside of it."""
        return name in self._inner

    def live(self, node: ast.expr) -> Any:
        """The live object that a dotted name spells, MISSING for a local value
        and for what only running code could tell."""
        match node:
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == self.receiver:
                return self._own(attribute)
            case ast.Attribute(value=value, attr=attribute):
                owner = self.live(value)
                if isinstance(owner, ModuleType):
                    return getattr(owner, attribute, MISSING)
                if isinstance(owner, type):
                    return _static(owner, attribute)
                return MISSING
            case _:
                return MISSING

    def _name(self, name: str) -> Any:
        if self.is_local(name):
            return MISSING
        found = self._namespace.look_up(name)
        return vars(builtins).get(name, MISSING) if found is MISSING else found

    def _own(self, attribute: str) -> Any:
        if attribute in _set_attributes(self):
            return MISSING
        return _static(self.cls, attribute)


def _static(cls: type, name: str) -> Any:
    """An attribute of a class with no code of the author run: a function is what
    was authored, also of a static method."""
    found = inspect.getattr_static(cls, name, MISSING)
    if isinstance(found, staticmethod):
        found = found.__func__
    return getattr(found, AUTHORED, found) if isinstance(found, FunctionType) else found


def _set_attributes(scene: Scene) -> set[str]:
    """Attributes that the function sets on the workflow itself."""
    return {
        node.attr
        for node in scene.nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == scene.receiver
    }


def _bound_anywhere(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if node is not nodes[0]:
                    yield name
            case _:
                pass


def own_statements(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and what is evaluated with it: bodies of functions inside are not."""
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        if inner is node or not isinstance(inner, _SCOPES):
            pending.extend(children(inner))


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements that stand directly in `node`."""
    for name in ("body", "orelse", "finalbody"):
        found = getattr(node, name, None)
        if isinstance(found, list) and found:
            yield found
