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
from collections.abc import Callable, Mapping
from functools import cache
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias, TypeGuard, Union, cast

from waymark.errors import GraphError

from . import model
from .model import FORMAT, Graph, Span
from .trees import class_of

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
    return _written(graph, 0)


def from_document(document: str) -> Graph:
    """The graph of a document. Raises GraphError for anything odd in its form;
    `validation.validate` judges what the code in it does."""
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise GraphError(f"the graph's document is no JSON: {error}") from None
    if not _is_object(data):
        raise GraphError("the stored graph is damaged at its top: not an object")
    version = data.get("format")
    if version != FORMAT:
        raise GraphError(f"the graph has format {version!r}; this version reads {FORMAT}")
    try:
        graph = _reader(Graph)(data)
    except _Damaged as damage:
        where = "".join(("graph", *reversed(damage.way)))
        raise GraphError(f"the stored graph is damaged at {where}: {damage.problem}") from None
    except RecursionError:
        raise GraphError("the graph is nested too deeply") from None
    assert isinstance(graph, Graph)
    return graph


_LINE_CHARACTERS = 100


_WORDS = {None: "null", True: "true", False: "false"}


def _written(value: Any, depth: int) -> str:
    """JSON of a part of a graph, with what fits on a line on one line, so that people
    can read it."""
    kind = class_of(value)
    if kind is str:
        text: str = encode_basestring(value)
        return text if "\n" not in value else _laid_out(_in_lines(value), depth)
    if kind is int:
        return repr(value)
    if kind in _SCALARS:
        return _WORDS[value]
    if kind is Span:
        line = _SPAN % (value.line, value.column, value.end_line, value.end_column)
        if len(line) + depth <= _LINE_CHARACTERS:
            return line
    return _laid_out(value, depth) if kind is not tuple or value else "[]"


_SPAN = '{"line": %d, "column": %d, "end_line": %d, "end_column": %d}'


def _laid_out(value: Any, depth: int) -> str:
    kind = class_of(value)
    items: list[str]
    if kind is tuple or kind is list:
        items = [_written(item, depth + 1) for item in value]
        opening, closing = "[", "]"
    elif kind is dict:
        items = [f"{encode_basestring(key)}: {_written(value[key], depth + 1)}" for key in value]
        opening, closing = "{", "}"
    else:
        head, fields = _written_shape(kind)
        items = [f"{key}{_written(getattr(value, name), depth + 1)}" for key, name in fields]
        items[:0] = head
        opening, closing = "{", "}"
    # What took several lines further in takes more than one here.
    length = sum(map(len, items)) + 2 * max(1, len(items))
    if length + depth <= _LINE_CHARACTERS:
        line = f"{opening}{', '.join(items)}{closing}"
        if "\n" not in line:
            return line
    inner, pad = " " * (depth + 1), " " * depth
    return "\n".join((opening, ",\n".join([inner + item for item in items]), pad + closing))


_SCALARS = frozenset({int, bool, type(None)})


def _in_lines(text: str) -> Any:
    return {"lines": text.split("\n")} if "\n" in text else text


def canonical(graph: Graph) -> str:
    """What the document says, less the locations, as JSON in the one form that is hashed."""
    written: str = _CANONICAL.encode(graph)
    return written


def _meant(value: Any) -> dict[str, Any]:
    """One object without its locations; what it holds is still to be written."""
    node, names = _shape(class_of(value))
    data: dict[str, Any] = {"node": node} if node is not None else {}
    for name in names:
        item: Any = getattr(value, name)
        kind = class_of(item)
        if kind is str:
            item = _in_lines(item)
        elif kind is tuple and item and class_of(item[0]) is str:
            item = [_in_lines(text) for text in item]
        data[name] = item
    return data


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, check_circular=False, default=_meant
)


@cache
def _shape(cls: Any) -> tuple[str | None, tuple[str, ...]]:
    """The kind of node that a class is, and its fields that are no locations."""
    names = tuple(name for name in _field_names(cls) if name not in LOCATIONS)
    return _NODE_NAMES.get(cls), names


