"""Forms of users' classes: stored fields out, stored fields in, nothing run.

An object is rebuilt by `object.__new__` and by setting its state; `__init__`,
`__post_init__`, factories, validators, properties and `__setattr__` never run.
A field that the record lacks (it was added since) gets its plain default.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from enum import Enum, Flag
from functools import cached_property, reduce
from types import BuiltinFunctionType, MemberDescriptorType
from typing import Any, Final, cast

from .codec import SCALARS, Codec, Decoding, Encoding, Failure, Lookup, Refusal, Tree, failed
from .hints import hints_of
from .items import checked
from .text import text_of

_NO_TYPES: Final[frozenset[type]] = frozenset()

#: Marks a field with no default that a record may leave out.
MISSING: Final = dataclasses.MISSING

#: Factories that are safe to call for a field that a record lacks.
_SAFE_FACTORIES: Final = frozenset({list, dict, set, frozenset, tuple, str, int, float, bool})

#: Defaults that each instance gets a copy of.
_COPIED: Final = frozenset({list, dict, set})

#: Set by `Box[int](…)` on the instance; the alias says nothing about the value.
_IGNORED: Final = frozenset({"__orig_class__"})


def _is_safe(factory: Any) -> bool:
    return factory in _SAFE_FACTORIES


def plain_default(default: Any, factory: Any) -> Any:
    """The default that a missing field may get, or MISSING."""
    if _is_safe(factory):
        return factory()
    if factory not in (MISSING, None):
        return MISSING
    # pydantic allows a list as a default and gives each instance its own.
    return deepcopy(default) if type(default) in _COPIED else default


class Fields:
    """The declared fields of one class: writes and reads a state dict.

    Codecs are made at first use, since a class may refer to itself. With
    `open_ended`, other attributes are as good as declared ones (a plain class);
    else they stand apart under `$rest`, and names that are no field any more
    are ignored.
    """

    __slots__ = ("_cls", "_codecs", "_default", "_direct", "_hints", "_lookup", "_open_ended")

    def __init__(
        self,
        cls: type,
        hints: Mapping[str, object],
        lookup: Lookup,
        default: Callable[[str], Any],
        *,
        open_ended: bool = False,
    ) -> None:
        self._cls = cls
        self._hints = hints
        self._lookup = lookup
        self._default = default
        self._open_ended = open_ended
        self._codecs: dict[str, Codec] | None = None
        self._direct: dict[str, frozenset[type]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._hints)

    def _prepare(self) -> dict[str, Codec]:
        for name in self._hints:
            if name.startswith("$"):
                raise Refusal(f"{self._cls.__qualname__} has a field {name!r}; rename it")
        codecs = {name: self._lookup.codec_for(hint) for name, hint in self._hints.items()}
        self._direct = {name: codec.direct for name, codec in codecs.items()}
        self._codecs = codecs
        return codecs

    def write(self, state: dict[str, Any], out: Encoding) -> dict[str, Tree]:
        """The tree of a state; it may be `state` itself, so it is not changed."""
        codecs = self._codecs or self._prepare()
        direct = self._direct
        if len(state) == len(direct) and not out.careful:
            for name, value in state.items():
                if name not in direct or type(value) not in direct[name]:
                    break
            else:
                return state
        return self._write_each(codecs, state, out)

    def _write_each(
        self, codecs: dict[str, Codec], state: dict[str, Any], out: Encoding
    ) -> dict[str, Tree]:
        tree: dict[str, Tree] = {}
        rest: dict[str, Tree] = {}
        name = ""
        direct = {} if out.careful else self._direct
        try:
            for name, value in state.items():
                if type(value) in direct.get(name, _NO_TYPES):
                    tree[name] = value
                elif name in codecs:
                    tree[name] = codecs[name].encode(value, out)
                elif name not in _IGNORED and not self._is_cache(name):
                    into = tree if self._open_ended else rest
                    into[name] = self._other(name).encode(value, out)
        except Refusal as refusal:
            refusal.parts.append(f".{name}")
            raise
        unset = [name for name in codecs if name not in state]
        if unset:
            tree["$unset"] = unset
        if rest:
            tree["$rest"] = rest
        return tree

    def _is_cache(self, name: str) -> bool:
        """Whether an attribute is computed from others, so that it is no state."""
        return isinstance(getattr(self._cls, name, None), cached_property)

    def _other(self, name: str) -> Codec:
        """The codec of an attribute that is no field. It must not take a
        method's place: data would decide what is called."""
        if callable(getattr(self._cls, name, None)):
            raise Refusal(f"it hides the method {self._cls.__qualname__}.{name}; rename it")
        return self._lookup.anything

    def read(self, tree: Tree, source: Decoding) -> dict[str, Any]:
        codecs = self._codecs or self._prepare()
        direct = self._direct
        if len(checked(tree, dict)) == len(direct):
            for name, value in tree.items():
                if name not in direct or type(value) not in direct[name]:
                    break
            else:
                return cast("dict[str, Any]", tree)
        return self._read_each(codecs, tree, source)

    def _read_each(
        self, codecs: dict[str, Codec], tree: dict[str, Tree], source: Decoding
    ) -> dict[str, Any]:
        state: dict[str, Any] = {}
        name = ""
        try:
            for name, value in tree.items():
                codec = codecs.get(name)
                if codec is not None:
                    state[name] = codec.decode(value, source)
                elif self._open_ended and not name.startswith("$"):
                    state[name] = self._other(name).decode(value, source)
            for name, value in checked(tree.get("$rest", {}), dict).items():
                state[name] = self._other(name).decode(value, source)
        except Exception as error:
            raise failed(error, f".{name}") from error
        self._add_defaults(codecs, tree, state)
        return state

    def _add_defaults(
        self, codecs: dict[str, Codec], tree: dict[str, Tree], state: dict[str, Any]
    ) -> None:
        unset = checked(tree.get("$unset", []), list)
        for name in codecs:
            if name in state or name in unset:
                continue
            value = self._default(name)
            if value is not MISSING:
                state[name] = value
            elif not self._open_ended:
                raise Failure(f"the record has no {name!r}, and the field has no plain default")


