"""Whether what is written of a value depends on how somebody's classes are written today.

Plain data is written alike by every deploy. Of an instance the fields are written, and a
deploy may add one with a default, or take one away, while values of the class are on record.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping, Set
from typing import cast

_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


def has_instances(value: object) -> bool:
    """Whether a value is or holds an instance of a class that is not Python's own."""
    waiting = [value]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind in _SCALARS or id(item) in seen:
            continue
        seen.add(id(item))
        if _home(kind) not in sys.stdlib_module_names:
            return True
        if isinstance(item, Mapping):
            table = cast("Mapping[object, object]", item)
            waiting += [*table.keys(), *table.values()]
        elif isinstance(item, (list, tuple, deque, Set)):
            waiting += cast("Iterable[object]", item)
    return False


def is_instance(value: object) -> bool:
    """Whether a value is an instance of somebody's class: neither Python's nor ours."""
    home = _home(type(value))
    return home not in sys.stdlib_module_names and home != __name__.partition(".")[0]


def _home(kind: type) -> str:
    """The outermost package of a class."""
    return kind.__module__.partition(".")[0]
