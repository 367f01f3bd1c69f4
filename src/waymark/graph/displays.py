"""Constants that hold more than data: a table of actions, of helpers, of classes.

A `Name` of kind `display` keeps as JSON text how such a constant is laid out.
Each leaf is a name of its own, given in full, so that it is checked and linked
like every other:

    {"dict": [[<key>, <value>], ...]}    {"list": [...]}    {"tuple": [...]}
    {"name": [kind, ref, value]}

Building one calls nothing: containers of Python are filled with linked values.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeGuard

from waymark.errors import GraphError

from .model import Graph, Name, NameKind

Layout: TypeAlias = dict[str, Any]

_LEAVES: frozenset[NameKind] = frozenset(
    {"action", "workflow", "class", "stdlib", "constant", "helper", "function", "pure"}
)
_KINDS = frozenset(typing.get_args(NameKind))
_DEPTH_MAX = 20


def leaf(name: Name) -> Layout:
    """The layout of a single name."""
    return {"name": [name.kind, name.ref, name.value]}


def display(layout: Layout) -> Name:
    """The name that stands for a laid-out constant."""
    return Name("display", value=json.dumps(layout, ensure_ascii=False))


def leaves(entry: Name) -> Iterator[Name]:
    """The names in a display, in order. Raises GraphError for one that is damaged."""
    found: list[Name] = []
    build(entry, found.append)
    return iter(found)


def build(entry: Name, value: Callable[[Name], Any]) -> Any:
    """The constant, its leaves made by `value`. Raises GraphError."""
    try:
        layout = json.loads(entry.value)
    except (ValueError, RecursionError) as error:
        raise GraphError(f"a table of the graph is damaged: {error}") from None
    return _built(layout, value, 0)


def _built(layout: Any, value: Callable[[Name], Any], depth: int) -> Any:
    if depth > _DEPTH_MAX or not _is_layout(layout) or len(layout) != 1:
        raise _damaged(layout)
    ((kind, inside),) = layout.items()
    if not _is_list(inside):
        raise _damaged(layout)
    match kind:
        case "name":
            return value(_leaf(inside))
        case "list":
            return [_built(item, value, depth + 1) for item in inside]
        case "tuple":
            return tuple(_built(item, value, depth + 1) for item in inside)
        case "dict":
            pairs = [_pair(item) for item in inside]
            try:
                return {
                    _built(key, value, depth + 1): _built(item, value, depth + 1)
                    for key, item in pairs
                }
            except TypeError:
                raise _damaged(layout) from None
        case _:
            raise _damaged(layout)


def _pair(item: Any) -> tuple[object, object]:
    if not _is_list(item) or len(item) != 2:
        raise _damaged(item)
    return item[0], item[1]


def _leaf(parts: list[Any]) -> Name:
    if len(parts) != 3 or not all(isinstance(part, str) for part in parts):
        raise _damaged(parts)
    kind, ref, value = parts
    if kind not in _KINDS or kind not in _LEAVES:
        raise _damaged(parts)
    return Name(kind, ref, value)


def _is_layout(value: object) -> TypeGuard[Layout]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _damaged(layout: Any) -> GraphError:
    return GraphError(f"a table of the graph is damaged at {str(layout)[:80]}")


def every_name(graph: Graph) -> Iterator[Name]:
    """All names of a graph's tables, those inside of displays included."""
    tables = [
        *(function.names for function in graph.functions),
        *(function.names for function in graph.sync_functions),
        graph.attributes,
    ]
    for table in tables:
        for entry in table.values():
            if entry.kind == "display":
                yield from leaves(entry)
            else:
                yield entry
