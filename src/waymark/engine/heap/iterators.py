"""Forms of iterators with their position, and of generators between two items.

Python says of most iterators what they are made of (`__reduce__`, which pickle uses): the
class, its arguments and a state to set. That is written, with what it iterates over, and
the iterator made again of it. Nothing is unpickled: the class is one of those below, and
what it may call is judged by the guard that judged it before.

An iterator over a dict tells only what is left. It is written as the dict and how many
items were taken, provided that this gives just what is left.

A generator expression with one `for` is, between two items, nothing but its code over
the rest of what it iterates: it is written as that, and begun anew there. Any other
generator is refused, and so are iterators that know more than they tell.
"""

from __future__ import annotations

import gc
import itertools
import warnings
from collections.abc import Callable, Iterator
from dis import get_instructions
from functools import lru_cache
from types import CellType, CodeType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from waymark.engine.reach import CALLING_TYPES
from waymark.values import FrozenList
from waymark.values.codec import Codec, Decoding, Encoding, Failure, Form, Refusal, Tree, kind_of
from waymark.values.items import checked

from .codec import cell_at, heap_decoding, heap_encoding

if TYPE_CHECKING:
    from .names import Names

_SEQUENCES = (list, FrozenList, tuple, str, bytes, bytearray, range)

#: How far behind the end of its list an iterator may stand.
_BEHIND_MAX = 1_000_000

_Dict: TypeAlias = dict[Any, Any]
_EMPTY: _Dict = {}
#: Past the methods of a subclass.
_dict: Any = dict

#: What goes through a dict, by the type of the iterator.
_DICT_ITERATORS: dict[type, Callable[[_Dict], Iterator[Any]]] = {
    type(iter(_EMPTY.keys())): lambda mapping: iter(_dict.keys(mapping)),
    type(iter(_EMPTY.values())): lambda mapping: iter(_dict.values(mapping)),
    type(iter(_EMPTY.items())): lambda mapping: iter(_dict.items(mapping)),
    type(reversed(_EMPTY.keys())): lambda mapping: reversed(_dict.keys(mapping)),
    type(reversed(_EMPTY.values())): lambda mapping: reversed(_dict.values(mapping)),
    type(reversed(_EMPTY.items())): lambda mapping: reversed(_dict.items(mapping)),
}
_KINDS = list(_DICT_ITERATORS)

#: What goes through a sequence by index.
_SEQUENCE_ITERATORS: tuple[type, ...] = tuple(
    {
        type(made): None
        for made in (
            *map(iter, ([], (), "a", "\xff", b"", bytearray(), range(1), range(1 << 70))),
            *map(reversed, ([], ())),
        )
    }
)

#: Iterators that are made of others, by name.
_COMPOUND: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(enumerate, zip, map, filter),
        *(itertools.count, itertools.cycle, itertools.repeat, itertools.chain),
        *(itertools.islice, itertools.accumulate, itertools.compress, itertools.starmap),
        *(itertools.dropwhile, itertools.takewhile, itertools.filterfalse),
        *(itertools.zip_longest, itertools.product, itertools.permutations),
        *(itertools.combinations, itertools.combinations_with_replacement),
        *(itertools.groupby, type(next(itertools.groupby("a"))[1])),
    )
}


def parts_of(value: Any) -> tuple[Any, ...]:
    """What an iterator says that it is made of. Raises Refusal."""
    try:
        with warnings.catch_warnings():
            # Iterators of itertools are to lose this with Python 3.14.
            warnings.simplefilter("ignore", DeprecationWarning)
            found: tuple[Any, ...] = value.__reduce__()
    except Exception as error:  # noqa: BLE001 - whatever it says: it cannot be told
        raise Refusal(f"a {kind_of(value).__name__} that cannot be repeated ({error})") from None
    return found


