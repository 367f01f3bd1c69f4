"""Whether a value certainly is not what an annotation declares."""

from __future__ import annotations

import typing
from typing import Any, Final

from .lattice import NONE, Instance, Row, Type, members
from .values import inheriting

#: What else a declared class takes, by Python's own rules for annotations.
_TAKES: Final[dict[type, tuple[type, ...]]] = {
    float: (int,),
    complex: (int, float),
    bytes: (bytearray, memoryview),
}


def misfits(value: Type, declared: Type) -> bool:
    """Whether no `value` can be a `declared`. None among several possibilities is
    looked at elsewhere."""
    given = [part for part in members(value) if part != NONE] or [*members(value)]
    wanted = members(declared)
    if not given or not wanted:
        return False
    return all(all(_misfits(one, other) for other in wanted) for one in given)


def _misfits(value: Type, declared: Type) -> bool:
    if not isinstance(value, (Instance, Row)) or not isinstance(declared, (Instance, Row)):
        return False
    if not _may_be(value.cls, declared.cls):
        return True
    return _value_misfits(value, declared) or _items_misfit(value, declared)


def _value_misfits(value: Type, declared: Type) -> bool:
    if not isinstance(value, Instance) or not isinstance(declared, Instance):
        return False
    if not value.literals or not declared.literals:
        return False
    return not any(one == other for one in value.literals for other in declared.literals)


def _items_misfit(value: Instance | Row, declared: Instance | Row) -> bool:
    match value, declared:
        case Row(items=items), Row(items=wanted):
            if value.cls is list or declared.cls is list:
                return False
            return len(items) != len(wanted) or any(map(misfits, items, wanted))
        case Row(items=items), Instance(arguments=(wanted,)):
            return any(misfits(one, wanted) for one in items)
        case Instance(arguments=held), Instance(arguments=wanted) if len(held) == len(wanted):
            return any(map(misfits, held, wanted))
        case _:
            return False


def _may_be(cls: type[Any], declared: type[Any]) -> bool:
    """Whether an object annotated with `cls` may be a `declared`."""
    if typing.is_typeddict(cls) or typing.is_typeddict(declared):
        return all(typing.is_typeddict(one) or _is(one, dict) for one in (cls, declared)) or _is(
            dict, declared
        )
    if _is(cls, declared) or _is(declared, cls) or _is(cls, _TAKES.get(declared, ())):
        return True
    if cls in _FINAL or declared in _FINAL:
        return False
    return any(_is(below, declared) for below in inheriting(cls))


#: Classes from which and another one nobody inherits at once.
_FINAL: Final = (str, int, float, bool, bytes, list, dict, tuple, set, frozenset, type(None))


def _is(cls: type[Any], declared: type[Any] | tuple[type[Any], ...]) -> bool:
    try:
        return issubclass(cls, declared)
    except TypeError:
        # What cannot be asked (a protocol that is no class at run time) may be.
        return True
