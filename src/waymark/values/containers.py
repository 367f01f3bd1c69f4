"""Forms of the built-in containers and those of `collections`."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, Final, cast

from .codec import PLAIN, TAG, Codec, Decoding, Encoding, Failure, Refusal, Tree, failed
from .items import checked, decode_items, encode_items
from .ordered import OrderedFrozenSet, OrderedSet
from .passes import encode, to_bytes
from .text import encodable

_STR_ONLY: Final = frozenset({str})
_FLOAT_ONLY: Final[set[type]] = {float}


class ListForm:
    """`list`: an array."""

    tag, shapes, tracked = "list", (list,), True

    def __init__(self, item: Codec) -> None:
        self._item = item

    def write(self, value: list[Any], out: Encoding) -> Tree:
        if not out.careful:
            kinds = set[type](map(type, value))
            if kinds <= self._item.direct or (kinds == _FLOAT_ONLY and all(map(isfinite, value))):
                return value if type(value) is list else list(value)
        # Here rather than in `encode_items`, for the sake of the stack's depth.
        trees: list[Tree] = []
        encode = self._item.encode
        direct = out.direct(self._item)
        try:
            for item in value:
                # Its length says where a refusal came from.
                trees.append(item if type(item) in direct else encode(item, out))  # noqa: PERF401
        except Refusal as refusal:
            refusal.parts.append(f"[{len(trees)}]")
            raise
        return trees

    def read(self, tree: Tree, source: Decoding, number: int | None) -> list[Any]:
        kinds = set(map(type, checked(tree, list)))
        if kinds <= self._item.direct:
            return cast("list[Any]", tree)
        result: list[Any] = []
        if number is not None:
            source.shared[number] = result
        return decode_items(self._item, tree, source, result)


class TupleForm:
    """`tuple`: an array. `items` are the codecs of the first items, `rest` that
    of all others."""

    tag, shapes, tracked = "tuple", (list,), None

    def __init__(self, items: tuple[Codec, ...], rest: Codec) -> None:
        self._items = items
        self._rest = rest

    def _codec(self, index: int) -> Codec:
        return self._items[index] if index < len(self._items) else self._rest

    def write(self, value: tuple[Any, ...], out: Encoding) -> Tree:
        if not self._items:
            return encode_items(self._rest, value, out)
        trees: list[Tree] = []
        try:
            for index, item in enumerate(value):
                trees.append(self._codec(index).encode(item, out))
        except Refusal as refusal:
            refusal.parts.append(f"[{len(trees)}]")
            raise
        return trees

    def read(self, tree: Tree, source: Decoding, number: int | None) -> tuple[Any, ...]:
        items: list[Any] = []
        if not self._items:
            return tuple(decode_items(self._rest, tree, source, items))
        try:
            for index, item in enumerate(checked(tree, list)):
                items.append(self._codec(index).decode(item, source))
        except Exception as error:
            raise failed(error, f"[{len(items)}]") from error
        return tuple(items)


class SetForm:
    """`set` and `frozenset`: an array, in insertion order where there is one,
    else ordered by the encoded bytes of the items."""

    shapes = (list,)

    def __init__(self, kind: type, item: Codec) -> None:
        self._frozen = kind is frozenset
        self._item = item
        self.tag = kind.__name__
        self.tracked = None if self._frozen else True

    def write(self, value: Any, out: Encoding) -> Tree:
        if id(value) in out.probing:
            return None
        ordered = issubclass(type(value), (OrderedSet, OrderedFrozenSet))
        try:
            members = value if ordered else canonical(value, self._item, out)
            return encode_items(self._item, members, out)
        except Refusal as refusal:
            refusal.parts[-1:] = [" (a member of the set)"]
            raise

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        if self._frozen:
            items = decode_items(self._item, tree, source, [])
            return OrderedFrozenSet(items) if source.run else frozenset(items)
        result: set[Any] = OrderedSet() if source.run else set()
        if number is not None:
            source.shared[number] = result
        result.update(decode_items(self._item, tree, source, []))
        return result


def canonical(value: Any, item: Codec, out: Encoding) -> list[Any]:
    """The members of a plain set, ordered by what each is encoded to alone.

    A member that holds this very set is encoded without it (`probing`), so that
    such a circle ends."""
    if not out.careful and PLAIN.issuperset(map(type, value)):
        return sorted(value, key=to_bytes)
    probing = out.probing | {id(value)}
    return sorted(value, key=lambda member: encode(item, member, probing=probing))


class DictForm:
    """`dict`: an object when all keys are texts, else an array of pairs."""

    tag, shapes, tracked = "dict", (dict, list), True

    def __init__(self, key: Codec, value: Codec) -> None:
        self._key = key
        self._value = value

    def write(self, value: dict[Any, Any], out: Encoding) -> Tree:
        if not self._is_object(value, out):
            return write_pairs(self._key, self._value, value.items(), out)
        if not out.careful and set(map(type, value.values())) <= self._value.direct:
            return value if type(value) is dict else dict(value)
        trees: dict[str, Tree] = {}
        key = ""
        encode = self._value.encode
        direct = out.direct(self._value)
        try:
            for key, item in value.items():
                trees[key] = item if type(item) in direct else encode(item, out)
        except Refusal as refusal:
            refusal.parts.append(f"[{key!r}]")
            raise
        return trees

    def _is_object(self, value: dict[Any, Any], out: Encoding) -> bool:
        if TAG in value or not _STR_ONLY.issuperset(map(type, value)):
            return False
        return not out.careful or all(map(encodable, value))

    def read(self, tree: Tree, source: Decoding, number: int | None) -> dict[Any, Any]:
        if type(tree) is list:
            result: dict[Any, Any] = {}
            if number is not None:
                source.shared[number] = result
            read_pairs(self._key, self._value, tree, source, result)
            return result
        if number is not None:
            source.shared[number] = tree
        key = ""
        decode = self._value.decode
        try:
            direct = self._value.direct
            for key, item in checked(tree, dict).items():
                if type(item) not in direct:
                    tree[key] = decode(item, source)
        except Exception as error:
            raise failed(error, f"[{key!r}]") from error
        return cast("dict[Any, Any]", tree)


def write_pairs(
    key: Codec, value: Codec, items: Iterable[tuple[Any, Any]], out: Encoding
) -> list[Tree]:
    trees: list[Tree] = []
    for name, item in items:
        try:
            written = key.encode(name, out)
        except Refusal as refusal:
            refusal.parts.append(" (a key of the dict)")
            raise
        try:
            trees.append([written, value.encode(item, out)])
        except Refusal as refusal:
            refusal.parts.append(f"[{name!r}]")
            raise
    return trees


#: Past `__setitem__` of a subclass.
_set_item: Final[Callable[[Any, Any, Any], None]] = cast("Any", dict).__setitem__


def read_pairs(key: Codec, value: Codec, tree: Tree, source: Decoding, into: Any) -> Any:
    """Reads an array of pairs into the mapping `into`, never by a method of a
    subclass."""
    name: Any = None
    try:
        for name, item in checked(tree, list):
            _set_item(into, key.decode(name, source), value.decode(item, source))
    except Exception as error:
        raise failed(error, f"[{name!r}]") from error
    return into


class OrderedDictForm:
    """`OrderedDict` and `Counter`: an array of pairs."""

    shapes, tracked = (list,), True

    def __init__(self, kind: type, key: Codec, value: Codec) -> None:
        self._kind = kind
        self._key = key
        self._value = value
        self.tag = kind.__name__

    def write(self, value: dict[Any, Any], out: Encoding) -> Tree:
        return write_pairs(self._key, self._value, value.items(), out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        result = self._kind()
        if number is not None:
            source.shared[number] = result
        if self._kind is OrderedDict:
            pairs = read_pairs(self._key, self._value, tree, source, {})
            result.update(pairs)
            return result
        return read_pairs(self._key, self._value, tree, source, result)


#: What a defaultdict may call for a missing key; nothing else can be stored.
FACTORIES: Final[dict[str, Callable[[], Any]]] = {
    kind.__name__: kind
    for kind in (list, dict, set, frozenset, tuple, int, float, str, bool, bytes, deque, Counter)
}
_FACTORY_NAMES: Final[dict[Any, str]] = {
    **{factory: name for name, factory in FACTORIES.items()},
    OrderedSet: "set",
    OrderedFrozenSet: "frozenset",
}


class DefaultDictForm:
    """`defaultdict`: its factory's name (or null), then an array of pairs."""

    tag, shapes, tracked = "defaultdict", (list,), True

    def __init__(self, key: Codec, value: Codec) -> None:
        self._key = key
        self._value = value

    def write(self, value: defaultdict[Any, Any], out: Encoding) -> Tree:
        factory: Any = value.default_factory
        name = None if factory is None else _FACTORY_NAMES.get(factory)
        if name is None and factory is not None:
            raise Refusal(
                f"a defaultdict with the factory {factory!r}; only "
                f"{', '.join(FACTORIES)} can be stored, or pass dict(…)"
            )
        return [name, *write_pairs(self._key, self._value, value.items(), out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        name, *pairs = checked(tree, list)
        factory = None if name is None else FACTORIES.get(name)
        if name is not None and factory is None:
            raise Failure(f"unknown factory {name!r}")
        if source.run and factory in (set, frozenset):
            factory = OrderedSet if factory is set else OrderedFrozenSet
        result: defaultdict[Any, Any] = defaultdict(factory)
        if number is not None:
            source.shared[number] = result
        return read_pairs(self._key, self._value, pairs, source, result)


class DequeForm:
    """`deque`: its `maxlen` (or null), then the items."""

    tag, shapes, tracked = "deque", (list,), True

    def __init__(self, item: Codec) -> None:
        self._item = item

    def write(self, value: deque[Any], out: Encoding) -> Tree:
        return [value.maxlen, *encode_items(self._item, value, out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        maxlen, *items = checked(tree, list)
        if maxlen is not None and type(maxlen) is not int:
            raise Failure("a deque whose maxlen is no number")
        result: deque[Any] = deque(maxlen=maxlen)
        if number is not None:
            source.shared[number] = result
        result.extend(decode_items(self._item, items, source, []))
        return result
