"""Forms of containers whose annotation says what they hold."""

from __future__ import annotations

import typing
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from .codec import TAG, Codec, Decoding, Encoding, Form, Lookup, Refusal, Tree, failed
from .containers import (
    DefaultDictForm,
    DequeForm,
    DictForm,
    ListForm,
    OrderedDictForm,
    SetForm,
    TupleForm,
)
from .frozen import FrozenDict, FrozenList, FrozenSet
from .ordered import OrderedFrozenSet, OrderedSet

#: The exact classes that are written as one plain kind.
LISTS: tuple[type, ...] = (list, FrozenList)
DICTS: tuple[type, ...] = (dict, FrozenDict)
SETS: tuple[type, ...] = (set, OrderedSet, FrozenSet)
FROZEN_SETS: tuple[type, ...] = (frozenset, OrderedFrozenSet)


def container_form(
    origin: type, annotation: object, lookup: Lookup
) -> tuple[tuple[type, ...], Form] | None:
    """The exact classes of a container annotation and their form, or None.
    `origin` is the class without its arguments."""
    if typing.is_typeddict(origin):
        return DICTS, TypedDictForm(typing.get_type_hints(origin, include_extras=True), lookup)
    if origin is tuple:
        return (tuple,), _tuple_form(annotation, lookup)
    one, two = _arguments(annotation, lookup)
    match origin:
        case _ if origin is list:
            return LISTS, ListForm(one)
        case _ if origin is dict:
            return DICTS, DictForm(one, two)
        case _ if origin is set:
            return SETS, SetForm(set, one)
        case _ if origin is frozenset:
            return FROZEN_SETS, SetForm(frozenset, one)
        case _ if origin is deque:
            return (deque,), DequeForm(one)
        case _ if origin is defaultdict:
            return (defaultdict,), DefaultDictForm(one, two)
        case _ if origin is OrderedDict:
            return (OrderedDict,), OrderedDictForm(OrderedDict, one, two)
        case _ if origin is Counter:
            return (Counter,), OrderedDictForm(Counter, one, lookup.anything)
        case _:
            return None


def untyped_forms(anything: Codec) -> dict[type, Form]:
    """The forms of containers at places where anything may stand."""
    pairs = (anything, anything)
    by_kinds: list[tuple[tuple[type, ...], Form]] = [
        (LISTS, ListForm(anything)),
        (DICTS, DictForm(*pairs)),
        (SETS, SetForm(set, anything)),
        (FROZEN_SETS, SetForm(frozenset, anything)),
        ((tuple,), TupleForm((), anything)),
        ((deque,), DequeForm(anything)),
        ((defaultdict,), DefaultDictForm(*pairs)),
        ((OrderedDict,), OrderedDictForm(OrderedDict, *pairs)),
        ((Counter,), OrderedDictForm(Counter, *pairs)),
    ]
    return {kind: form for kinds, form in by_kinds for kind in kinds}


def _arguments(annotation: object, lookup: Lookup) -> tuple[Codec, Codec]:
    """The codecs of a generic's first two arguments, anything where it has none."""
    codecs = [lookup.codec_for(argument) for argument in typing.get_args(annotation)[:2]]
    one, two = [*codecs, lookup.anything, lookup.anything][:2]
    return one, two


def _tuple_form(annotation: object, lookup: Lookup) -> TupleForm:
    arguments = typing.get_args(annotation)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return TupleForm((), lookup.codec_for(arguments[0]))
    return TupleForm(tuple(map(lookup.codec_for, arguments)), lookup.anything)


class TypedDictForm:
    """A `TypedDict`: a plain dict whose values are known by key."""

    tag, shapes, tracked = "dict", (dict, list), True

    def __init__(self, hints: dict[str, Any], lookup: Lookup) -> None:
        self._hints = hints
        self._lookup = lookup
        self._plain = DictForm(lookup.anything, lookup.anything)
        self._codecs: dict[str, Codec] | None = None

    def _prepare(self) -> dict[str, Codec]:
        self._codecs = {name: self._lookup.codec_for(hint) for name, hint in self._hints.items()}
        return self._codecs

    def write(self, value: dict[Any, Any], out: Encoding) -> Tree:
        """An object as long as all keys are declared, else an array of pairs."""
        codecs = self._codecs or self._prepare()
        if TAG in value or not codecs.keys() >= value.keys():
            return [[self._lookup.anything.encode(k, out), v] for k, v in self._items(value, out)]
        tree: dict[str, Tree] = {}
        name = ""
        try:
            for name, item in value.items():
                tree[name] = codecs[name].encode(item, out)
        except Refusal as refusal:
            refusal.parts.append(f"[{name!r}]")
            raise
        return tree

    def _items(self, value: dict[Any, Any], out: Encoding) -> list[tuple[Any, Tree]]:
        pairs: list[tuple[Any, Tree]] = []
        for name, item in value.items():
            try:
                pairs.append((name, self._lookup.anything.encode(item, out)))
            except Refusal as refusal:
                refusal.parts.append(f"[{name!r}]")
                raise
        return pairs

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        if type(tree) is list:
            return self._plain.read(tree, source, number)
        codecs = self._codecs or self._prepare()
        if number is not None:
            source.shared[number] = tree
        name = ""
        try:
            for name, item in tree.items():
                tree[name] = codecs.get(name, self._lookup.anything).decode(item, source)
        except Exception as error:
            raise failed(error, f"[{name!r}]") from error
        return tree
