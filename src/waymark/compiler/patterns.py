"""Class patterns of `match`: what they may look at.

Python reads the attributes of a class pattern by itself, with no guard between.
So a pattern may only name a class, not a variable, and only plain fields of it;
a property would run the author's code unrecorded.
"""

from __future__ import annotations

import ast
import builtins
import enum
import inspect
import sys
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from waymark.authoring.registry import registry
from waymark.graph.operations import ATTRIBUTES, METHODS, type_key

from .calls import stdlib_path
from .reach import Reach
from .table import PLACEHOLDER, Prepared

_MISSING = object()


def check_patterns(prepared: Prepared, reach: Reach) -> None:
    """Report class patterns that would run code, or whose class is not known."""
    for node in prepared.kinds.of(ast.MatchClass):
        _check(node, prepared, reach)


def _check(node: ast.MatchClass, prepared: Prepared, reach: Reach) -> None:
    spelled = ast.unparse(node.cls)
    cls = _class_of(node.cls, prepared)
    if cls is None:
        return
    if not isinstance(cls, type):
        reach.report(
            prepared.source,
            node.cls,
            "WM216",
            f"`{spelled}` is no class that is known here, so this pattern cannot be judged",
            "name the class itself in the pattern",
        )
        return
    positional = getattr(cls, "__match_args__", ())[: len(node.patterns)]
    for name in (*positional, *node.kwd_attrs):
        if not name.startswith("_") and not _is_field(cls, name):
            reach.report(
                prepared.source,
                node,
                "WM204",
                f"`{spelled}.{name}` is no plain field; a pattern would run it unrecorded",
                f"bind the object (`case {spelled}() as found`) and use `found.{name}` inside",
            )


def _class_of(node: ast.expr, prepared: Prepared) -> Any:
    """The class that a pattern names, None where that was refused before."""
    if not isinstance(node, ast.Name):
        return _live(stdlib_path(node, prepared))
    if prepared.is_variable(node.id):
        return _MISSING
    entry = prepared.names.get(node.id)
    if entry is None:
        return getattr(builtins, node.id, None)
    if entry is PLACEHOLDER:
        return None
    return registry.types.resolve(entry.ref) if entry.kind == "class" else _live(entry.ref)


def _live(path: str | None) -> Any:
    module, _, name = (path or "").rpartition(".")
    return getattr(sys.modules.get(module), name, _MISSING)


def _is_field(cls: type, name: str) -> bool:
    if enum.Enum in cls.__mro__ and name in ("name", "value"):
        return True
    if tuple in cls.__mro__ and name in getattr(cls, "_fields", ()):
        return True
    for base in cls.__mro__:
        key = type_key(base)
        if name in ATTRIBUTES.get(key, ()):
            return True
        if name in METHODS.get(key, ()):
            return False
    found: Any = inspect.getattr_static(cls, name, _MISSING)
    if found is _MISSING:
        # A field of the instances, where these have fields of their own.
        return cls.__module__.partition(".")[0] not in sys.stdlib_module_names
    if isinstance(found, (MemberDescriptorType, GetSetDescriptorType)):
        return True
    kind: Any = found.__class__
    return not hasattr(kind, "__get__")
