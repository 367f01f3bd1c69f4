"""Forms of pydantic's classes, if pydantic is in use; it is never imported.

A model is written from what it stores: its fields, extras, private attributes
and the set of fields that were set. `model_dump` would lose secrets, excluded
and aliased fields, and would run serializers.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from .codec import Decoding, Encoding, Form, Lookup, Refusal, Tree
from .items import checked
from .objects import MISSING, Fields, plain_default
from .standard import ArrayForm, TextForm
from .text import read_text, write_text


def is_model(cls: type) -> bool:
    """Whether a class is a pydantic model."""
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is None or cls is pydantic.BaseModel:
        return False
    return issubclass(cls, pydantic.BaseModel)


def model_form(tag: str, cls: Any, lookup: Lookup) -> ModelForm:
    return ModelForm(tag, cls, lookup)


class ModelForm:
    """A pydantic model: an object of its fields, where needed with `$set`,
    `$extra` and `$private`."""

    shapes, tracked = (dict,), True

    def __init__(self, tag: str, cls: Any, lookup: Lookup) -> None:
        self.tag = tag
        self._cls = cls
        self._lookup = lookup
        if not cls.__pydantic_complete__:
            # Names it refers to may have been defined since.
            cls.model_rebuild(raise_errors=False)
        declared: dict[str, Any] = dict(cls.__pydantic_fields__)
        self._names = frozenset(declared)
        self._order = {name: index for index, name in enumerate(declared)}
        self._has_extra = cls.model_config.get("extra") == "allow"
        hints = {name: field.annotation for name, field in declared.items()}
        self._fields = Fields(cls, hints, lookup, lambda name: _default(declared[name]))

    def write(self, value: Any, out: Encoding) -> Tree:
        tree = self._fields.write(value.__dict__, out)
        fields_set = value.__pydantic_fields_set__
        extra = value.__pydantic_extra__
        private = value.__pydantic_private__
        if fields_set == self._names and not extra and private is None:
            return tree
        tree = dict(tree)
        if fields_set != self._names:
            last = len(self._order)
            tree["$set"] = sorted(fields_set, key=lambda n: (self._order.get(n, last), n))
        if extra:
            tree["$extra"] = self._attributes(extra, out)
        if private is not None:
            tree["$private"] = self._attributes(private, out)
        return tree

    def _attributes(self, values: dict[str, Any], out: Encoding) -> list[Tree]:
        pairs: list[Tree] = []
        for name, value in values.items():
            try:
                pairs.append([write_text(name, out), self._lookup.anything.encode(value, out)])
            except Refusal as refusal:
                refusal.parts.append(f".{name}")
                raise
        return pairs

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        value = object.__new__(self._cls)
        if number is not None:
            source.shared[number] = value
        checked(tree, dict)
        # A field that was added since was not set.
        fields_set = set(tree["$set"]) if "$set" in tree else self._names & tree.keys()
        extra = private = None
        if self._has_extra:
            extra = self._read_attributes(tree.get("$extra", []), source)
        if "$private" in tree:
            private = self._read_attributes(tree["$private"], source)
        assign = object.__setattr__
        assign(value, "__pydantic_fields_set__", set(fields_set))
        assign(value, "__pydantic_extra__", extra)
        assign(value, "__pydantic_private__", private)
        assign(value, "__dict__", self._fields.read(tree, source))
        return value

    def _read_attributes(self, tree: Tree, source: Decoding) -> dict[str, Any]:
        anything = self._lookup.anything
        return {
            read_text(name): anything.decode(item, source) for name, item in checked(tree, list)
        }


def _default(field: Any) -> Any:
    default = MISSING if field.is_required() else field.default
    return plain_default(default, field.default_factory)


def pydantic_forms() -> dict[type, Form]:
    """Forms of pydantic's own value types, by exact class."""
    return _pydantic_forms() if "pydantic" in sys.modules else {}


@cache
def _pydantic_forms() -> dict[type, Form]:
    pydantic: Any = sys.modules["pydantic"]
    core: Any = sys.modules["pydantic_core"]
    forms: dict[type, Form] = {
        pydantic.SecretStr: _secret_form(pydantic.SecretStr),
        pydantic.SecretBytes: _secret_bytes_form(pydantic.SecretBytes),
        core.Url: TextForm("pydantic_core:Url", str, core.Url),
        core.MultiHostUrl: TextForm("pydantic_core:MultiHostUrl", str, core.MultiHostUrl),
    }
    if hasattr(core, "TzInfo"):
        forms[core.TzInfo] = ArrayForm("pydantic_core:TzInfo", _write_zone, core.TzInfo)
    return forms


def _write_zone(zone: Any) -> list[Any]:
    return [int(zone.utcoffset(None).total_seconds())]


def _secret_form(cls: Any) -> TextForm:
    def read(text: str) -> Any:
        value = object.__new__(cls)
        value.__dict__["_secret_value"] = text
        return value

    return TextForm("pydantic:SecretStr", lambda value: value._secret_value, read)


def _secret_bytes_form(cls: Any) -> TextForm:
    def read(text: str) -> Any:
        value = object.__new__(cls)
        value.__dict__["_secret_value"] = bytes.fromhex(text)
        return value

    return TextForm("pydantic:SecretBytes", lambda value: value._secret_value.hex(), read)
