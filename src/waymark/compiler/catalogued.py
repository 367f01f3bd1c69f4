"""Finding which entry of the catalogue a live object is.

By identity, among modules that the author's own imports have already loaded:
`from asyncio import sleep as nap` is `asyncio.sleep`. Nothing is imported here.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from types import MethodDescriptorType
from typing import Any

from waymark.graph.operations import BUILTINS, STDLIB, operation_at

from . import primitives

_MISSING = object()


def catalogue_path(value: object) -> str | None:
    """The dotted path under which `value` is allowed, None when it is not."""
    if getattr(value, "__module__", None) == "typing" and not hasattr(value, "__args__"):
        # `typing.Mapping` means `collections.abc.Mapping`.
        value = getattr(value, "__origin__", value)
    if getattr(value, "__module__", None) == primitives.__name__:
        return f"waymark.{getattr(value, '__name__', '')}"
    for path, found in _catalogue():
        if found is value:
            return path
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and name in BUILTINS and getattr(builtins, name, None) is value:
        return name
    return _method_path(value)


def _method_path(value: object) -> str | None:
    """`str.lower` for what stands in the dictionary of a built-in type."""
    if not isinstance(value, MethodDescriptorType):
        return None
    owner: type = value.__objclass__
    path = f"{owner.__name__}.{value.__name__}"
    known = getattr(builtins, owner.__name__, None) is owner and operation_at(path) is not None
    return path if known else None


def _catalogue() -> Iterator[tuple[str, Any]]:
    for path, operation in STDLIB.items():
        # Constants compare by value, not by identity: they are stored as such.
        if operation.kind in ("module", "constant"):
            continue
        found = _look_up(path)
        if found is not _MISSING:
            yield path, found


def _look_up(path: str) -> Any:
    parts = path.split(".")
    for length in (2, 1):
        module = sys.modules.get(".".join(parts[:length]))
        if module is None or len(parts) == length:
            continue
        value: Any = module
        for part in parts[length:]:
            value = getattr(value, part, _MISSING)
            if value is _MISSING:
                return _MISSING
        return value
    return _MISSING


def library_path(value: object) -> str | None:
    """How people call a function or class of the standard library, None for one
    from elsewhere: `time.sleep`, `asyncio.create_task`."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    root = module.partition(".")[0].lstrip("_")
    if root not in sys.stdlib_module_names or root == "main":
        return None
    # `asyncio.tasks.create_task` is known as `asyncio.create_task`.
    public = sys.modules.get(root)
    short = name.rpartition(".")[2]
    if public is not None and getattr(public, short, None) == value:
        return f"{root}.{short}"
    return f"{module}.{name}"
