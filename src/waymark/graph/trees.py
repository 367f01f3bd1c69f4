"""Walking through a syntax tree and copying it, quickly.

A compilation visits each node some dozens of times, and the `ast` module's own
functions ask every node for every field by name each time. What these leave out
are contexts (`Load`, `Store`, `Del`), which follow from where a node stands.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final, TypeVar, get_args

Node = TypeVar("Node", bound=ast.AST)

#: Fields that never hold a node that means anything.
_PLAIN: Final = frozenset(
    {"arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "is_lazy", "kind", "kwd_attrs"}
    | {"level", "module", "name", "rest", "simple", "tag", "type_comment"}
)
#: Fields of one name that are nodes in some classes and plain in others.
_NODES_HERE: Final = {"TypeAlias": {"name"}}
_PLAIN_HERE: Final = {
    "Constant": {"value"},
    "MatchSingleton": {"value"},
    "Global": {"names"},
    "Nonlocal": {"names"},
    "Interpolation": {"str"},
}


def _holds_nodes(hint: Any) -> bool:
    """Whether a field that is declared so (from Python 3.13 on) may hold nodes."""
    parts = get_args(hint)
    if parts:
        return any(map(_holds_nodes, parts))
    return isinstance(hint, type) and issubclass(hint, ast.AST)


class _Fields(dict[type, tuple[str, ...]]):
    """Fields that may hold nodes, by class; a list there holds nodes and None."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        name = kind.__name__
        plain = _PLAIN - _NODES_HERE.get(name, set()) | _PLAIN_HERE.get(name, set())
        # What a later Python brings, in code that need not be a body's.
        types: dict[str, Any] = getattr(kind, "_field_types", {})
        plain |= {field for field, hint in types.items() if not _holds_nodes(hint)}
        self[kind] = tuple(field for field in kind._fields if field not in plain)
        return self[kind]


#: `type`, of whatever it may be.
class_of: Callable[[Any], Any] = type

#: Fields of a node in which nodes stand.
FIELDS: Final = _Fields()


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below `node`, in the order of its fields."""
    found: list[ast.AST] = []
    for name in FIELDS[type(node)]:
        value: Any = getattr(node, name, None)
        if value is None:
            continue
        if class_of(value) is list:
            found += filter(None, value)
        else:
            found.append(value)
    return found


def walk(*nodes: ast.AST) -> list[ast.AST]:
    """The nodes and all that are below them, those nearer to the root first."""
    found = [*nodes]
    fields = FIELDS
    for node in found:
        for name in fields[type(node)]:
            value: Any = getattr(node, name, None)
            if value is None:
                continue
            if class_of(value) is list:
                found += filter(None, value)
            else:
                found.append(value)
    return found


class Kinds:
    """The nodes of a tree by their class, found in one walk."""

    def __init__(self, *roots: ast.AST) -> None:
        self.all = walk(*roots)
        self._of: dict[type, list[Any]] = {}
        known = self._of
        for node in self.all:
            kind = type(node)
            if kind in known:
                known[kind].append(node)
            else:
                known[kind] = [node]

    def of(self, kind: type[Node]) -> list[Node]:
        """The nodes of one class, those nearer to the root first."""
        return self._of.get(kind, [])


def statements(root: ast.AST) -> list[ast.AST]:
    """The node, the statements below it, and what these stand in, nearer ones first."""
    found = [root]
    for node in found:
        for name in _BODIES:
            found += getattr(node, name, ())
    return found


#: Fields of statements that hold statements, or what these stand in.
_BODIES: Final = ("body", "handlers", "orelse", "finalbody", "cases")
_PLACE: Final = ("lineno", "col_offset", "end_lineno", "end_col_offset")


def place_missing(root: Node) -> Node:
    """Give nodes that stand nowhere the place of the node around them, as
    `ast.fix_missing_locations` does."""
    nodes: list[tuple[ast.AST, tuple[Any, ...]]] = [(root, (1, 0, 1, 0))]
    for node, around in nodes:
        place = around
        if "lineno" in node._attributes:
            own = vars(node)
            if own.get("end_col_offset") is None or "lineno" not in own:
                for name, value in zip(_PLACE, around, strict=True):
                    if own.get(name) is None:
                        own[name] = value
            place = own["lineno"], own["col_offset"], own["end_lineno"], own["end_col_offset"]
        for field in FIELDS[type(node)]:
            below: Any = getattr(node, field, None)
            if class_of(below) is list:
                nodes += [(item, place) for item in below if item is not None]
            elif below is not None:
                nodes.append((below, place))
    return root


def replace_children(node: ast.AST, replaced: Callable[[Any], ast.AST]) -> None:
    """Put `replaced(child)` in the place of each child."""
    for name in FIELDS[type(node)]:
        value: Any = getattr(node, name, None)
        if class_of(value) is list:
            value[:] = [None if item is None else replaced(item) for item in value]
        elif value is not None:
            setattr(node, name, replaced(value))


def copied(node: Node) -> Node:
    """A copy of a tree, with its places in the text."""
    kind = type(node)
    made: Node = kind.__new__(kind)
    into = vars(made)
    into.update(vars(node))
    for name in FIELDS[kind]:
        value: Any = into.get(name)
        if class_of(value) is list:
            into[name] = [None if item is None else copied(item) for item in value]
        elif value is not None:
            into[name] = copied(value)
    return made
