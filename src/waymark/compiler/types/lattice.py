"""The types: what a value may be, and how two possibilities become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

#: More possibilities than this say nothing useful.
MEMBERS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything. Nothing about it is ever reported."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of `cls` or a class below it. `arguments` are the types of what a
    container holds, empty where that is not known; `literals` are the only values
    it may have, empty for any."""

    cls: Any
    arguments: tuple[Type, ...] = ()
    literals: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A tuple or list whose items are known one by one."""

    cls: Any
    items: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class ClassItself:
    """The class, not an object of it."""

    cls: Any


@dataclass(frozen=True, slots=True)
class Pending:
    """A coroutine that gives `result` when it is awaited, `called` being what
    made it. A task is one that has begun, and may be asked about."""

    result: Type
    called: str
    task: bool = False


@dataclass(frozen=True, slots=True)
class Either:
    """One of several. `doubt` says who declared that it may be None or an error,
    as long as nobody has looked; empty when there is no doubt to be reported."""

    members: tuple[Type, ...]
    doubt: str = ""


Type: TypeAlias = Unknown | Instance | Row | ClassItself | Pending | Either

UNKNOWN: Final = Unknown()
NONE: Final = Instance(type(None))
#: The type of no value: what an empty list holds.
NOTHING: Final = Either(())


def members(one: Type) -> tuple[Type, ...]:
    """The possibilities of a type."""
    return one.members if isinstance(one, Either) else (one,)


def doubt(one: Type) -> str:
    return one.doubt if isinstance(one, Either) else ""


def certain(one: Type) -> Type:
    """The same, somebody having looked at the value and what it holds."""
    match one:
        case Either(members=parts):
            return Either(tuple(map(certain, parts)))
        case Instance(cls=cls, arguments=held) if held:
            return Instance(cls, tuple(map(certain, held)))
        case Row(cls=cls, items=items):
            return Row(cls, tuple(map(certain, items)))
        case Pending(result=result):
            return replace(one, result=certain(result))
        case _:
            return one


def join(*types: Type) -> Type:
    """What a value is that comes from one of several places."""
    if types and all(one is types[0] for one in types):
        return types[0]
    found: list[Type] = []
    doubts = ""
    for one in types:
        if isinstance(one, Unknown):
            return UNKNOWN
        doubts = doubts or doubt(one)
        for member in members(one):
            _add(found, member)
    if len(found) > MEMBERS_MAX:
        return UNKNOWN
    return found[0] if len(found) == 1 else Either(tuple(found), doubts)


def _add(found: list[Type], member: Type) -> None:
    for position, known in enumerate(found):
        merged = _merged(known, member)
        if merged is not None:
            found[position] = merged
            return
    found.append(member)


def _merged(one: Type, other: Type) -> Type | None:
    """One type for two that differ only in what they hold, None for others."""
    if one == other:
        return one
    match one, other:
        case Instance(cls=cls), Instance(cls=same) if cls is same:
            return Instance(cls, _pairwise(one.arguments, other.arguments), _values(one, other))
        case Row(cls=cls, items=items), Row(cls=same, items=more) if cls is same:
            if len(items) == len(more):
                return Row(cls, tuple(map(join, items, more)))
            return Instance(cls, (join(*items, *more),))
        case Row(cls=cls, items=items), Instance(cls=same, arguments=held) if cls is same:
            return Instance(cls, (join(*items, *held),) if held else ())
        case Instance(), Row():
            return _merged(other, one)
        case Pending(), Pending():
            return Pending(join(one.result, other.result), one.called, one.task or other.task)
        case _:
            return None


def _pairwise(one: tuple[Type, ...], other: tuple[Type, ...]) -> tuple[Type, ...]:
    return tuple(map(join, one, other)) if len(one) == len(other) else ()


def _values(one: Instance, other: Instance) -> tuple[object, ...]:
    if not one.literals or not other.literals:
        return ()
    both = one.literals + tuple(value for value in other.literals if value not in one.literals)
    return both if len(both) <= MEMBERS_MAX else ()


def without(one: Type, classes: Iterable[type]) -> Type:
    """`one`, certainly not being of these classes. UNKNOWN where nothing is left:
    then something is at work that no type shows."""
    given = tuple(classes)
    kept = [member for member in members(one) if not is_of(member, given)]
    return certain(join(*kept)) if kept else UNKNOWN


def is_of(member: Type, classes: tuple[type, ...]) -> bool:
    """Whether every object of the type is one of `classes`."""
    return isinstance(member, (Instance, Row)) and issubclass(member.cls, classes)


def shown(one: Type) -> str:
    """A type as authors write it."""
    match one:
        case Either(members=parts):
            return " | ".join(shown(part) for part in sorted(parts, key=_none_last))
        case Instance(cls=cls, literals=literals) if literals and cls is not type(None):
            return f"Literal[{', '.join(map(repr, literals))}]"
        case Instance(cls=cls, arguments=held):
            name = "None" if cls is type(None) else cls.__qualname__.rpartition("<locals>.")[2]
            return f"{name}[{', '.join(map(shown, held))}]" if held else name
        case Row(cls=cls, items=items):
            if cls is list:
                return f"list[{shown(join(*items))}]" if items else "list"
            return f"{cls.__qualname__}[{', '.join(map(shown, items))}]"
        case ClassItself(cls=cls):
            return f"type[{cls.__qualname__}]"
        case Pending(result=result, task=task):
            return f"{'Task' if task else 'Coroutine'}[{shown(result)}]"
        case Unknown():
            return "Any"


def with_article(name: str) -> str:
    """``a `User` `` or ``an `int` ``."""
    return f"an `{name}`" if name[:1].lower() in "aeio" else f"a `{name}`"


def _none_last(one: Type) -> bool:
    return one == NONE
