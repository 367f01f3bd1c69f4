"""One authored function as the lints see it: its tree, and what its names mean."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import FunctionType, ModuleType
from typing import Any, Final, TypeAlias, TypeVar

from waymark.authoring.workflow import AUTHORED
from waymark.graph.scopes import parameter_names
from waymark.graph.trees import Kinds, children

from ..diagnostics import Diagnostic
from ..names import MISSING, Namespace
from ..source import Source

_Node = TypeVar("_Node", bound=ast.AST)

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
    _kinds: Kinds = field(init=False)
    #: What dotted names spell, by the expressions that were asked for.
    _live: dict[ast.expr, Any] = field(default_factory=dict[ast.expr, Any])
    #: Attributes that the function sets on the workflow itself.
    _set: frozenset[str] = field(init=False)
    _inner: frozenset[str] = field(init=False)
    _namespace: Namespace = field(init=False)

    def __post_init__(self) -> None:
        self._kinds = Kinds(self.definition)
        self.nodes = self._kinds.all
        parameters = parameter_names(self.definition.args)
        self.receiver = parameters[0] if self.method and parameters else None
        self._set = frozenset(
            node.attr
            for node in self.of(ast.Attribute)
            if isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == self.receiver
        )
        self._inner = frozenset(filter(None, self._bound_anywhere()))
        self._namespace = Namespace(self.function)

    @property
    def definition(self) -> Definition:
        return self.source.node

    def of(self, kind: type[_Node]) -> list[_Node]:
        """Nodes of one class, in the order of `nodes`."""
        return self._kinds.of(kind)

    def compound(self) -> list[ast.AST]:
        """Nodes in which statements stand."""
        return [node for node in self.nodes if _BLOCKS[type(node)]]

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
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if not isinstance(node, ast.Attribute):
            return MISSING
        if node not in self._live:
            self._live[node] = self._member(node.value, node.attr)
        return self._live[node]

    def _member(self, value: ast.expr, attribute: str) -> Any:
        if isinstance(value, ast.Name) and value.id == self.receiver:
            return MISSING if attribute in self._set else _static(self.cls, attribute)
        owner = self.live(value)
        if isinstance(owner, ModuleType):
            return getattr(owner, attribute, MISSING)
        return _static(owner, attribute) if isinstance(owner, type) else MISSING

    def _name(self, name: str) -> Any:
        if self.is_local(name):
            return MISSING
        found = self._namespace.look_up(name)
        return vars(builtins).get(name, MISSING) if found is MISSING else found

    def _bound_anywhere(self) -> Iterator[str | None]:
        yield from (node.id for node in self.of(ast.Name) if type(node.ctx) is not ast.Load)
        yield from (node.arg for node in self.of(ast.arg))
        yield from (node.name for node in self.of(ast.ExceptHandler))
        yield from (node.name for node in self.of(ast.MatchAs))
        yield from (node.name for node in self.of(ast.MatchStar))
        yield from (node.rest for node in self.of(ast.MatchMapping))
        definition = self.definition
        yield from (node.name for node in self.of(ast.FunctionDef) if node is not definition)
        yield from (node.name for node in self.of(ast.AsyncFunctionDef) if node is not definition)


def _static(cls: type, name: str) -> Any:
    """An attribute of a class with no code of the author run: a function is what
    was authored, also of a static method."""
    found = inspect.getattr_static(cls, name, MISSING)
    if isinstance(found, staticmethod):
        found = found.__func__
    return getattr(found, AUTHORED, found) if isinstance(found, FunctionType) else found


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
    for name in _BLOCKS[type(node)]:
        found: list[ast.stmt] = getattr(node, name)
        if found:
            yield found


class _Blocks(dict[type, tuple[str, ...]]):
    """The fields of each class that are lists of statements."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        apart = issubclass(kind, ast.expr)
        fields = () if apart else kind._fields
        self[kind] = tuple(name for name in _STATEMENTS if name in fields)
        return self[kind]


_STATEMENTS: Final = ("body", "orelse", "finalbody")
_BLOCKS: Final = _Blocks()
