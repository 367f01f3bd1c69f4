"""What the members of a class are: those of the workflow behind `self`, `cls` and
`super()`, and those of other classes that a body names.

Classes are looked at as they stand, by their own dictionaries in the order of
inheritance; nothing of theirs is called. A function keeps its class's name in
the graph, and resolves its names where it was written.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, MemberDescriptorType
from typing import Any

from waymark.authoring.workflow import AUTHORED, Workflow
from waymark.graph.advice import run_apart, unknown_attribute
from waymark.graph.model import Name, NameKind

from .catalogued import library_path
from .displays import entry_for
from .names import Refusal, constant, function_refusal
from .origins import class_origin
from .reach import Reach, Receiver

#: What the base class of all workflows gives a body, by its path of the catalogue.
_OWN_OPERATIONS = {
    "run_action": "waymark.run_action",
    "wait_for_event": "waymark.wait_for_event",
}


#: What it gives those who submit, under a name that authors give to what they keep on `self`.
SHADOWED = frozenset({"options"})


@dataclass(frozen=True, slots=True)
class Member:
    """What stands under `name` in the dictionary of `owner`. `spelled` is how the
    author reached it."""

    owner: type
    name: str
    value: Any
    spelled: str


def find_member(cls: type, name: str, spelled: str, after: type | None = None) -> Member | None:
    """The member that Python finds: the first in the order of inheritance,
    behind `after` where that is given. None for one of every object."""
    order = list(cls.__mro__)
    if after is not None:
        order = order[order.index(after) + 1 :]
    for owner in order:
        if name in owner.__dict__ and owner is not object:
            value = owner.__dict__[name]
            # A slot holds what instances hold.
            return None if isinstance(value, MemberDescriptorType) else _made(owner, name, spelled)
    return None


def _made(owner: type, name: str, spelled: str) -> Member:
    return Member(owner, name, owner.__dict__[name], spelled)


def own_operation(cls: type, name: str) -> str | None:
    """The catalogue's path of `self.<name>`, unless the author's class has its own."""
    path = _OWN_OPERATIONS.get(name)
    member = None if path is None else find_member(cls, name, name)
    return path if member is not None and member.owner is Workflow else None


def own_attribute(reach: Reach, name: str) -> Name | Refusal | None:
    """What the class has for `self.<name>`, remembered when it may be used; None
    for an attribute that only the instance has."""
    if name in reach.attributes:
        return reach.attributes[name]
    entry = _own_attribute(reach, name)
    if isinstance(entry, Name):
        reach.attributes[name] = entry
    return entry


def _own_attribute(reach: Reach, name: str) -> Name | Refusal | None:
    cls = reach.definition.cls
    member = find_member(cls, name, f"self.{name}")
    own = member is None or (member.owner is Workflow and name in SHADOWED)
    if own and name in reach.facts.stored:
        return None
    if member is None:
        return Refusal(*unknown_attribute(name))
    if member.owner is Workflow:
        return Refusal(*run_apart(f"self.{name}", cls.__name__))
    return entry_of(reach, member)


def entry_of(reach: Reach, member: Member) -> Name | Refusal:
    """A member's entry in the graph, as the class itself holds it."""
    value: Any = member.value
    kind: Any = value.__class__
    match value:
        case staticmethod():
            function: Any = member.value.__func__
            if isinstance(function, FunctionType):
                return _function(reach, member, function, "")
            return _other(reach, member, function)
        case classmethod():
            return _wrapped(reach, member, member.value.__func__, "classmethod")
        case property():
            if value.fget is None:
                return _not_supported(member, "a property that cannot be read")
            return _wrapped(reach, member, value.fget, "property")
        case functools.cached_property():
            return _wrapped(reach, member, value.func, "cached_property")
        case _:
            pass
    function = getattr(value, AUTHORED, value)
    if isinstance(function, FunctionType):
        return _function(reach, member, function, "self")
    if hasattr(kind, "__get__") and not isinstance(value, type):
        return _not_supported(member, f"a `{kind.__name__}`")
    return _other(reach, member, value)


def _not_supported(member: Member, what: str) -> Refusal:
    return Refusal(
        "WM220",
        f"`{member.spelled}` is {what}, which a workflow does not support",
        "make it a method, and call it",
    )


def _function(
    reach: Reach, member: Member, function: FunctionType, receiver: Receiver
) -> Name | Refusal:
    if function.__code__.co_filename.startswith("<string"):
        return Refusal(
            "WM220",
            f"`{member.spelled}` was generated, as a dataclass does; its text is not there",
            f"write `def {member.name}(self): ...` out",
        )
    refusal = function_refusal(function, member.spelled, reach.definition.cls)
    if refusal is not None:
        return refusal
    ref = reach.helper(function, f"{member.owner.__name__}.{member.name}", receiver)
    return Name(reach.kind_of(ref), ref=ref)


def _wrapped(reach: Reach, member: Member, function: Any, kind: NameKind) -> Name | Refusal:
    """What a classmethod or a property holds."""
    if not isinstance(function, FunctionType):
        return _not_supported(member, f"a {kind} of a `{type(function).__name__}`")
    if kind != "classmethod" and inspect.iscoroutinefunction(function):
        return _not_supported(member, f"an async {kind}")
    entry = _function(reach, member, function, "cls" if kind == "classmethod" else "self")
    if isinstance(entry, Refusal):
        return entry
    if kind != "classmethod":
        reach.properties.add(entry.ref)
    return Name(kind, ref=entry.ref)


def _other(reach: Reach, member: Member, value: Any) -> Name | Refusal:
    """A member that is no function of the class."""
    entry = entry_for(reach, value, member.spelled)
    if isinstance(entry, Name) and entry.kind == "stdlib":
        entry = constant(value, member.spelled)
    origin = class_origin(member.owner, member.name)
    if isinstance(entry, Name) and entry.kind == "constant" and origin is not None:
        return Refusal(
            "WM209",
            f"`{member.spelled}` is made from {origin}, which differs between processes",
            "pass it to `run`, or read it in an @action",
        )
    return entry


#: Methods that change what a dot means, or how the object is made.
_HOOKS = frozenset(
    {"__new__", "__getattr__", "__getattribute__", "__setattr__", "__delattr__", "__del__"}
)
#: Methods that mean nothing to a run.
_SILENT = frozenset({"__init__", "__init_subclass__", "__class_getitem__", "__post_init__"})


def special_methods(cls: type, *, escapes: bool) -> Iterator[FunctionType]:
    """Methods of the user's classes that Python would call by itself, as it does
    on operators and dots; the graph's object has none. Operators need the object
    as a value, so they count only where it `escapes`."""
    for owner in cls.__mro__:
        if owner is Workflow or library_path(owner) is not None:
            continue
        for name, value in owner.__dict__.items():
            special = name.startswith("__") and name.endswith("__") and name not in _SILENT
            if not special or not isinstance(value, FunctionType):
                continue
            generated = value.__code__.co_filename == "<string>"
            if (escapes or name in _HOOKS) and not generated:
                yield value
