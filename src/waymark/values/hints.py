"""What an annotation says to expect, as a codec."""

from __future__ import annotations

import inspect
import sys
import types as kinds
import typing
from collections import abc
from decimal import Decimal
from typing import Any, Final

from .codec import Form, Lookup, Refusal
from .decimals import meet
from .generics import container_form
from .standard import ABSTRACT_PATHS

_WRAPPERS: Final = (typing.ClassVar, typing.Final, typing.Required, typing.NotRequired)

#: Abstract annotations, and the class that callers nearly always pass.
_ABSTRACT: Final[dict[object, type]] = {
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    abc.Set: set,
    abc.MutableSet: set,
}


def raw_annotations(owner: Any) -> dict[str, Any]:
    """Annotations of a class or function as written: values, text where they are
    postponed, and a `ForwardRef` where a name is not there yet (from Python 3.14 on)."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(owner)


def hints_of(value: Any) -> dict[str, Any]:
    """The resolved annotations of a class or function. One that cannot be
    resolved (a name only type checkers see) is Any, the others stay."""
    try:
        return typing.get_type_hints(value, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation is the user's own expression
        return _hints_one_by_one(value)


def _hints_one_by_one(value: Any) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for owner in reversed(getattr(value, "__mro__", (value,))):
        for name, hint in raw_annotations(owner).items():
            hints[name] = _one_hint(owner, hint)
    return hints


def _one_hint(owner: Any, hint: Any) -> Any:
    holder: Any = type("Holder", (), {"__annotations__": {"hint": hint}})
    holder.__module__ = owner.__module__
    try:
        return typing.get_type_hints(holder, include_extras=True)["hint"]
    except Exception:  # noqa: BLE001 - the same
        return Any


def unwrapped(annotation: Any) -> Any:
    """The annotation without Annotated, NewType, aliases and qualifiers."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated or origin in _WRAPPERS:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif isinstance(annotation, typing.TypeVar):
            annotation = annotation.__bound__ or Any
        else:
            return annotation


def members(annotation: Any) -> list[Any]:
    """The alternatives of a union, nested ones included; else the annotation."""
    annotation = unwrapped(annotation)
    if typing.get_origin(annotation) in (typing.Union, kinds.UnionType):
        return [inner for part in typing.get_args(annotation) for inner in members(part)]
    return [annotation]


def expectation(annotation: Any, lookup: Lookup) -> tuple[dict[type, Form], dict[type, Form]]:
    """The forms that values stand in untagged, by exact class, and the forms of
    untagged trees, by shape.

    Where two alternatives of a union have the same shape, both are tagged, so
    that no order of the alternatives can misread a record; a record from before
    the second one was added is read as the first.
    """
    alternatives = members(annotation)
    forms = [found for part in alternatives if (found := _form(part, lookup)) is not None]
    reads: dict[type, Form] = {}
    clashing: set[type] = {str} if str in alternatives else set()
    for _, form in forms:
        for shape in form.shapes:
            if shape in reads:
                clashing.add(shape)
            reads.setdefault(shape, form)
    if str in alternatives:
        reads.pop(str, None)
    writes = {
        kind: form
        for concrete, form in forms
        if clashing.isdisjoint(form.shapes)
        for kind in concrete
    }
    return writes, reads


def _form(annotation: Any, lookup: Lookup) -> tuple[tuple[type, ...], Form] | None:
    """The classes an alternative stands for, and their form; None where plain
    data or anything is expected."""
    origin: Any = typing.get_origin(annotation) or annotation
    origin = _ABSTRACT.get(origin, origin) if _hashable(origin) else origin
    if not isinstance(origin, type) or origin in (object, str, int, float, bool, type(None)):
        return None
    cls: type[Any] = origin
    if cls is Decimal:
        meet()
    found = container_form(cls, annotation, lookup)
    if found is not None:
        return found
    if issubclass(cls, BaseException) or issubclass(cls, type):
        return None
    try:
        form = lookup.form_of(cls)
    except Refusal:
        # What stands there must say for itself why it cannot be stored.
        return None
    return (ABSTRACT_PATHS.get(cls, cls),), form


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
