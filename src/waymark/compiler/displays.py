"""What a live value becomes in the graph, helpers queued and tables laid out.

A module or a class may hold a table of what to call (`{"mail": send_mail}`). It
is no data, since it holds functions, but each of these can be named; so the
table is stored as the layout of its names (`graph.displays`).
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, cast

from waymark.graph.displays import Layout, display, leaf
from waymark.graph.model import Name
from waymark.graph.operations import operation_at

from .names import HelperRef, Refusal, classify
from .reach import Reach, Receiver

_DEPTH_MAX = 10


class _NoTable(Exception):
    """Carries the refusal of the part that cannot be named."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


def entry_for(reach: Reach, value: Any, spelled: str) -> Name | Refusal:
    """The entry of a live value, which the author wrote as `spelled`."""
    entry = classify(value, spelled, reach.definition.cls)
    if isinstance(entry, HelperRef):
        return _helper(reach, entry.function)
    if isinstance(entry, Refusal) and type(value) in (dict, list, tuple):
        try:
            return display(_layout(reach, value, spelled, 0))
        except _NoTable as problem:
            return problem.refusal
    return entry


def _helper(reach: Reach, function: FunctionType) -> Name:
    name = function.__qualname__.rpartition("<locals>.")[2]
    ref = reach.helper(function, name, _receiver(reach, function))
    return Name(reach.kind_of(ref), ref=ref)


def _receiver(reach: Reach, function: FunctionType) -> Receiver:
    """A method may be held by its plain name, too: in a table of its class."""
    order = reach.definition.cls.__mro__
    own = any(cls.__dict__.get(function.__name__) is function for cls in order)
    return "self" if own else ""


def _layout(reach: Reach, value: Any, spelled: str, depth: int) -> Layout:
    if depth <= _DEPTH_MAX and type(value) is dict:
        table = cast("dict[Any, Any]", value)  # type: ignore[redundant-cast]  # not to pyright
        return {
            "dict": [
                [
                    _layout(reach, key, f"{spelled}'s key", depth + 1),
                    _layout(reach, item, f"{spelled}[{key!r}]", depth + 1),
                ]
                for key, item in table.items()
            ]
        }
    if depth <= _DEPTH_MAX and type(value) in (list, tuple):
        items = [
            _layout(reach, item, f"{spelled}[{position}]", depth + 1)
            for position, item in enumerate(cast("list[Any]", value))
        ]
        return {"list" if type(value) is list else "tuple": items}
    return leaf(_leaf(reach, value, spelled))


def _leaf(reach: Reach, value: Any, spelled: str) -> Name:
    entry = classify(value, spelled, reach.definition.cls)
    if isinstance(entry, HelperRef):
        return _helper(reach, entry.function)
    if isinstance(entry, Refusal):
        raise _NoTable(entry)
    operation = operation_at(entry.ref) if entry.kind == "stdlib" else None
    if operation is not None and operation.bounded:
        fact = f"`{spelled}` is `{entry.ref}`, which may only be called directly"
        raise _NoTable(Refusal("WM216", fact, "wrap it: `lambda x: ...`"))
    return entry
