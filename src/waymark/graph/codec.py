"""Graph <-> JSON document, as it is stored and read by people in psql.

The layout follows the dataclasses of `model` field by field, so that a field
added there is stored without a change here. A node carries its kind under
`node`; text of several lines is a list of lines. Reading is strict: a missing,
unknown or mistyped field is a `GraphError` that says where.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeGuard, Union, cast

from waymark.errors import GraphError

from . import model
from .model import FORMAT, Graph

_NODES: Mapping[str, type] = {
    "compute": model.Compute,
    "await": model.Await,
    "branch": model.Branch,
    "loop": model.Loop,
    "jump": model.Jump,
    "try": model.Try,
    "scope": model.Scope,
    "return": model.Return,
    "raise": model.Raise,
}
_NODE_NAMES: Mapping[type, str] = {cls: name for name, cls in _NODES.items()}

#: Fields that say where something stands in the author's file.
LOCATIONS = frozenset({"span", "lines", "source", "path", "first_line"})


def to_document(graph: Graph) -> str:
    """The document of `graph`: indented JSON with locations."""
    return _written(plain(graph), 0)


def from_document(document: str) -> Graph:
    """The graph of a document. Raises GraphError for anything odd in its form;
    `validation.validate` judges what the code in it does."""
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise GraphError(f"the graph's document is no JSON: {error}") from None
    version = _object(data, "its top").get("format")
    if version != FORMAT:
        raise GraphError(f"the graph has format {version!r}; this version reads {FORMAT}")
    try:
        graph = _read(data, Graph, "graph")
    except RecursionError:
        raise GraphError("the graph is nested too deeply") from None
    assert isinstance(graph, Graph)
    return graph


_LINE_CHARACTERS = 100


_scalar = json.JSONEncoder(ensure_ascii=False).encode


def _written(data: Any, depth: int) -> str:
    """JSON with what fits on a line on one line, so that people can read it."""
    if _is_object(data):
        items = [f"{_scalar(key)}: {_written(item, depth + 1)}" for key, item in data.items()]
        opening, closing = "{", "}"
    elif _is_list(data):
        items = [_written(item, depth + 1) for item in data]
        opening, closing = "[", "]"
    else:
        return _scalar(data)
    # What took several lines further in takes more than one here.
    length = sum(map(len, items)) + 2 * max(1, len(items))
    if length + depth <= _LINE_CHARACTERS and not any("\n" in item for item in items):
        return f"{opening}{', '.join(items)}{closing}"
    inner, pad = " " * (depth + 1), " " * depth
    return "\n".join((opening, ",\n".join(inner + item for item in items), pad + closing))


def plain(value: Any, *, locations: bool = True) -> Any:
    """`value` as JSON data; without locations where these must not count."""
    kind = cast("type[object]", type(value))
    if kind in _SCALARS:
        return {"lines": value.split("\n")} if kind is str and "\n" in value else value
    if dataclasses.is_dataclass(kind):
        data: dict[str, Any] = {}
        if kind in _NODE_NAMES:
            data["node"] = _NODE_NAMES[kind]
        for name in _field_names(kind):
            if locations or name not in LOCATIONS:
                data[name] = plain(getattr(value, name), locations=locations)
        return data
    if _is_tuple(value):
        return [plain(item, locations=locations) for item in value]
    if _is_object(value):
        return {key: plain(item, locations=locations) for key, item in value.items()}
    return value


_SCALARS = frozenset({str, int, bool, type(None)})


@cache
def _field_names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return typing.get_type_hints(cls, dict(vars(model)))


def _odd(where: str, problem: str) -> GraphError:
    return GraphError(f"the stored graph is damaged at {where}: {problem}")


def _read(data: Any, hint: Any, where: str) -> Any:
    """`data` as a value of type `hint`."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is tuple:
        return _read_tuple(data, arguments, where)
    if origin is dict:
        found = _object(data, where)
        return {key: _read(item, arguments[1], f"{where}.{key}") for key, item in found.items()}
    if origin in (Union, types.UnionType):
        return _read_union(data, arguments, where)
    if origin is Literal:
        if data not in arguments or not isinstance(data, str):
            raise _odd(where, f"{data!r} is none of {', '.join(map(str, arguments))}")
        return data
    if dataclasses.is_dataclass(hint):
        return _read_object(data, cast("type", hint), where)
    return _read_scalar(data, hint, where)


def _read_scalar(data: object, hint: Any, where: str) -> Any:
    if hint is str and _is_object(data) and set(data) == {"lines"}:
        return "\n".join(_read(data["lines"], tuple[str, ...], where))
    if type(data) is not hint:
        raise _odd(where, f"expected {hint.__name__}, found {_type_name(data)}")
    return data


def _type_name(value: object) -> str:
    return type(value).__name__


def _read_tuple(data: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not _is_list(data):
        raise _odd(where, "not a list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(
            _read(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(data)
        )
    if len(data) != len(arguments):
        raise _odd(where, f"expected {len(arguments)} items, found {len(data)}")
    return tuple(
        _read(item, hint, f"{where}[{index}]")
        for index, (item, hint) in enumerate(zip(data, arguments, strict=True))
    )


def _read_union(data: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if type(None) in arguments:
        inner = next(hint for hint in arguments if hint is not type(None))
        return None if data is None else _read(data, inner, where)
    found = _object(data, where)
    name = found.get("node")
    cls = _NODES.get(name) if isinstance(name, str) else None
    if cls is None:
        raise _odd(where, f"{name!r} is no kind of node")
    return _read_object({key: found[key] for key in found if key != "node"}, cls, where)


def _read_object(data: Any, cls: type, where: str) -> Any:
    found = _object(data, where)
    hints = _hints(cls)
    if set(found) != set(hints):
        odd = ", ".join(sorted(set(found) ^ set(hints)))
        raise _odd(where, f"missing or unknown: {odd}")
    return cls(**{name: _read(found[name], hints[name], f"{where}.{name}") for name in hints})


def _object(data: Any, where: str) -> dict[str, Any]:
    if not _is_object(data):
        raise _odd(where, "not an object")
    return data


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)