def has_foreign_layout(cls: type) -> bool:
    """Whether instances hold state that only C code sees."""
    return any(
        base is not object and isinstance(vars(base).get("__new__"), BuiltinFunctionType)
        for base in cls.__mro__
    )


def slots_of(cls: type) -> dict[str, MemberDescriptorType]:
    """The slots of a class by name, nearest class first."""
    found: dict[str, MemberDescriptorType] = {}
    for base in cls.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType) and "__slots__" in vars(base):
                found.setdefault(name, member)
    return found


class State:
    """Reads and sets all attributes that instances of one class store: slots in
    the order of `names` (Python sorts them by name), then the dict."""

    __slots__ = ("_slots",)

    def __init__(self, cls: type, names: Iterable[str] = ()) -> None:
        slots = slots_of(cls)
        self._slots = {**{name: slots[name] for name in names if name in slots}, **slots}

    def get(self, value: Any) -> dict[str, Any]:
        """The state; the instance's own dict where it has no slots."""
        if not self._slots:
            state: dict[str, Any] = getattr(value, "__dict__", {})
            return state
        state = {}
        for name, member in self._slots.items():
            try:
                state[name] = member.__get__(value)
            except AttributeError:
                continue
        return {**state, **getattr(value, "__dict__", {})}

    def set(self, value: Any, state: dict[str, Any]) -> None:
        if not self._slots:
            value.__dict__.update(state)
            return
        for name, item in state.items():
            member = self._slots.get(name)
            if member is not None:
                member.__set__(value, item)
            elif hasattr(value, "__dict__"):
                value.__dict__[name] = item