class SequenceIteratorForm:
    """The sequence, whether it is gone through backwards, and where."""

    tag, shapes, tracked = "~iterator", (list,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: Any, out: Encoding) -> Tree:
        maker, (sequence, *_), *state = parts_of(value)
        out.kept.append(sequence)  # A range is made for each answer.
        position = state[0] if state and state[0] is not None else 0
        if kind_of(sequence) not in _SEQUENCES or maker not in (iter, reversed):
            raise Refusal(f"an iterator of {kind_of(sequence).__name__}")
        return [maker is reversed, self._anything.encode(sequence, out), position]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        backwards, part, position = checked(tree, list)
        sequence = self._anything.decode(part, source)
        if kind_of(sequence) not in _SEQUENCES or type(position) is not int:
            raise Failure(f"an iterator of {kind_of(sequence).__name__}")
        made: Any = reversed(sequence) if backwards else iter(sequence)
        if kind_of(sequence) is list and len(sequence) < position <= len(sequence) + _BEHIND_MAX:
            # Items were taken out of the list meanwhile. It may grow again.
            behind = position - len(sequence)
            sequence.extend([None] * behind)
            made.__setstate__(position)
            del sequence[-behind:]
        elif position or backwards:
            made.__setstate__(position)
        return made


class DictIteratorForm:
    """The dict, which of its sides is gone through, and how many items were taken."""

    tag, shapes, tracked = "~dict_iterator", (list,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: Any, out: Encoding) -> Tree:
        _, (left, *_), *_ = parts_of(value)
        mappings = _dicts_of(value)
        kind = _KINDS.index(kind_of(value))
        if not mappings:  # It has come to its end.
            mappings = [_EMPTY]
            out.kept.append(mappings)
        mapping = mappings[0]
        taken = len(mapping) - len(left)
        again = _advanced(kind, mapping, taken)
        if not all(map(_same, left, again)) or next(again, None) is not None:
            raise Refusal("an iterator of a dict that was changed meanwhile")
        return [kind, self._anything.encode(mapping, out), taken]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        kind, part, taken = checked(tree, list)
        mapping: Any = self._anything.decode(part, source)
        fine = issubclass(kind_of(mapping), dict) and kind in range(len(_KINDS))
        if not fine or type(taken) is not int or taken > len(mapping):
            raise Failure("an iterator of what is no dict")
        return _advanced(kind, mapping, taken)


def _dicts_of(value: Any) -> list[_Dict]:
    """The dict that an iterator or a view looks at."""
    return [each for each in gc.get_referents(value) if issubclass(kind_of(each), dict)]


def _advanced(kind: int, mapping: _Dict, taken: int) -> Iterator[Any]:
    made = _DICT_ITERATORS[_KINDS[kind]](mapping)
    for _ in range(taken):
        next(made)
    return made


def _same(one: Any, other: Any) -> bool:
    """Whether two items of a dict are the same: the pair of an item is made anew."""
    if kind_of(one) is tuple and kind_of(other) is tuple and len(one) == len(other) == 2:
        return one is other or (one[0] is other[0] and one[1] is other[1])
    return one is other


_VIEWS: tuple[type, ...] = (type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items()))


