"""`re.Match`: what was searched how, so that the same is found again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from waymark.values.codec import Codec, Decoding, Encoding, Failure, Form, Refusal, Tree
from waymark.values.items import checked
from waymark.values.text import text_of

_WAYS = ("search", "match", "fullmatch")


class MatchForm:
    """The pattern, the text, the bounds, and what finds the match between these."""

    tag, shapes, tracked = "~match", (list,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    @classmethod
    def forms(cls, anything: Codec) -> dict[type, Form]:
        """By exact class."""
        return {re.Match: cls(anything)}

    def write(self, value: Any, out: Encoding) -> Tree:
        how = next((way for way in _WAYS if _same(_found(value, way), value)), None)
        place = 0
        if how is None:
            found = value.re.finditer(value.string, value.pos, value.endpos)
            how = "finditer"
            place = next((n for n, each in enumerate(found) if _same(each, value)), -1)
        if place < 0:
            raise Refusal("a match that is not found again")
        encode = self._anything.encode
        return [
            encode(value.re, out),
            encode(value.string, out),
            value.pos,
            value.endpos,
            how,
            place,
        ]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        pattern, text, start, end, how, place = checked(tree, list)
        compiled: Any = self._anything.decode(pattern, source)
        string = self._anything.decode(text, source)
        if not _is_pattern(compiled) or text_of(how) not in (*_WAYS, "finditer"):
            raise Failure("a match of what is no pattern")
        found = getattr(compiled, how)(string, checked(start, int), checked(end, int))
        if how == "finditer":
            found = _nth(found, checked(place, int))
        if found is None:
            raise Failure("a match that is not found again")
        return found


def _nth(found: Iterator[Any], place: int) -> Any:
    return next(islice(found, place, None), None)


def _is_pattern(value: Any) -> bool:
    return isinstance(value, re.Pattern)


def _found(value: Any, way: str) -> Any:
    return getattr(value.re, way)(value.string, value.pos, value.endpos)


def _same(one: Any, other: Any) -> bool:
    return bool(one) and one.regs == other.regs and one.lastindex == other.lastindex
