"""The scalars that JSON cannot hold: integers beyond 64 bits, lone surrogates,
nan and the infinities. Each becomes a tag with a readable text."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final

from .codec import TAG, Decoding, Encoding, Failure, Tree, kind_of

#: What orjson reads back as the same integer.
_INTEGERS: Final = range(-(2**63), 2**64)

#: Python refuses to turn longer texts into integers; these are kept in base 16.
_DIGITS_MAX: Final = 4000

_ESCAPED = re.compile("[\\\\\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(\\|d[89a-f][0-9a-f]{2})")


def careful_scalar(value: Any) -> Tree:
    """The tree of a value of `PLAIN` which may be one of the rare cases."""
    if type(value) is int and value not in _INTEGERS:
        return {TAG: "int", "v": integer_text(value)}
    if type(value) is str and not encodable(value):
        return {TAG: "text", "v": escape(value)}
    return value


def special_float(value: float) -> Tree:
    return {TAG: "float", "v": repr(value)}


def encodable(text: str) -> bool:
    """Whether UTF-8 can hold it: no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def escape(text: str) -> str:
    def written(match: re.Match[str]) -> str:
        found = match.group()
        return "\\\\" if found == "\\" else f"\\{ord(found):04x}"

    return _ESCAPED.sub(written, text)


def unescape(text: str) -> str:
    def read(match: re.Match[str]) -> str:
        found = match.group(1)
        return "\\" if found == "\\" else chr(int(found, 16))

    return _ESCAPE.sub(read, text)


def integer_text(value: int) -> str:
    return str(value) if value.bit_length() < 3 * _DIGITS_MAX else hex(value)


def read_integer(tree: Tree) -> int:
    return int(text_of(tree), 16 if "x" in tree else 10)


def write_text(text: str, out: Encoding) -> Tree:
    """The tree of a text that is no value of its own (a name, a message)."""
    return careful_scalar(text) if out.careful else text


def read_text(tree: Tree) -> str:
    kind = kind_of(tree)
    if kind is dict and tree.get(TAG) == "text":
        return unescape(text_of(tree.get("v")))
    return text_of(tree)


def text_of(tree: Tree) -> str:
    if type(tree) is not str:
        raise Failure(f"{type(tree).__name__} in place of str")
    return tree


class IntForm:
    """Integers beyond 64 bits, in decimal or (very long ones) in base 16."""

    tag, shapes, tracked = "int", (str,), False

    def write(self, value: int, out: Encoding) -> Tree:
        return integer_text(value)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> int:
        return read_integer(tree)


class FloatForm:
    """`nan`, `inf` and `-inf`."""

    tag, shapes, tracked = "float", (str,), False

    def write(self, value: float, out: Encoding) -> Tree:
        return repr(value)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> float:
        value = float(text_of(tree))
        if isfinite(value):
            raise Failure("a finite number in place of nan or infinity")
        return value


class StrForm:
    """A plain text where an untagged one would mean another class."""

    tag, shapes, tracked = "str", (str,), False

    def write(self, value: str, out: Encoding) -> Tree:
        return write_text(value, out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> str:
        return read_text(tree)


class EscapedForm:
    """A text with lone surrogates, these as `\\dXXX`."""

    tag, shapes, tracked = "text", (str,), False

    def write(self, value: str, out: Encoding) -> Tree:
        return escape(value)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> str:
        return unescape(text_of(tree))
