"""Forms of users' subclasses of built-in and standard value types.

The body is `{"v": the base's own body, "state": attributes}`. Neither writing
nor reading calls a method that the subclass may have overridden.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from .codec import Decoding, Encoding, Failure, Lookup, Tree
from .items import checked
from .objects import MISSING, Fields, State


class Base(NamedTuple):
    """How a value of a subclass becomes one of the base and back. `make` gets
    the class and a plain value; for a mutable base `fill` adds the contents to
    an instance made with None."""

    kind: type
    plain: Callable[[Any], Any]
    make: Callable[[Any, Any], Any]
    fill: Callable[[Any, Any], object] | None = None


# The plain classes, whose methods are called past those of a subclass.
_list: Any = list
_dict: Any = dict
_set: Any = set
_frozenset: Any = frozenset
_tuple: Any = tuple
_deque: Any = deque
_counter: Any = Counter
_ordered_dict: Any = OrderedDict
_defaultdict: Any = defaultdict


def _plain_list(value: Any) -> Any:
    return _list.__getitem__(value, slice(None))


def _plain_dict(value: Any) -> Any:
    return _dict(_dict.items(value))


def _plain_set(value: Any) -> Any:
    return _set.union(_set(), value)


def _plain_frozenset(value: Any) -> Any:
    return _frozenset.union(_frozenset(), value)


def _plain_tuple(value: Any) -> Any:
    return _tuple.__getitem__(value, slice(None))


def _plain_bytes(value: Any) -> Any:
    return bytes.__getitem__(value, slice(None))


def _plain_counter(value: Any) -> Any:
    return _counter(_plain_dict(value))


def _plain_ordered_dict(value: Any) -> Any:
    return _ordered_dict(_ordered_dict.items(value))


def _plain_defaultdict(value: Any) -> Any:
    return _defaultdict(value.default_factory, _dict.items(value))


def _fill_defaultdict(value: Any, plain: Any) -> None:
    value.default_factory = plain.default_factory
    _dict.update(value, plain)


def _plain_deque(value: Any) -> Any:
    return _deque(_deque.__iter__(value), value.maxlen)


def _parts_of_datetime(d: Any) -> tuple[Any, ...]:
    return (d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond, d.tzinfo)


def _plain_datetime(value: Any) -> Any:
    return datetime(*_parts_of_datetime(value), fold=value.fold)


def _make_datetime(cls: Any, plain: Any) -> Any:
    return datetime.__new__(cls, *_parts_of_datetime(plain), fold=plain.fold)


def _plain_date(value: Any) -> Any:
    return date(value.year, value.month, value.day)


def _make_date(cls: Any, plain: Any) -> Any:
    return date.__new__(cls, plain.year, plain.month, plain.day)


def _parts_of_time(t: Any) -> tuple[Any, ...]:
    return (t.hour, t.minute, t.second, t.microsecond, t.tzinfo)


def _plain_time(value: Any) -> Any:
    return time(*_parts_of_time(value), fold=value.fold)


def _make_time(cls: Any, plain: Any) -> Any:
    return time.__new__(cls, *_parts_of_time(plain), fold=plain.fold)


def _plain_timedelta(value: Any) -> Any:
    return timedelta(value.days, value.seconds, value.microseconds)


def _make_timedelta(cls: Any, plain: Any) -> Any:
    return timedelta.__new__(cls, plain.days, plain.seconds, plain.microseconds)


def _empty(kind: Any) -> Callable[[Any, Any], Any]:
    """Makes an instance without contents."""

    def make(cls: Any, _: Any) -> Any:
        return kind.__new__(cls)

    return make


def _made_of(kind: Any) -> Callable[[Any, Any], Any]:
    """Makes an instance from a plain value of the base."""
    make: Callable[[Any, Any], Any] = kind.__new__
    return make


def _by_method(method: Any) -> Callable[[Any], Any]:
    """A conversion that C code does by a method of the base."""
    convert: Callable[[Any], Any] = method
    return convert


#: Most derived first.
BASES: Final[tuple[Base, ...]] = (
    Base(Counter, _plain_counter, _empty(dict), _dict.update),
    Base(OrderedDict, _plain_ordered_dict, _empty(OrderedDict), _ordered_dict.update),
    Base(defaultdict, _plain_defaultdict, _empty(defaultdict), _fill_defaultdict),
    Base(dict, _plain_dict, _empty(dict), _dict.update),
    Base(list, _plain_list, _empty(list), _list.extend),
    Base(deque, _plain_deque, _empty(deque), _deque.extend),
    Base(set, _plain_set, _empty(set), _set.update),
    Base(frozenset, _plain_frozenset, _made_of(frozenset)),
    Base(tuple, _plain_tuple, _made_of(tuple)),
    Base(str, _by_method(str.__str__), _made_of(str)),
    Base(int, _by_method(int.__int__), _made_of(int)),
    Base(float, _by_method(float.__float__), _made_of(float)),
    Base(bytes, _plain_bytes, _made_of(bytes)),
    Base(Decimal, _by_method(Decimal), _made_of(Decimal)),
    Base(datetime, _plain_datetime, _make_datetime),
    Base(date, _plain_date, _make_date),
    Base(time, _plain_time, _make_time),
    Base(timedelta, _plain_timedelta, _make_timedelta),
)


def base_of(cls: type) -> Base | None:
    """The built-in base whose contents instances of `cls` carry, or None."""
    return next((base for base in BASES if issubclass(cls, base.kind)), None)


class SubclassForm:
    """A user's subclass of a built-in: the base's body and the attributes."""

    shapes = (dict,)

    def __init__(self, tag: str, cls: type, base: Base, lookup: Lookup) -> None:
        self.tag = tag
        self.tracked = base.fill is not None
        self._cls = cls
        self._base = base
        self._lookup = lookup
        self._state = State(cls)
        self._fields = Fields(cls, {}, lookup, lambda _: MISSING, open_ended=True)

    def write(self, value: Any, out: Encoding) -> Tree:
        plain = self._base.plain(value)
        out.kept.append(plain)
        tree: dict[str, Tree] = {"v": self._lookup.anything.encode(plain, out)}
        if state := self._state.get(value):
            tree["state"] = self._fields.write(state, out)
        return tree

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        body = checked(tree, dict)
        if self._base.fill is None:
            value = self._base.make(self._cls, self._plain(body, source))
        else:
            value = self._base.make(self._cls, None)
            if number is not None:
                source.shared[number] = value
            self._base.fill(value, self._plain(body, source))
        if "state" in body:
            self._state.set(value, self._fields.read(body["state"], source))
        return value

    def _plain(self, body: dict[str, Tree], source: Decoding) -> Any:
        plain = self._lookup.anything.decode(body["v"], source)
        if not isinstance(plain, self._base.kind):
            raise Failure(f"{type(plain).__name__} in place of {self._base.kind.__name__}")
        return plain
