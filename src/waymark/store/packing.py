"""Integers of a flush as the texts of PostgreSQL's arrays, in Python or in Rust.

The Python form is the specification. The Rust form (`waymark-accel`, optional) writes the same
bytes: one call carries all columns of a batch, since a call across the boundary costs as much as
five integers. `WAYMARK_ENGINE` chooses: `python`, `rust` (an error where it is not there), or
what is installed.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from struct import error as struct_error
from struct import pack
from typing import Any, TypeAlias

from waymark.errors import SettingsError, WaymarkBug

VARIABLE = "WAYMARK_ENGINE"

#: The interface that this code speaks: `ABI` in the crate's `lib.rs`.
ABI = 1

#: Bytes of an integer of 64 bits with a comma; of the braces around a column.
INTEGER_BYTES, BRACE_BYTES = 21, 2

#: With fewer integers than this in a batch the Python form is as quick.
CROSSING_MIN = 100

#: Columns of integers to their texts.
Texts: TypeAlias = Callable[[Sequence[Sequence[int]]], list[str]]

#: Not `repr`: a row may hold members of an `IntEnum`, which show as their names.
_digits = int.__repr__


@dataclass(frozen=True, slots=True)
class Packer:
    """`name` for people."""

    name: str
    texts: Texts


def python_text(column: Sequence[int]) -> str:
    """Integers as the text of an array."""
    count = len(column)
    if count > 1 and column[0] == column[-1] and column.count(column[0]) == count:
        return f"{{{','.join([_digits(column[0])] * count)}}}"
    return f"{{{','.join(map(_digits, column))}}}"


def python_texts(columns: Sequence[Sequence[int]]) -> list[str]:
    """The Python form of `Texts`. Raises `TypeError` for what is no integer."""
    return list(map(python_text, columns))


PYTHON = Packer("python", python_texts)


def rust_packer(ffi: Any, lib: Any) -> Packer:
    """The Rust form, from the module that cffi made."""

    def texts(columns: Sequence[Sequence[int]]) -> list[str]:
        lengths = array("q", map(len, columns))
        count = sum(lengths)
        if count < CROSSING_MIN:
            return python_texts(columns)
        try:
            # A third of what `array` takes.
            values = b"".join([pack(f"{len(column)}q", *column) for column in columns])
        except struct_error:
            # No integer, or one that PostgreSQL has no room for: it shall say so.
            return python_texts(columns)
        ends = array("q", lengths)
        out = bytearray(count * INTEGER_BYTES + len(lengths) * BRACE_BYTES)
        integers, at = "int64_t[]", ffi.from_buffer
        code = lib.waymark_texts(
            at(integers, values),
            count,
            at(integers, lengths),
            len(lengths),
            at("uint8_t[]", out),
            len(out),
            at(integers, ends),
        )
        if code:
            raise WaymarkBug(f"waymark-accel refused a batch of {count} integers: code {code}")
        text = out[: ends[-1]].decode("ascii")
        return [text[start:end] for start, end in zip((0, *ends), ends, strict=False)]

    return Packer("rust", texts)


def chosen_packer(environment: Mapping[str, str] | None = None) -> Packer:
    """What `WAYMARK_ENGINE` asks for. Raises `SettingsError`."""
    wanted = (os.environ if environment is None else environment).get(VARIABLE, "")
    if wanted not in ("", "python", "rust"):
        raise SettingsError(
            f"environment variable {VARIABLE} must be python or rust, not {wanted!r}; leave it out"
            " to use what is installed"
        )
    if wanted == "python":
        return PYTHON
    try:
        module = import_module("waymark_accel")
    except (ImportError, OSError) as error:
        # OSError: the library was built for another system.
        if not wanted:
            return PYTHON
        raise SettingsError(
            f"{VARIABLE}=rust, but waymark-accel cannot be imported ({error}): install"
            " waymark[accel], or leave the variable out"
        ) from None
    # A directory of that name may lie on the path, as in a clone.
    lib = getattr(module, "lib", None)
    if lib is None:
        return _unfit(wanted, "waymark_accel is a package without its library")
    if (found := lib.waymark_abi()) != ABI:
        return _unfit(wanted, f"waymark-accel has interface {found}, and this Waymark needs {ABI}")
    return rust_packer(module.ffi, lib)


def _unfit(wanted: str, what: str) -> Packer:
    """Python's form, unless somebody insists on the other."""
    if not wanted:
        return PYTHON
    raise SettingsError(f"{VARIABLE}=rust, but {what}: install the two in versions of one release")
