"""The codecs: what may stand at a place where anything may, or where a hint
says what to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from .codec import (
    PLAIN,
    SCALARS,
    TAG,
    Decoding,
    Encoding,
    Failure,
    Form,
    Lookup,
    Tree,
    failed,
    is_tracked,
    kind_of,
)
from .containers import DictForm, ListForm
from .frozen import FrozenDict, FrozenList
from .text import careful_scalar, special_float

_NO_SHAPES: frozenset[type] = frozenset()
_LISTS: frozenset[type] = frozenset({list, FrozenList})
_DICTS: frozenset[type] = frozenset({dict, FrozenDict})


class Anything:
    """Plain JSON data stands for itself, all else carries its tag."""

    __slots__ = ("_lookup", "_mapping", "_sequence", "direct")

    def __init__(self, lookup: Lookup) -> None:
        self.direct = PLAIN
        self._lookup = lookup
        self._sequence = ListForm(self)
        self._mapping = DictForm(self, self)

    def encode(self, value: Any, out: Encoding, claimed: frozenset[type] = _NO_SHAPES) -> Tree:
        """The tree of a value; where an untagged tree of a `claimed` shape means
        another class, it carries its tag."""
        kind = kind_of(value)
        if kind in PLAIN:
            tree = careful_scalar(value) if out.careful else value
            return {TAG: "str", "v": tree} if kind is str and str in claimed else tree
        if kind is float:
            return value if isfinite(value) else special_float(value)
        write: Callable[[Any, Encoding], Tree]
        if kind in _LISTS and list not in claimed:
            write, tracked = self._sequence.write, True
        elif kind in _DICTS and dict not in claimed:
            write, tracked = self._untagged_dict, True
        else:
            form = self._lookup.form_of(kind)
            write, tracked = Tagged(form).write, is_tracked(form, value)
        if tracked:
            key = id(value)
            if key in out.seen:
                return out.again(value, write)
            out.seen.add(key)
        return write(value, out)

    def _untagged_dict(self, value: dict[Any, Any], out: Encoding) -> Tree:
        tree: Any = self._mapping.write(value, out)
        kind = kind_of(tree)
        return tree if kind is dict else {TAG: "dict", "v": tree}

    def decode(self, tree: Tree, source: Decoding) -> Any:
        kind = kind_of(tree)
        if kind is list:
            return self._in_place(tree, source)
        if kind is dict:
            return self.tagged(tree, source, {}) if TAG in tree else self._in_place(tree, source)
        return tree

    def _in_place(self, tree: Any, source: Decoding) -> Any:
        """A plain list or dict; the parser made it for us, so it is kept."""
        part: Any = None
        kind = kind_of(tree)
        items: Any = enumerate(tree) if kind is list else tree.items()
        try:
            for part, item in items:
                if type(item) not in SCALARS:
                    tree[part] = self.decode(item, source)
        except Exception as error:
            raise failed(error, f"[{part!r}]") from error
        return tree

    def tagged(self, tree: dict[str, Any], source: Decoding, reads: Mapping[type, Form]) -> Any:
        """The value of an object with a tag. `reads` gives the forms of trees
        without one, by shape, at this place."""
        tag = tree[TAG]
        match tag:
            case "ref":
                return source.shared[tree["n"]]
            case "outer":
                return source.outer[_index(tree["n"])]
            case "def":
                value = self._define(_index(tree["n"]), tree["v"], source, reads)
                source.shared[tree["n"]] = value
                return value
            case _:
                return self._form(tag).read(tree["v"], source, None)

    def _define(self, number: int, body: Tree, source: Decoding, reads: Mapping[type, Form]) -> Any:
        kind = kind_of(body)
        if kind is dict and TAG in body:
            return self._form(body[TAG]).read(body["v"], source, number)
        if kind in reads:
            return reads[kind].read(body, source, number)
        source.shared[number] = body
        return self.decode(body, source)

    def _form(self, tag: object) -> Form:
        if type(tag) is not str:
            raise Failure("a tag that is no text")
        return self._lookup.form_of_tag(tag)


class Tagged:
    """Writes a value with its tag."""

    __slots__ = ("_form",)

    def __init__(self, form: Form) -> None:
        self._form = form

    def write(self, value: Any, out: Encoding) -> Tree:
        return {TAG: self._form.tag, "v": self._form.write(value, out)}


class Hinted:
    """Values of the expected classes stand untagged, all else as in Anything.

    `writes` gives the form of each exact class that stands untagged, `reads`
    the form of each untagged shape.
    """

    __slots__ = ("_anything", "_claimed", "_reads", "_writes", "direct")

    def __init__(
        self, anything: Anything, writes: Mapping[type, Form], reads: Mapping[type, Form]
    ) -> None:
        self._anything = anything
        self._writes = writes
        self._reads = reads
        self._claimed = frozenset(reads)
        self.direct: frozenset[type] = PLAIN - {str} if str in reads else PLAIN

    def encode(self, value: Any, out: Encoding) -> Tree:
        kind = kind_of(value)
        form = self._writes.get(kind)
        if form is None:
            return self._anything.encode(value, out, self._claimed)
        if not form.tracked and not is_tracked(form, value):
            return form.write(value, out)
        key = id(value)
        if key in out.seen:
            return out.again(value, form.write)
        out.seen.add(key)
        return form.write(value, out)

    def decode(self, tree: Tree, source: Decoding) -> Any:
        kind = kind_of(tree)
        if kind is dict and TAG in tree:
            return self._anything.tagged(tree, source, self._reads)
        form = self._reads.get(kind)
        if form is None:
            return self._anything.decode(tree, source)
        return form.read(tree, source, None)


def _index(number: object) -> int:
    if type(number) is not int or number < 0:
        raise Failure("a reference that is no number")
    return number