@cache
def _written_shape(cls: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """What an object of a class begins with, and its fields, each behind its key."""
    node = _NODE_NAMES.get(cls)
    head = [] if node is None else [f'"node": "{node}"']
    return head, [(f'"{name}": ', name) for name in _field_names(cls)]


@cache
def _field_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


class _Damaged(Exception):
    """What is wrong with the data, and, innermost first, the way to it."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.way: list[str] = []


_Reader: TypeAlias = Callable[[Any], Any]


@cache
def _reader(hint: Any) -> _Reader:
    """What makes a value of type `hint` out of data."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is tuple:
        several = arguments[-1] is Ellipsis
        return _tuple_reader(arguments[0]) if several else _fixed_reader(arguments)
    if origin is dict:
        return _dict_reader(arguments[1])
    if origin in (Union, types.UnionType):
        return _optional_reader(arguments) if type(None) in arguments else _read_node
    if origin is Literal:
        return _literal_reader(arguments)
    if dataclasses.is_dataclass(hint):
        return _object_reader(cast("type", hint))
    return _text_reader(_scalar_reader(str)) if hint is str else _scalar_reader(hint)


def _scalar_reader(hint: type) -> _Reader:
    def read(data: object) -> Any:
        if type(data) is not hint:
            raise _Damaged(f"expected {hint.__name__}, found {_type_name(data)}")
        return data

    return read


def _type_name(value: object) -> str:
    return type(value).__name__


def _text_reader(read_line: _Reader) -> _Reader:
    read_lines = _tuple_reader(str)

    def read(data: Any) -> str:
        if _is_object(data) and set(data) == {"lines"}:
            return "\n".join(read_lines(data["lines"]))
        line: str = read_line(data)
        return line

    return read


def _literal_reader(arguments: tuple[Any, ...]) -> _Reader:
    def read(data: object) -> Any:
        if not isinstance(data, str) or data not in arguments:
            raise _Damaged(f"{data!r} is none of {', '.join(map(str, arguments))}")
        return data

    return read


def _tuple_reader(hint: Any) -> _Reader:
    # What needs no more than a look at the types is taken as it is.
    taken = {hint} if hint in (str, int) else set[Any]()

    def read(data: object) -> tuple[Any, ...]:
        if not _is_list(data):
            raise _Damaged("not a list")
        return tuple(data) if {*map(type, data)} <= taken else _read_items(_reader(hint), data)

    return read


def _read_items(read_item: _Reader, data: list[Any]) -> tuple[Any, ...]:
    values = list[Any]()
    try:
        for item in data:
            values.append(read_item(item))
    except _Damaged as damage:
        damage.way.append(f"[{len(values)}]")
        raise
    return tuple(values)


def _fixed_reader(hints: tuple[Any, ...]) -> _Reader:
    """Tuples of so many items, which are of one type."""
    read_items = _tuple_reader(hints[0])

    def read(data: object) -> tuple[Any, ...]:
        values: tuple[Any, ...] = read_items(data)
        if len(values) != len(hints):
            raise _Damaged(f"expected {len(hints)} items, found {len(values)}")
        return values

    return read


def _dict_reader(hint: Any) -> _Reader:
    def read(data: object) -> dict[str, Any]:
        read_item, values, key = _reader(hint), dict[str, Any](), ""
        try:
            for key, item in _object(data).items():
                values[key] = read_item(item)
        except _Damaged as damage:
            if key:
                damage.way.append(f".{key}")
            raise
        return values

    return read


def _optional_reader(arguments: tuple[Any, ...]) -> _Reader:
    read_value = _reader(next(hint for hint in arguments if hint is not type(None)))

    def read(data: object) -> Any:
        return None if data is None else read_value(data)

    return read


def _read_node(data: object) -> Any:
    name = _object(data).get("node")
    cls = _NODES.get(name) if isinstance(name, str) else None
    if cls is None:
        raise _Damaged(f"{name!r} is no kind of node")
    return _reader(cls)(data)


_NUMBERS: Final = {int}
#: Types of fields by the hints that need no more than a look at the type.
_TAKEN: Mapping[Any, type] = {str: str, int: int, bool: bool, str | None: str}


def _object_reader(cls: type) -> _Reader:
    hints = typing.get_type_hints(cls, dict(vars(model)))
    names = _field_names(cls)
    fields_of = cast("Callable[[Any], tuple[Any, ...]]", itemgetter(*names))
    numbers = {*hints.values()} == {int}
    # Most fields hold what is taken as it is: a number, or text on one line.
    fields = [(_TAKEN.get(hints[name]), _reader(hints[name])) for name in names]
    known = set(names) | ({"node"} if cls in _NODE_NAMES else set[str]())

    def read(data: object) -> Any:
        if not _is_object(data) or data.keys() != known:
            raise _Damaged(_odd_object(data, known))
        found = fields_of(data)
        if numbers and {*map(type, found)} == _NUMBERS:
            return cls(*found)
        values: list[Any] = []
        try:
            for value, (taken, read_field) in zip(found, fields, strict=True):
                values.append(value if type(value) is taken else read_field(value))
        except _Damaged as damage:
            damage.way.append(f".{names[len(values)]}")
            raise
        return cls(*values)

    return read


def _odd_object(data: object, known: set[str]) -> str:
    if not _is_object(data):
        return "not an object"
    return f"missing or unknown: {', '.join(sorted(data.keys() ^ known))}"


def _object(data: object) -> dict[str, Any]:
    if not _is_object(data):
        raise _Damaged("not an object")
    return data


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