class ViewForm:
    """A view of a dict."""

    tag, shapes, tracked = "~view", (list,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: Any, out: Encoding) -> Tree:
        return [_VIEWS.index(kind_of(value)), self._anything.encode(_dicts_of(value)[0], out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        kind, part = checked(tree, list)
        mapping: Any = self._anything.decode(part, source)
        if not issubclass(kind_of(mapping), dict) or kind not in range(len(_VIEWS)):
            raise Failure("a view of what is no dict")
        return (_dict.keys, _dict.values, _dict.items)[kind](mapping)


class CompoundForm:
    """The class, its arguments, its state."""

    tag, shapes, tracked = "~compound", (list,), True

    def __init__(self, anything: Codec, names: Names) -> None:
        self._anything = anything
        self._names = names

    def write(self, value: Any, out: Encoding) -> Tree:
        cls, arguments, *state = parts_of(value)
        if cls is iter and arguments == ((),):
            cls, arguments = itertools.chain, ()  # A group that is behind: it is empty.
        if cls is itertools.chain and not state:
            state = [(iter(()),)]  # An empty one says this of itself before it is asked.
        name = getattr(cls, "__name__", "")
        if _COMPOUND.get(name) is not cls:
            raise Refusal(f"a {kind_of(value).__name__}")
        if cls is itertools.zip_longest:  # This says () of an iterator at its end.
            arguments = tuple(iter(()) if each == () else each for each in arguments)
        out.kept.append((arguments, state))
        encoded = [self._anything.encode(each, out) for each in arguments]
        return [name, encoded, *(self._anything.encode(each, out) for each in state)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        name, parts, *state = checked(tree, list)
        if name not in _COMPOUND:
            raise Failure(f"an iterator that is called {name!r}")
        cls = _COMPOUND[name]
        arguments = [self._anything.decode(part, source) for part in parts]
        if cls in CALLING_TYPES:
            arguments = list(map(self._names.callable, arguments))
        made: Any = cls(*arguments)
        for part in state:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                made.__setstate__(self._anything.decode(part, source))
        return made


class GeneratorForm:
    """A generator expression: its code, what it closes over, the rest of its items."""

    tag, shapes, tracked = "~generator", (list,), True

    def __init__(self, anything: Codec, names: Names) -> None:
        self._anything = anything
        self._names = names

    def write(self, value: GeneratorType[Any, Any, Any], out: Encoding) -> Tree:
        code, frame = value.gi_code, value.gi_frame
        key = self._names.code_key(code)
        if key is None or frame is None or not _is_single(code):
            raise Refusal("a generator")
        items = frame.f_locals[".0"]
        if kind_of(items) not in ITERATORS:
            # Python 3.15 counts through a list there, and keeps the count to itself.
            raise Refusal(f"a generator over {kind_of(items).__name__}")
        cells = [each for each in gc.get_referents(value) if type(each) is CellType]
        if len(cells) != len(code.co_freevars):
            raise Refusal("a generator that shares more than it says")
        numbers = [heap_encoding(out).cell(cell) for cell in cells]
        return [key, numbers, self._anything.encode(items, out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        key, numbers, rest = checked(tree, list)
        code, namespace = self._names.code(key)
        if not _is_single(code):
            raise Failure(f"{key} is no generator expression")
        cells = tuple(cell_at(heap_decoding(source), each) for each in numbers)
        items = self._anything.decode(rest, source)
        if kind_of(items) not in ITERATORS:
            raise Failure(f"a generator over {kind_of(items).__name__}")
        return FunctionType(code, namespace, None, None, cells or None)(items)


@lru_cache(maxsize=1000)
def _is_single(code: CodeType) -> bool:
    """Whether code is a generator expression whose whole state is the iterator of its
    one `for`: no other stands on its stack, and no function shares its variables."""
    if code.co_name != "<genexpr>" or code.co_cellvars:
        return False
    loops = [each for each in get_instructions(code) if each.opname == "FOR_ITER"]
    return len(loops) == 1


#: Types of iterators that a loop may go through.
ITERATORS: frozenset[type] = frozenset(
    [*_SEQUENCE_ITERATORS, *_KINDS, *_COMPOUND.values(), GeneratorType]
)
#: What cannot exist before what it is made of.
WHOLE: tuple[type, ...] = (*ITERATORS, *_VIEWS)


def iterator_forms(anything: Codec, names: Names) -> dict[type, Form]:
    """The forms of iterators, by exact class."""
    sequence, mapping = SequenceIteratorForm(anything), DictIteratorForm(anything)
    compound, generator = CompoundForm(anything, names), GeneratorForm(anything, names)
    return {
        **dict.fromkeys(_SEQUENCE_ITERATORS, cast("Form", sequence)),
        **dict.fromkeys(_KINDS, cast("Form", mapping)),
        **dict.fromkeys(_COMPOUND.values(), cast("Form", compound)),
        **dict.fromkeys(_VIEWS, cast("Form", ViewForm(anything))),
        GeneratorType: generator,
    }
