"""What is known at one point of a function: types of variables and of paths.

A path is a variable or a field or constant item of one: `user`, `user.email`,
`row['id']`. Tests narrow paths; binding a variable forgets what was known of
everything below it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from waymark.graph.trees import children

from ..lints.scene import Scene
from .callees import Callee, authored_callee
from .lattice import UNKNOWN, Type, certain, join


@dataclass(slots=True)
class Known:
    """Types by path, and the paths that somebody has looked at."""

    types: dict[str, Type] = field(default_factory=dict[str, Type])
    looked: frozenset[str] = frozenset()

    def copy(self) -> Known:
        return Known(dict(self.types), self.looked)

    def forget(self, name: str) -> None:
        """Forget a variable and everything below it."""
        below = (f"{name}.", f"{name}[")
        for path in [path for path in self.types if path == name or path.startswith(below)]:
            del self.types[path]
        if self.looked:
            self.looked = frozenset(
                path for path in self.looked if path != name and not path.startswith(below)
            )

    def narrow(self, path: str, one: Type) -> None:
        self.types[path] = one
        self.looked |= {path}

    def look(self, paths: Iterable[str]) -> None:
        self.looked |= frozenset(paths)


def joined(points: Iterable[Known]) -> Known | None:
    """What is known where several ways meet; None where none arrives."""
    ways = list(points)
    if len(ways) < 2:
        return ways[0].copy() if ways else None
    types: dict[str, Type] = {}
    for path in dict.fromkeys(path for way in ways for path in way.types):
        found = [way.types[path] for way in ways if path in way.types]
        # A variable that one way leaves unbound cannot be read there; a field that
        # one way has not narrowed is what its class declares.
        if len(found) == len(ways) or path.isidentifier():
            types[path] = join(*found)
    return Known(types, ways[0].looked.union(*(way.looked for way in ways[1:])))


class State:
    """The point that the walk has reached. `known` is None where nothing arrives.

    While `quiet`, a loop is followed only to learn its types. Inside a `try` that
    expects the errors of a missing attribute (`lenient`), none is reported.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.known: Known | None = Known()
        self.quiet = 0
        self.lenient = 0
        #: Authored functions by the expression that names them.
        self.callees: dict[ast.expr, Callee | None] = {}
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
            self.scene.report(node, code, fact, fix)

    def callee(self, node: ast.expr) -> Callee | None:
        """The action, helper or pure function that `node` names."""
        if node not in self.callees:
            self.callees[node] = authored_callee(self.scene, node)
        return self.callees[node]

    def bind(self, name: str, one: Type) -> None:
        """Bind a variable."""
        self.here.forget(name)
        self.here.types[name] = one
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
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            owner = path_of(value)
            return None if owner is None else f"{owner}.{name}"
        case ast.Subscript(value=value, slice=ast.Constant(value=str() | int() as key)):
            owner = path_of(value)
            return None if owner is None else f"{owner}[{key!r}]"
        case _:
            return None


def root_of(path: str) -> str:
    """The variable that a path begins with."""
    return path.partition(".")[0].partition("[")[0]


def paths_in(node: ast.AST) -> Iterator[str]:
    """The longest paths that an expression mentions, outside of functions in it."""
    path = path_of(node)
    if path is not None:
        yield path
        return
    for child in children(node):
        yield from paths_in(child)
