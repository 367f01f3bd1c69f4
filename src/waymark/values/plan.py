"""A plan: how values of one annotation become bytes and values again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, cast

import orjson

from ..errors import ValueDecodeError, ValueEncodeError
from .codec import Codec, Failure, Refusal
from .passes import decode, encode
from .registry import TypeRegistry

T = TypeVar("T")

_TAGGED = b'"$t"'


class Plan(Generic[T]):
    """Writes and reads the values of one place: a result, a constant."""

    __slots__ = ("_codec", "_untagged_is_value", "annotation", "direct")

    def __init__(self, annotation: object, types: TypeRegistry) -> None:
        types.add(annotation)
        codec: Codec = types.forms.codec_for(annotation)
        self.annotation = annotation
        self._codec = codec
        #: Exact types, all scalars, whose values come back as they are.
        self.direct = codec.direct
        self._untagged_is_value = codec is types.forms.anything

    def dumps(self, value: object, path: str = "value", references: Sequence[object] = ()) -> bytes:
        """JSON text in UTF-8. What is one of `references` (by identity) is kept
        as a reference to it. Raises ValueEncodeError, whose path begins with
        `path`."""
        if type(value) in self.direct:
            try:
                return b"%b" % orjson.dumps(value)  # a copy: see to_bytes
            except TypeError:
                pass
        try:
            return encode(self._codec, value, references)
        except Refusal as refusal:
            raise ValueEncodeError(refusal.path(path), refusal.problem) from refusal

    def loads(
        self,
        data: bytes,
        references: Sequence[object] = (),
        *,
        run: bool = False,
        path: str = "value",
    ) -> T:
        """The value again. With `run`, sets are `OrderedSet`s. Raises
        ValueDecodeError, whatever the bytes are; imports and runs nothing."""
        if _TAGGED not in data:
            try:
                value = orjson.loads(data)
            except ValueError as error:
                raise ValueDecodeError(path, f"not JSON text ({error})") from None
            if self._untagged_is_value or type(value) in self.direct:
                return cast("T", value)
        try:
            return cast("T", decode(self._codec, data, references, run=run))
        except Failure as failure:
            raise ValueDecodeError(failure.path(path), failure.problem) from failure


def plan_for(annotation: object, types: TypeRegistry) -> Plan[Any]:
    """The plan of an annotation. The annotation is a hint: a value of exactly
    the annotated type is stored untagged, any other that can be stored comes
    back as what it was. One plan per annotation and registry."""
    try:
        known: Plan[Any] | None = types.plans.get(annotation)
    except TypeError:
        return Plan(annotation, types)
    if known is not None:
        return known
    made: Plan[Any] = Plan(annotation, types)
    types.plans[annotation] = made
    return made
