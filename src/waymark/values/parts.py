"""The parts of a value that have an identity worth keeping."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final
from uuid import UUID

from .codec import SCALARS, kind_of
from .objects import State
from .ordered import OrderedFrozenSet, OrderedSet

#: What cannot change, or has no parts that data could name. Caches that such
#: values keep inside must not count, since they differ from process to process.
_LEAVES: Final = (
    *(str, int, float, complex, bytes, range, type, Enum, re.Pattern),
    *(date, time, timedelta, tzinfo, Decimal, Fraction, UUID, PurePath),
    *(FunctionType, BuiltinFunctionType, ModuleType),
)

#: What pydantic keeps beside a model's fields for itself, and ordered sets beside
#: their members.
_BOOKKEEPING: Final = frozenset({"__pydantic_fields_set__", "__weakref__", "_order"})


#: Past `items` of a subclass.
_dict: Any = dict


def mutable_parts(value: object) -> list[object]:
    """The mutable containers and objects reachable from `value`, itself
    included, each once. The order follows the contents, so that equal values
    give parts at equal places in every process."""
    found: list[object] = []
    seen: set[int] = set()
    # Depth first without recursion, for long chains.
    pending: list[Any] = [value]
    kept: list[object] = []
    while pending:
        part = pending.pop()
        if type(part) in SCALARS or isinstance(part, _LEAVES) or id(part) in seen:
            continue
        seen.add(id(part))
        kept.append(part)
        children = list(_children(part))
        if not isinstance(part, (tuple, frozenset)) and (children or _is_container(part)):
            found.append(part)
        pending.extend(reversed(children))
    return found


def _is_container(part: object) -> bool:
    return isinstance(part, (list, dict, set, deque, bytearray)) or hasattr(part, "__dict__")


def _children(part: Any) -> Iterable[Any]:
    kind = kind_of(part)
    contents: list[Any] = []
    if issubclass(kind, dict):
        contents = [item for pair in _dict.items(part) for item in pair]
    elif issubclass(kind, (list, tuple, deque, OrderedSet, OrderedFrozenSet)):
        contents = list(part)
    elif issubclass(kind, (set, frozenset)):
        contents = sorted(part, key=lambda item: (type(item).__qualname__, repr(item)))
    return [*contents, *_attributes(part)]


def _attributes(part: Any) -> list[Any]:
    """What an object stores, without what it only caches."""
    kind = kind_of(part)
    if kind.__module__ == "builtins" and not isinstance(part, BaseException):
        return []
    attributes = [
        item
        for name, item in _state(kind).get(part).items()
        if name not in _BOOKKEEPING and not isinstance(getattr(kind, name, None), cached_property)
    ]
    if isinstance(part, BaseException):
        return [*part.args, *attributes, part.__cause__, part.__context__]
    return attributes


@lru_cache(maxsize=1000)
def _state(kind: type) -> State:
    return State(kind)
