"""Items in order: shared by all forms that are written as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .codec import Codec, Decoding, Encoding, Failure, Refusal, Tree, failed


def encode_items(codec: Codec, values: Iterable[Any], out: Encoding) -> list[Tree]:
    """The trees of items in order; a refusal says which one it was."""
    trees: list[Tree] = []
    encode = codec.encode
    try:
        for value in values:
            trees.append(encode(value, out))  # noqa: PERF401 - its length says where it failed
    except Refusal as refusal:
        refusal.parts.append(f"[{len(trees)}]")
        raise
    return trees


def decode_items(codec: Codec, trees: Any, source: Decoding, into: list[Any]) -> list[Any]:
    """Reads the items of a list of trees, appending them to `into`."""
    decode = codec.decode
    try:
        for tree in checked(trees, list):
            into.append(decode(tree, source))  # noqa: PERF401 - its length says where it failed
    except Exception as error:
        raise failed(error, f"[{len(into)}]") from error
    return into


def checked(tree: Tree, shape: type) -> Any:
    """`tree`, once it is of this shape."""
    if type(tree) is not shape:
        raise Failure(f"{type(tree).__name__} in place of {shape.__name__}")
    return tree
