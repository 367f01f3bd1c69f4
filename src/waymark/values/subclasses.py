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


def _plain_defaultdict(value: defaultdict[Any, Any]) -> Any:
    return defaultdict(value.default_factory, dict.items(value))


def _fill_defaultdict(value: Any, plain: defaultdict[Any, Any]) -> None:
    value.default_factory = plain.default_factory
    dict.update(value, plain)


def _plain_deque(value: deque[Any]) -> deque[Any]:
    return deque(deque.__iter__(value), value.maxlen)


def _make_datetime(cls: Any, plain: datetime) -> Any:
    d = plain
    parts = (d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond, d.tzinfo)
    return datetime.__new__(cls, *parts, fold=d.fold)


def _plain_datetime(d: datetime) -> datetime:
    parts = (d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond, d.tzinfo)
    return datetime(*parts, fold=d.fold)


def _make_time(cls: Any, t: time) -> Any:
    return time.__new__(cls, t.hour, t.minute, t.second, t.microsecond, t.tzinfo, fold=t.fold)


def _plain_time(t: time) -> time:
    return time(t.hour, t.minute, t.second, t.microsecond, t.tzinfo, fold=t.fold)


def _plain_timedelta(d: timedelta) -> timedelta:
    return timedelta(d.days, d.seconds, d.microseconds)


def _empty(kind: Any) -> Callable[[Any, Any], Any]:
    return lambda cls, _: kind.__new__(cls)


def _with(kind: Any) -> Callable[[Any, Any], Any]:
    return lambda cls, plain: kind.__new__(cls, plain)


#: Most derived first.
BASES: Final[tuple[Base, ...]] = (
    Base(Counter, lambda v: Counter(dict(dict.items(v))), _empty(dict), dict.update),
    Base(
        OrderedDict,
        lambda v: OrderedDict(OrderedDict.items(v)),
        _empty(OrderedDict),
        OrderedDict.update,
    ),
    Base(defaultdict, _plain_defaultdict, _empty(defaultdict), _fill_defaultdict),
    Base(dict, lambda v: dict(dict.items(v)), _empty(dict), dict.update),
    Base(list, lambda v: list.__getitem__(v, slice(None)), _empty(list), list.extend),
    Base(deque, _plain_deque, _empty(deque), deque.extend),
    Base(set, lambda v: set.union(set(), v), _empty(set), set.update),
    Base(frozenset, lambda v: frozenset.union(frozenset(), v), _with(frozenset)),
    Base(tuple, lambda v: tuple.__getitem__(v, slice(None)), _with(tuple)),
    Base(str, str.__str__, _with(str)),
    Base(int, int.__int__, _with(int)),
    Base(float, float.__float__, _with(float)),
    Base(bytes, lambda v: bytes.__getitem__(v, slice(None)), _with(bytes)),
    Base(Decimal, lambda v: Decimal(Decimal.as_tuple(v)), _with(Decimal)),
    Base(datetime, _plain_datetime, _make_datetime),
    Base(
        date,
        lambda d: date(d.year, d.month, d.day),
        lambda c, d: date.__new__(c, d.year, d.month, d.day),
    ),
    Base(time, _plain_time, _make_time),
    Base(
        timedelta,
        _plain_timedelta,
        lambda c, d: timedelta.__new__(c, d.days, d.seconds, d.microseconds),
    ),
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
