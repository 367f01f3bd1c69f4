"""The interface of C, as somebody with garbage in his hands meets it."""

from __future__ import annotations

import random
from array import array
from importlib import import_module
from typing import Any

INTEGERS, BYTES = "int64_t[]", "uint8_t[]"
CALLS = 20_000
ROOM_MAX = 384

DONE, BAD_POINTER, BAD_LENGTHS, NO_ROOM = 0, 1, 2, 3


def test_garbage_is_answered_with_a_code() -> None:
    """Lengths that do not fit, too little room, null pointers: an answer, and nothing
    outside of the room is touched."""
    module: Any = import_module("waymark_accel")
    ffi, lib, chance = module.ffi, module.lib, random.Random(11)
    untouched = b"\xa5" * ROOM_MAX
    answers = set[int]()
    for _ in range(CALLS):
        count, columns = chance.randrange(6), chance.randrange(6)
        values = array("q", (chance.randrange(-(2**63), 2**63) for _ in range(count)))
        lengths = array("q", (chance.choice([0, 1, 1, 2, -1, 2**63 - 1]) for _ in range(columns)))
        room, out, ends = chance.randrange(ROOM_MAX), bytearray(untouched), array("q", [-7] * 7)
        buffers = [(INTEGERS, values), (INTEGERS, lengths), (BYTES, out), (INTEGERS, ends)]
        pointers = [
            ffi.NULL if chance.random() < 0.02 else ffi.from_buffer(kind, buffer)
            for kind, buffer in buffers
        ]
        code = lib.waymark_texts(
            pointers[0], count, pointers[1], columns, pointers[2], room, pointers[3]
        )
        if ffi.NULL in pointers:
            assert code == BAD_POINTER
        elif min(lengths, default=0) < 0 or sum(lengths) != count:
            assert code == BAD_LENGTHS
        else:
            assert code == (DONE if room >= count * 21 + columns * 2 else NO_ROOM)
        assert bytes(out[room:]) == untouched[room:]
        assert set(ends[columns:]) == {-7}
        answers.add(code)
    assert answers == {DONE, BAD_POINTER, BAD_LENGTHS, NO_ROOM}
