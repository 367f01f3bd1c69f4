"""The state of a pass over a run's values, and what may stand anywhere among them.

Beyond the values codec:

-   What has a name in the program is written as that name (`names`).
-   *Cells*, the variables of frames and closures, are written one after another behind
    all else, and exist empty before anything is read. So a function may be among the
    values of the variables that it closes over.
-   A `nan` keeps its identity, by which `in` and dicts find it.
-   A constant that has no name here, a plain `set` (its order is another process's
    business) and all that has no form are refused: a snapshot never changes a value.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from types import CellType
from typing import TYPE_CHECKING, Any

from waymark.values import FrozenDict, FrozenList, FrozenSet
from waymark.values.anything import Anything, Tagged
from waymark.values.codec import (
    PLAIN,
    TAG,
    Codec,
    Decoding,
    Encoding,
    Failure,
    Refusal,
    Tree,
    kind_of,
)
from waymark.values.items import checked
from waymark.values.passes import parse, to_bytes
from waymark.values.text import careful_scalar, special_float

if TYPE_CHECKING:
    from waymark.engine.concurrency.loop import RunLoop

    from .forms import HeapForms
    from .names import Names

_CONSTANTS = (FrozenList, FrozenDict, FrozenSet)
_PLAIN_SETS = (set, frozenset)


class HeapEncoding(Encoding):
    """One pass that writes a run's values. `whole` are the types whose values cannot
    exist before what they hold."""

    __slots__ = ("cells", "nans", "numbers_of_cells", "whole")

    def __init__(
        self, shared: dict[int, int] | None, whole: tuple[type, ...], *, careful: bool
    ) -> None:
        super().__init__(None, shared, careful=careful)
        self.whole = whole
        self.cells: list[CellType] = []
        self.numbers_of_cells: dict[int, int] = {}
        self.nans: dict[int, int] = {}

    def cell(self, cell: CellType) -> int:
        """The number of a cell, whose contents are written later."""
        number = self.numbers_of_cells.setdefault(id(cell), len(self.cells))
        if number == len(self.cells):
            self.cells.append(cell)
        return number

    def again(self, value: Any, write: Callable[[Any, Encoding], Tree]) -> Tree:
        if id(value) in self.busy and isinstance(value, self.whole):
            raise Refusal(f"a {kind_of(value).__name__} that holds itself")
        return super().again(value, write)


class HeapDecoding(Decoding):
    """One pass that reads a run's values. `loop` makes the run's event loop."""

    __slots__ = ("cells", "loop", "names", "nans")

    def __init__(self, names: Names, cells: int, loop: Callable[[], RunLoop]) -> None:
        super().__init__(run=True)
        self.names = names
        self.cells = [CellType() for _ in range(cells)]
        self.nans: dict[int, float] = {}
        self.loop = loop


def heap_decoding(source: Decoding) -> HeapDecoding:
    """The pass as what it is: forms of the heap are used in no other."""
    assert isinstance(source, HeapDecoding)
    return source


def heap_encoding(out: Encoding) -> HeapEncoding:
    """The pass as what it is: forms of the heap are used in no other."""
    assert isinstance(out, HeapEncoding)
    return out


def cell_at(source: HeapDecoding, number: object) -> CellType:
    """The cell of a number. Raises Failure."""
    if type(number) is not int or not 0 <= number < len(source.cells):
        raise Failure(f"there is no cell {number!r}")
    return source.cells[number]


class HeapAnything(Anything):
    """What may stand anywhere among a run's values."""

    __slots__ = ("_forms",)

    def __init__(self, forms: HeapForms) -> None:
        super().__init__(forms)
        self._forms = forms

    def encode(self, value: Any, out: Encoding, claimed: frozenset[type] = frozenset()) -> Tree:
        kind = kind_of(value)
        if kind in PLAIN:
            return careful_scalar(value) if out.careful else value
        if kind is float:
            return value if isfinite(value) else _special(value, heap_encoding(out))
        key = self._forms.names.key(value)
        if key is not None:
            return {TAG: "~name", "v": key}
        if kind in _CONSTANTS:
            raise Refusal("a part of a constant that cannot be told from others")
        if kind in _PLAIN_SETS:
            raise Refusal("a set without an order")
        write, tracked = self._writer(kind, value)
        if tracked:
            number = id(value)
            if number in out.seen:
                return out.again(value, write)
            out.seen.add(number)
        return write(value, out)

    def _writer(self, kind: type, value: Any) -> tuple[Callable[[Any, Encoding], Tree], bool]:
        if kind is list:
            return self._sequence.write, True
        if kind is dict:
            return self._untagged_dict, True
        form = self._forms.form_of(kind)
        tracked = bool(value) if form.tracked is None else form.tracked
        return Tagged(form).write, tracked


def _special(value: float, out: HeapEncoding) -> Tree:
    if value == value:  # noqa: PLR0124 - only a nan is not
        return special_float(value)
    out.kept.append(value)
    return {TAG: "~nan", "v": out.nans.setdefault(id(value), len(out.nans))}


# Bytes


def dump(codec: Codec, root: Tree, whole: tuple[type, ...]) -> bytes:
    """The bytes of a value and of all cells that it leads to. Raises Refusal."""
    try:
        try:
            return to_bytes(_document(codec, root, whole, careful=False))
        except TypeError:
            return to_bytes(_document(codec, root, whole, careful=True), deep=True)
    except RecursionError:
        raise Refusal("values nested too deeply") from None


def _document(codec: Codec, root: Any, whole: tuple[type, ...], *, careful: bool) -> Tree:
    out = HeapEncoding(None, whole, careful=careful)
    tree = _pass(codec, root, out)
    if out.repeated:
        shared = dict.fromkeys(out.repeated, 0)
        tree = _pass(codec, root, HeapEncoding(shared, whole, careful=careful))
    return tree


def _pass(codec: Codec, root: Any, out: HeapEncoding) -> Tree:
    tree = codec.encode(root, out)
    contents: list[Tree] = []
    for cell in out.cells:  # which grows meanwhile
        try:
            contents.append([codec.encode(cell.cell_contents, out)])
        except ValueError:  # it is empty
            contents.append([])
    return {"root": tree, "cells": contents}


def load(codec: Codec, data: bytes, names: Names, loop: Callable[[], RunLoop]) -> Any:
    """The value again. Raises Failure or what reading damaged data may raise."""
    tree = checked(parse(data), dict)
    contents = checked(tree["cells"], list)
    source = HeapDecoding(names, len(contents), loop)
    root = codec.decode(tree["root"], source)
    for cell, content in zip(source.cells, contents, strict=True):
        if content:
            cell.cell_contents = codec.decode(content[0], source)
    return root
