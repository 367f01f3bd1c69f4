"""`self` of one run, and the class that stands behind it.

The author's class is never instantiated. For each program a class of the same
name is made here, whose dictionary holds what the graph lists of the author's:
constants, the linked functions, properties over such. Its instances have plain
fields and nothing else, so that Python's own rules decide what a dot finds: a
field hides a constant, a property hides a field, a missing one is an
AttributeError in Python's words.

Guards let through every name but those of Python itself (`__dict__`), since
nothing else can be reached from such an object: all its functions are checked
code of the graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, NoReturn

from waymark.errors import ImpureCallError
from waymark.graph.model import Graph, Name


class Instance:
    """`self` of one run."""

    def __repr__(self) -> str:
        # Python would show an address, which another process could not repeat.
        return f"<{type(self).__qualname__} object>"


def _keeps_nothing(self: Instance, name: str, *_: object) -> NoReturn:
    raise ImpureCallError(
        f"`self.{name}` cannot be set: this workflow's graph keeps nothing on self"
    )


def class_of(
    graph: Graph, value: Callable[[str, Name], Any], is_method: Callable[[str], bool]
) -> type[Instance]:
    """The class of a graph's `self`. `value` links one name of the graph,
    `is_method` says of a function whether it takes `self`."""
    members = {
        name: _member(name, entry, value, is_method) for name, entry in graph.attributes.items()
    }
    qualname = graph.self_class
    if not qualname:
        # All runs share one `self`, so that no code may leave anything there.
        members["__setattr__"] = members["__delattr__"] = _keeps_nothing
    made = type(qualname.rpartition(".")[2] or "Workflow", (Instance,), members)
    made.__qualname__ = qualname or made.__name__
    made.__module__ = Instance.__module__
    return made


def _member(
    name: str, entry: Name, value: Callable[[str, Name], Any], is_method: Callable[[str], bool]
) -> Any:
    linked = value(name, entry)
    match entry.kind:
        case "property":
            return property(linked)
        case "cached_property":
            return functools.cached_property(linked)
        case "classmethod":
            return classmethod(linked)
        case "helper" | "function" if is_method(entry.ref):
            return linked
        case _:
            # A dot must not bind what is no method.
            return staticmethod(linked) if isinstance(linked, FunctionType) else linked


_BEGUN = "_waymark_begun"


def once(init: Callable[[Any], None]) -> Callable[[Any], None]:
    """`__init__` as the first thing of `run`, which may call itself again."""

    def begin(instance: Any) -> None:
        if not getattr(instance, _BEGUN, False):
            setattr(instance, _BEGUN, True)
            init(instance)

    return begin


def methods_of(graph: Graph) -> Mapping[str, bool]:
    """Whether a function takes `self`, by its name."""
    functions = {function.name: function.method for function in graph.functions}
    return functions | {function.name: function.method for function in graph.sync_functions}
