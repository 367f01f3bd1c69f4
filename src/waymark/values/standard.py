"""Forms of the standard library's value types, each a readable text or array."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import (
    Path,
    PosixPath,
    PurePath,
    PurePosixPath,
    PureWindowsPath,
    WindowsPath,
)
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from .codec import Decoding, Encoding, Failure, Form, Lookup, Refusal, Tree
from .decimals import read_decimal, write_decimal
from .text import encodable, escape, text_of, unescape


class TextForm:
    """A class whose values are written as one text."""

    shapes, tracked = (str,), False

    def __init__(self, tag: str, to_text: Callable[[Any], str], read: Callable[[str], Any]) -> None:
        self.tag = tag
        self._to_text = to_text
        self._read = read

    def write(self, value: Any, out: Encoding) -> Tree:
        return self._to_text(value)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        return self._read(text_of(tree))


class ArrayForm:
    """A class whose values are written as an array of plain data."""

    shapes, tracked = (list,), False

    def __init__(
        self, tag: str, to_items: Callable[[Any], list[Any]], read: Callable[..., Any]
    ) -> None:
        self.tag = tag
        self._to_items = to_items
        self._read = read

    def write(self, value: Any, out: Encoding) -> Tree:
        return self._to_items(value)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        if type(tree) is not list:
            raise Failure(f"{type(tree).__name__} in place of list")
        return self._read(*tree)


class ClockForm:
    """`datetime` and `time`: ISO text where that says it all, else an array of
    the naive ISO text, the fold and the zone. A named zone is kept by its name,
    so the wall time is what survives a change of zone data."""

    shapes, tracked = (str, list), False

    def __init__(self, kind: type[datetime] | type[time], lookup: Lookup) -> None:
        self.tag = kind.__name__
        self._kind = kind
        self._lookup = lookup

    def write(self, value: Any, out: Encoding) -> Tree:
        zone = value.tzinfo
        if not value.fold and (zone is None or _is_plain_offset(zone)):
            return value.isoformat()
        naive = value.replace(tzinfo=None, fold=0).isoformat()
        if type(zone) is ZoneInfo:
            return [naive, value.fold, _zone_key(zone)]
        return [naive, value.fold, self._lookup.anything.encode(zone, out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        if type(tree) is str:
            return self._kind.fromisoformat(tree)
        naive, fold, zone = tree
        zone = _zone(zone) if type(zone) is str else self._lookup.anything.decode(zone, source)
        if zone is not None and not isinstance(zone, tzinfo):
            raise Failure(f"{type(zone).__name__} in place of a zone")
        return self._kind.fromisoformat(text_of(naive)).replace(tzinfo=zone, fold=fold)


def _is_plain_offset(zone: tzinfo) -> bool:
    """Whether ISO text gives this zone back: an unnamed fixed offset."""
    return type(zone) is timezone and zone == _unnamed(zone) and repr(zone) == repr(_unnamed(zone))


def _unnamed(zone: timezone) -> timezone:
    offset = zone.utcoffset(None)
    return timezone(offset) if offset else UTC


def _zone_key(zone: ZoneInfo) -> str:
    if not zone.key:
        raise Refusal("a ZoneInfo made from a file; only named zones can be stored")
    return zone.key


#: Nothing but names of zones may reach ZoneInfo, which looks into packages.
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")


def _zone(name: str) -> ZoneInfo:
    if not _ZONE_NAME.fullmatch(name):
        raise Failure(f"{name!r} is no name of a zone")
    try:
        return ZoneInfo(name)
    except Exception:  # noqa: BLE001 - the readers of zone data raise many kinds
        raise Failure(f"this machine's zone data lacks {name!r}; install `tzdata`") from None


def _write_timezone(zone: timezone) -> list[Any]:
    offset = zone.utcoffset(None)
    parts: list[Any] = [offset.days, offset.seconds, offset.microseconds]
    return parts if repr(zone) == repr(_unnamed(zone)) else [*parts, zone.tzname(None)]


def _read_timezone(days: int, seconds: int, microseconds: int, *name: str) -> timezone:
    offset = timedelta(days, seconds, microseconds)
    return timezone(offset, *name) if name else timezone(offset) if offset else UTC


def _path_form(tag: str, kind: type[PurePath]) -> TextForm:
    """Paths of bytes that are no UTF-8 hold surrogates, so these are escaped."""

    def read(text: str) -> PurePath:
        return kind(unescape(text[8:]) if text.startswith("escaped:") else text)

    def write(path: PurePath) -> str:
        text = str(path)
        plain = encodable(text) and not text.startswith("escaped:")
        return text if plain else "escaped:" + escape(text)

    return TextForm(tag, write, read)


def _write_pattern(pattern: re.Pattern[Any]) -> list[Any]:
    source = pattern.pattern
    if isinstance(source, bytes):
        return [_to_base64(source), pattern.flags, "bytes"]
    if not encodable(source):
        raise Refusal("a pattern with lone surrogates")
    return [source, pattern.flags]


def _read_pattern(source: str, flags: int, *kind: str) -> re.Pattern[Any]:
    if type(flags) is not int or flags & re.DEBUG:
        raise Failure("flags that no stored pattern has")
    text = text_of(source)
    return re.compile(_from_base64(text), flags) if kind else re.compile(text, flags)


def _to_base64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _read_timedelta(days: int, seconds: int, microseconds: int) -> timedelta:
    return timedelta(_whole(days), _whole(seconds), _whole(microseconds))


def _whole(number: object) -> int:
    if type(number) is not int:
        raise Failure(f"{type(number).__name__} in place of int")
    return number


def _read_range(start: Any, stop: Any, step: Any) -> range:
    return range(int(start), int(stop), int(step))


def _write_slice_of(value: range) -> list[Any]:
    return [str(value.start), str(value.stop), str(value.step)]


class BytearrayForm:
    """`bytearray`: base64, with identity as it can change."""

    tag, shapes, tracked = "bytearray", (str,), True

    def write(self, value: bytearray, out: Encoding) -> Tree:
        return _to_base64(value)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> bytearray:
        return bytearray(_from_base64(text_of(tree)))


def standard_forms(lookup: Lookup) -> dict[type, Form]:
    """The form of each value type of the standard library."""
    texts: dict[type, Form] = {
        bytes: TextForm("bytes", _to_base64, _from_base64),
        date: TextForm("date", date.isoformat, date.fromisoformat),
        Decimal: TextForm("Decimal", write_decimal, read_decimal),
        Fraction: TextForm("Fraction", str, Fraction),
        UUID: TextForm("UUID", str, UUID),
        complex: TextForm("complex", lambda value: repr(value).strip("()"), complex),
        ZoneInfo: TextForm("ZoneInfo", _zone_key, _zone),
        type(Path()): _path_form("Path", type(Path())),
    }
    for pure in (PurePosixPath, PureWindowsPath):
        texts[pure] = _path_form(pure.__name__, pure)
    for kind in _ADDRESSES:
        texts[kind] = TextForm(kind.__name__, str, kind)
    return {
        **texts,
        bytearray: BytearrayForm(),
        datetime: ClockForm(datetime, lookup),
        time: ClockForm(time, lookup),
        timedelta: ArrayForm(
            "timedelta", lambda d: [d.days, d.seconds, d.microseconds], _read_timedelta
        ),
        timezone: ArrayForm("timezone", _write_timezone, _read_timezone),
        range: ArrayForm("range", _write_slice_of, _read_range),
        re.Pattern: ArrayForm("Pattern", _write_pattern, _read_pattern),
    }


_ADDRESSES: Final[tuple[type[Any], ...]] = (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

#: Annotations of paths and their concrete class here.
ABSTRACT_PATHS: Final[dict[type, type]] = {
    Path: type(Path()),
    PurePath: type(PurePath()),
    PosixPath: PosixPath,
    WindowsPath: WindowsPath,
}
