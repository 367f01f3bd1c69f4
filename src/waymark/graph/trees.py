"""Walking through a syntax tree and copying it, quickly.

A compilation visits each node some dozens of times, and the `ast` module's own
functions ask every node for every field by name each time. What these leave out
are contexts (`Load`, `Store`, `Del`), which follow from where a node stands.
"""

from __future__ import annotations

import ast
from typing import Any, Final, TypeVar, cast

Node = TypeVar("Node", bound=ast.AST)

#: Fields that never hold a node that means anything.
_PLAIN: Final = frozenset(
    {"arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level"}
    | {"module", "name", "rest", "simple", "tag", "type_comment"}
)
#: Fields that may hold nodes, by class. Filled with the classes of the grammar.
_FIELDS: Final[dict[type, tuple[str, ...]]] = {}


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    # The name of a `type` statement (3.12) is a node.
    plain = _PLAIN - {"name"} if kind.__name__ == "TypeAlias" else _PLAIN
    fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in plain)
    return fields


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below `node`, in the order of its fields."""
    kind = type(node)
    found: list[ast.AST] = []
    for name in _FIELDS[kind] if kind in _FIELDS else _fields(kind):
        value: Any = getattr(node, name, None)
        if type(value) is list:
            items = cast("list[object]", value)
            found += [item for item in items if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(*nodes: ast.AST) -> list[ast.AST]:
    """The nodes and all that are below them, those nearer to the root first."""
    found = [*nodes]
    for node in found:
        if _FIELDS.get(type(node)) != ():
            found += children(node)
    return found


def copied(node: Node) -> Node:
    """A copy of a tree, with its places in the text."""
    made: Node = type(node).__new__(type(node))
    into = vars(made)
    for name, value in vars(node).items():
        if type(value) is list:
            items = cast("list[object]", value)
            into[name] = [copied(item) if isinstance(item, ast.AST) else item for item in items]
        elif isinstance(value, ast.AST):
            into[name] = copied(value)
        else:
            into[name] = value
    return made