class ObjectForm:
    """Dataclasses, attrs classes and plain classes: an object of fields."""

    shapes, tracked = (dict,), True

    def __init__(self, tag: str, cls: type, fields: Fields) -> None:
        self.tag = tag
        self._cls = cls
        self._fields = fields
        self._state = State(cls, fields.names)

    def write(self, value: Any, out: Encoding) -> Tree:
        return self._fields.write(self._state.get(value), out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        value = cast("Any", object.__new__(self._cls))
        if number is not None:
            source.shared[number] = value
        self._state.set(value, self._fields.read(tree, source))
        return value


def object_form(tag: str, cls: type, lookup: Lookup) -> ObjectForm:
    """The form of a dataclass, attrs class or plain class; raises Refusal for a
    class whose state is not all in its attributes."""
    if has_foreign_layout(cls):
        raise Refusal(f"{cls.__qualname__} keeps state outside its attributes; pass plain data")
    if hasattr(cls, "__dataclass_fields__"):
        return ObjectForm(tag, cls, _dataclass_fields(cls, lookup))
    attributes: Any = getattr(cls, "__attrs_attrs__", None)
    if attributes is not None:
        return ObjectForm(tag, cls, _attrs_fields(cls, attributes, lookup))
    _refuse_own_pickling(cls)
    hints = {k: v for k, v in hints_of(cls).items() if not k.startswith("$")}
    return ObjectForm(tag, cls, Fields(cls, hints, lookup, lambda _: MISSING, open_ended=True))


def _dataclass_fields(cls: Any, lookup: Lookup) -> Fields:
    hints = hints_of(cls)
    declared = {field.name: field for field in dataclasses.fields(cls)}

    def default(name: str) -> Any:
        return plain_default(declared[name].default, declared[name].default_factory)

    return Fields(cls, {name: hints.get(name, Any) for name in declared}, lookup, default)


def _attrs_fields(cls: type, attributes: Any, lookup: Lookup) -> Fields:
    hints = hints_of(cls)
    defaults: dict[str, Any] = {attribute.name: attribute.default for attribute in attributes}

    def default(name: str) -> Any:
        # attrs marks a missing default, and a factory, by objects of its own.
        return defaults[name] if type(defaults[name]) in SCALARS else MISSING

    return Fields(cls, {name: hints.get(name, Any) for name in defaults}, lookup, default)


def _refuse_own_pickling(cls: type) -> None:
    for name in ("__getstate__", "__reduce__", "__reduce_ex__"):
        owner = next(base for base in cls.__mro__ if name in vars(base) or base is object)
        if owner is not object:
            raise Refusal(f"{cls.__qualname__} defines {name}; pass plain data instead")


class NamedTupleForm:
    """`NamedTuple` and `namedtuple`: an array."""

    shapes, tracked = (list,), None

    def __init__(self, tag: str, cls: Any, lookup: Lookup) -> None:
        self.tag = tag
        self._cls = cls
        self._lookup = lookup
        self._codecs: list[Codec] | None = None

    def _prepare(self) -> list[Codec]:
        hints = hints_of(self._cls)
        names = self._cls._fields
        self._codecs = [self._lookup.codec_for(hints.get(name, Any)) for name in names]
        return self._codecs

    def write(self, value: Any, out: Encoding) -> Tree:
        codecs = self._codecs or self._prepare()
        trees: list[Tree] = []
        try:
            for codec, item in zip(codecs, value, strict=True):
                trees.append(codec.encode(item, out))
        except Refusal as refusal:
            refusal.parts.append(f".{self._cls._fields[len(trees)]}")
            raise
        return trees

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        codecs = self._codecs or self._prepare()
        names = self._cls._fields
        items: list[Any] = []
        try:
            for codec, item in zip(codecs, checked(tree, list), strict=False):
                items.append(codec.decode(item, source))
            items.extend(map(self._default, names[len(items) :]))
        except Exception as error:
            raise failed(error, f".{names[len(items)]}") from error
        value: Any = cast("Any", tuple).__new__(self._cls, items)
        return value

    def _default(self, name: str) -> Any:
        defaults: dict[str, Any] = self._cls._field_defaults
        if name not in defaults:
            raise Failure(f"the record has no {name!r}, and the field has no default")
        return defaults[name]


class EnumForm:
    """Enums by the names of their members, flags as `READ|WRITE`. A flag with
    bits that have no name is `=<number>`."""

    shapes, tracked = (str,), False

    def __init__(self, tag: str, cls: type[Enum]) -> None:
        self.tag = tag
        self._cls = cls
        self._members: dict[str, Any] = dict(cls.__members__)

    def write(self, value: Any, out: Encoding) -> Tree:
        name: str | None = value._name_
        if name is not None and all(part in self._members for part in name.split("|")):
            return name
        if not isinstance(value, Flag):
            raise Refusal(f"{value!r} is no member of {self._cls.__qualname__}")
        return f"={value._value_}"

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        text = text_of(tree)
        member = self._members.get(text)
        if member is not None:
            return member
        if issubclass(self._cls, Flag):
            if text.startswith("="):
                return self._cls(int(text[1:]))
            if all(part in self._members for part in text.split("|")):
                return reduce(Flag.__or__, map(self._members.__getitem__, text.split("|")))
        raise Failure(f"{self._cls.__qualname__} has no member {text!r}")


class ReferenceForm:
    """Classes and functions, by reference, once the registry knows them."""

    shapes, tracked = (str,), False

    def __init__(self, tag: str, name: Callable[[Any], str], resolve: Callable[[str], Any]) -> None:
        self.tag = tag
        self._name = name
        self._resolve = resolve

    def write(self, value: Any, out: Encoding) -> Tree:
        ref = self._name(value)
        if self._resolve(ref) is not value:
            if "<locals>" in ref:
                raise Refusal(
                    f"a {self.tag} that is made inside a function cannot be stored, as no other"
                    " process could find it; pass plain data, or the name of one that stands at"
                    " the top of a module"
                )
            raise Refusal(
                f"the {self.tag} {ref} is not reachable from the annotations of any action or "
                "workflow; name it in one, or pass its name"
            )
        return ref

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        found = self._resolve(text_of(tree))
        if found is None:
            raise Failure(f"no registered code knows the {self.tag} {tree}")
        return found


def ref_of(value: Any) -> str:
    """`module:qualname` of a class or function; `__main__` by its real name."""
    module = value.__module__
    if module == "__main__":
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        module = spec.name if spec is not None else module
    return f"{module}:{value.__qualname__}"
