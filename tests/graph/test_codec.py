"""The stored document: complete, readable, and strict when it is read."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.graphs import every_node
from waymark.errors import GraphError
from waymark.graph import model
from waymark.graph.codec import LOCATIONS, canonical, from_document, to_document
from waymark.graph.fingerprint import DIGEST_BYTES, fingerprint
from waymark.graph.validation import validate


def test_document_gives_the_same_graph_back() -> None:
    """Nothing of a graph is lost on the way to the database and back."""
    graph = every_node()
    assert from_document(to_document(graph)) == graph


def test_graph_holds_every_kind_of_node() -> None:
    """The tests here would prove nothing about a node that is missing."""
    graph = every_node()
    kinds = {type(node) for function in graph.functions for node in model.walk(function.body)}
    assert kinds == set(model.Node.__args__)


def test_document_shows_code_line_by_line() -> None:
    """A person reads the code in psql without escapes."""
    document = to_document(every_node())
    assert '["x = z", "x += 1"]' in document
    assert max(map(len, document.splitlines())) < 140


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(data, dict):
        for key in data:
            yield from places(data[key], (*path, key))
    elif isinstance(data, list):
        for index in range(len(data)):
            yield from places(data[index], (*path, index))


def changed(path: tuple[Any, ...], value: Any) -> str:
    data = json.loads(to_document(every_node()))
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    if value is MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return json.dumps(data)


MISSING = object()
PLACES = [path for path in places(json.loads(to_document(every_node()))) if path]


@given(
    st.sampled_from(PLACES),
    st.one_of(
        st.just(MISSING),
        st.none(),
        st.booleans(),
        st.integers(-2, 40),
        st.floats(allow_nan=False),
        st.text(max_size=8),
        st.just([]),
        st.just({}),
        st.just({"node": "return"}),
        st.just({"lines": ["a", "b"]}),
        st.sampled_from(["__import__('os')", "x.__class__", "open", "self", "yield x", "await x"]),
    ),
)
@settings(max_examples=400, deadline=None)
def test_an_edited_document_is_refused_or_harmless(path: tuple[Any, ...], value: Any) -> None:
    """Editing a row gives a GraphError or a graph that follows all rules."""
    with contextlib.suppress(GraphError):
        validate(from_document(changed(path, value)))


@pytest.mark.parametrize(
    "document",
    ["", "{", "[]", "null", "3", '{"format": 1}', '{"format": 2}', '{"format": "1"}', "[" * 9999],
)
def test_what_is_no_document_is_refused(document: str) -> None:
    with pytest.raises(GraphError):
        from_document(document)


def test_unknown_field_is_refused() -> None:
    """A field that this version does not know may change what the code does."""
    data = json.loads(to_document(every_node()))
    data["functions"][0]["body"][0]["timeout"] = 3
    with pytest.raises(GraphError, match=r"body\[0\]: missing or unknown: timeout"):
        from_document(json.dumps(data))


def test_fingerprint_leaves_locations_out() -> None:
    """Moving a workflow down its file, or the file elsewhere, keeps its identity."""
    data = json.loads(to_document(every_node()))
    moved = copy.deepcopy(data)
    for path in places(data):
        holder = moved
        if path and path[-1] in LOCATIONS:
            for key in path[:-1]:
                holder = holder[key]
            if not isinstance(holder, dict):
                continue
            match path[-1]:
                case "span":
                    holder["span"] = {"line": 9, "column": 9, "end_line": 9, "end_column": 9}
                case "lines" if "text" in holder:
                    holder["lines"] = [9]
                case "first_line":
                    holder["first_line"] = 9
                case "path" | "source":
                    holder[path[-1]] = "elsewhere"
                case _:
                    pass
    graph, other = from_document(json.dumps(data)), from_document(json.dumps(moved))
    assert graph != other
    assert fingerprint(graph) == fingerprint(other)
    assert len(fingerprint(graph)) == DIGEST_BYTES


def test_fingerprint_sees_every_other_change() -> None:
    """Two graphs that do different things never share an identity."""
    seen = {fingerprint(every_node())}
    edits = [
        (("functions", 0, "body", 0, "call", "text"), "act(x, x)"),
        (("functions", 0, "body", 0, "kind"), "await"),
        (("functions", 0, "body", 0, "target"), None),
        (("functions", 0, "names", "LIMIT", "value"), "4"),
        (("functions", 0, "parameters", 0, "default"), None),
        (("functions", 0, "body", 1, "body", 0, "then", 0, "kind"), "continue"),
        (("functions", 1, "method"), False),
        (("workflow",), "app:V"),
        (("attributes", "again", "ref"), "run"),
        (("lowest",), [3, 12]),
    ]
    for path, value in edits:
        seen.add(fingerprint(from_document(changed(path, value))))
    assert len(seen) == len(edits) + 1


def without_locations(data: Any) -> Any:
    match data:
        case dict():
            kept = data if data.keys() <= {"lines"} else data.keys() - LOCATIONS
            return {name: without_locations(data[name]) for name in kept}
        case list():
            return [without_locations(item) for item in data]
        case _:
            return data


def test_what_is_hashed_is_the_document_without_its_locations() -> None:
    """Else two versions of this library would tell apart what is one graph."""
    graph = every_node()
    assert json.loads(canonical(graph)) == without_locations(json.loads(to_document(graph)))
