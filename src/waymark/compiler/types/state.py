"""What is known at one point of a function: types of variables and of paths.

A path is a variable or a field or constant item of one: `user`, `user.email`,
`row['id']`. Tests narrow paths; binding a variable forgets what was known of
everything below it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from waymark.graph.trees import children

from ..catalogued import library_path
from ..lints.scene import Scene
from ..names import MISSING
from .callees import Callee, authored_callee
from .lattice import UNKNOWN, Type, certain, join

#: What an expression names that is called: the live object, its path where it is of
#: the standard library, and what is known of it where it is the author's.
Called: TypeAlias = tuple[Any, str | None, Callee | None]
#: Where something is wrong, its code, the fact and the remedy.
Reports: TypeAlias = list[tuple[ast.AST, str, str, str]]


@dataclass(slots=True)
class Known:
    """Types by path, and the paths that somebody has looked at."""

    types: dict[str, Type] = field(default_factory=dict[str, Type])
    looked: frozenset[str] = frozenset()

    def copy(self) -> Known:
        return Known(dict(self.types), self.looked)

    def forget(self, name: str) -> None:
        """Forget a variable and everything below it."""
        for path in _below(name, self.types):
            del self.types[path]
        looked = _below(name, self.looked)
        if looked:
            self.looked = self.looked.difference(looked)

    def narrow(self, path: str, one: Type) -> None:
        self.types[path] = one
        self.looked |= {path}

    def look(self, paths: Iterable[str]) -> None:
        self.looked = self.looked.union(paths)


def _below(name: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` that are the variable `name` or below it."""
    below = (f"{name}.", f"{name}[")
    return [
        path for path in paths if path.startswith(name) and (path == name or path.startswith(below))
    ]


def joined(points: Iterable[Known]) -> Known | None:
    """What is known where several ways meet; None where none arrives."""
    ways = list(points)
    if len(ways) < 2:
        return ways[0].copy() if ways else None
    types: dict[str, Type] = {}
    first, rest = ways[0].types, [way.types for way in ways[1:]]
    for path in dict.fromkeys(path for way in ways for path in way.types):
        one = first.get(path)
        for other in rest:
            if other.get(path) is not one:
                break
        else:
            if one is not None:
                types[path] = one
                continue
        found = [way.types[path] for way in ways if path in way.types]
        # A variable that one way leaves unbound cannot be read there; a field that
        # one way has not narrowed is what its class declares.
        if len(found) == len(ways) or path.isidentifier():
            types[path] = join(*found)
    return Known(types, ways[0].looked.union(*(way.looked for way in ways[1:])))


class State:
    """The point that the walk has reached. `known` is None where nothing arrives.

    While `quiet`, an expression is followed only to learn types. Inside a `try` that
    expects the errors of a missing attribute (`lenient`), none is reported.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.known: Known | None = Known()
        self.quiet = 0
        self.lenient = 0
        #: What is called, by the expression that names it.
        self._called: dict[ast.expr, Called] = {}
        self._callees: dict[tuple[str, int], Callee | None] = {}
        #: What a round of a loop reports, until it is known to be the last one.
        self._reports: Reports | None = None
        #: What variables were bound to since the `try`s around began.
        self.recorders: list[dict[str, Type]] = []

    @property
    def here(self) -> Known:
        """What is known; a scratch pad where nothing arrives."""
        return self.known if self.known is not None else Known()

    @property
    def arrived(self) -> list[Known]:
        """What is known here, as one of the ways that meet; none from nowhere."""
        return [] if self.known is None else [self.known]

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        if not self.quiet and self.known is not None:
            self.tell([(node, code, fact, fix)])

    def tell(self, reports: Reports) -> None:
        """Report these, or keep them for as long as reports are set aside."""
        if self._reports is not None:
            self._reports += reports
            return
        for report in reports:
            self.scene.report(*report)

    def set_aside(self) -> Reports | None:
        """Keep reports from here on, apart from those that were kept so far."""
        around, self._reports = self._reports, []
        return around

    def resume(self, around: Reports | None) -> Reports:
        """What was kept since `set_aside`, which gave `around`."""
        kept, self._reports = self._reports or [], around
        return kept

    def called(self, node: ast.expr) -> Called:
        """What `node`, which is called, names."""
        if node not in self._called:
            live = self.scene.live(node)
            path = library_path(live) if live is not MISSING else None
            self._called[node] = (live, path, self._callee(node, live))
        return self._called[node]

    def _callee(self, node: ast.expr, live: Any) -> Callee | None:
        """The action, helper or pure function that `node` names."""
        if live is MISSING:
            return None
        key = (path_of(node) or "", id(live))
        if key not in self._callees:
            self._callees[key] = authored_callee(self.scene, node, live)
        return self._callees[key]

    def bind(self, name: str, one: Type) -> None:
        """Bind a variable."""
        here = self.here
        here.forget(name)
        here.types[name] = one
        for recorder in self.recorders:
            recorder[name] = join(recorder[name], one) if name in recorder else one

    def at(self, path: str | None, declared: Type = UNKNOWN) -> Type:
        """The type at a path, whose declared type this is."""
        if path is None:
            return declared
        one = self.here.types.get(path, declared)
        return certain(one) if path in self.here.looked else one


def path_of(node: ast.AST) -> str | None:
    """The path that an expression spells, None for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = path_of(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value=str() | int() as key)):
            owner = path_of(value)
            return None if owner is None else f"{owner}[{key!r}]"
        case _:
            return None


def root_of(path: str) -> str:
    """The variable that a path begins with."""
    return path.partition(".")[0].partition("[")[0]


def paths_in(node: ast.AST) -> list[str]:
    """The longest paths that an expression mentions, outside of functions in it."""
    found: list[str] = []
    nodes = [node]
    for inner in nodes:
        path = path_of(inner) if type(inner) in _PATHS else None
        if path is None:
            nodes += children(inner)
        else:
            found.append(path)
    return found


_PATHS: Final = frozenset({ast.Name, ast.Attribute, ast.Subscript})
