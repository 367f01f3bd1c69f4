"""Format templates: `TEXTS[language].format(name=name)`.

A template's fields may walk attributes (`"{0.__class__}"`), so an author's must be a
literal or chosen from a constant, whose texts are read here. The guard of the dot
reads every template again when the code runs, wherever it came from.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any, cast

from waymark.graph import advice
from waymark.graph.attribute_names import is_plain_template
from waymark.graph.model import Name

from .table import Table


def check_template(table: Table, node: ast.Attribute) -> None:
    """Report a `.format` whose template is no constant, or walks. What stands
    before the dot is prepared."""
    chosen = _chosen_from(node.value)
    if isinstance(chosen, ast.Constant):
        return  # The checker reads it.
    entry = _entry(table, chosen)
    if entry is None:
        table.report(node, *advice.TEMPLATE)
    elif not all(map(is_plain_template, _texts(json.loads(entry.value)))):
        table.report(node, *advice.TEMPLATE_WALKS)


def _chosen_from(receiver: ast.expr) -> ast.expr:
    """`TEXTS` of `TEXTS["a"]` and of `TEXTS.get(x)`."""
    match receiver:
        case ast.Subscript(value=value):
            return _chosen_from(value)
        case ast.Call(func=ast.Attribute(value=value, attr="get")):
            return _chosen_from(value)
        case _:
            return receiver


def _entry(table: Table, chosen: ast.expr) -> Name | None:
    """The constant that a name, or an attribute of the workflow, stands for."""
    entry: Name | None = None
    match chosen:
        case ast.Name(id=name) if not table.is_variable(name):
            entry = table.prepared.names.get(name)
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            entry = table.reach.attributes.get(name)
            entry = None if name in table.reach.facts.stored else entry
        case _:
            pass
    return entry if entry is not None and entry.kind == "constant" else None


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, (dict, list)):
        inside = cast("dict[str, Any] | list[Any]", tree)
        for item in inside.values() if isinstance(inside, dict) else inside:
            yield from _texts(item)
