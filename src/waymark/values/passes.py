"""Bytes from a value and back: as many passes as the value needs.

Nearly every value takes one walk and one call into C. A second walk is made
when something occurs twice in it (shared lists, cycles), a careful one when the
C encoder refuses an integer or a text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson

from .codec import Codec, Decoding, Encoding, Failure, Refusal, Tree, failed
from .text import encodable

#: Without these orjson would write subclasses, dataclasses and dates in its own
#: way; forms write them, so one that slips through must fail.
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)

_TOO_DEEP = (
    "nested too deeply to be stored; flatten it (a list of nodes, each with its parent's id)"
)


def encode(
    codec: Codec,
    value: object,
    references: Sequence[object] = (),
    probing: frozenset[int] = frozenset(),
) -> bytes:
    """The bytes of `value`; raises Refusal. `probing` holds the ids of values
    that an outer pass is looking into."""
    outer = {id(reference): number for number, reference in enumerate(references)}
    try:
        try:
            return to_bytes(_tree(codec, value, outer, probing, careful=False))
        except TypeError:
            return to_bytes(_tree(codec, value, outer, probing, careful=True), deep=True)
    except RecursionError:
        raise Refusal(_TOO_DEEP) from None


def _tree(
    codec: Codec, value: object, outer: dict[int, int], probing: frozenset[int], *, careful: bool
) -> Tree:
    out = Encoding(outer, careful=careful, probing=probing)
    tree = codec.encode(value, out)
    if out.repeated:
        shared = dict.fromkeys(out.repeated, 0)
        tree = codec.encode(value, Encoding(outer, shared, careful=careful, probing=probing))
    return tree


def to_bytes(tree: Tree, *, deep: bool = False) -> bytes:
    """JSON text in UTF-8; raises TypeError for what the C encoder refuses. The
    C encoder stops at 254 levels; `deep` takes Python's beyond that.

    The text is a copy: what orjson returns sits in a buffer of some 4 kB, which a
    journal entry or a recorded call would keep for as long as it lives."""
    try:
        return b"%b" % orjson.dumps(tree, option=_OPTIONS)
    except TypeError:
        if not deep:
            raise
        text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
        if not encodable(text):
            raise Refusal("a name in it holds a lone surrogate") from None
        return text.encode()


def parse(data: bytes) -> Tree:
    """The tree in `data`; raises Failure."""
    try:
        return orjson.loads(data)
    except ValueError as error:
        raise Failure(f"not JSON text ({error})") from None


def decode(
    codec: Codec, data: bytes, references: Sequence[object] = (), *, run: bool = False
) -> Any:
    """The value in `data`; raises Failure whatever the bytes are."""
    tree = parse(data)
    try:
        return codec.decode(tree, Decoding(references, run=run))
    except Exception as error:
        raise failed(error, "") from error
