"""An engine that forgets everything after each input, but for a snapshot.

Between two inputs its state becomes bytes, and these become the state again, over another
program of the same graph: other code objects, functions and constants, as in another
process. So whatever a snapshot loses shows at the next input at the latest.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from waymark.engine.outcomes import Advance
from waymark.engine.parts import State
from waymark.engine.program import Program, load_program
from waymark.engine.session import Session
from waymark.engine.snapshot import NoSnapshot

#: How many states became bytes, and why others did not.
TAKEN: Counter[str] = Counter()

#: Another program of the same graph, by the program.
_TWINS: dict[int, tuple[Program, Program]] = {}


def twin(program: Program) -> Program:
    """Another program of the same graph."""
    if id(program) not in _TWINS:
        other = load_program(program.graph, program.hash, program.links)
        _TWINS[id(program)] = (program, other)
        _TWINS[id(other)] = (other, program)
    return _TWINS[id(program)][1]


def forget() -> None:
    """Let go of the programs of a test."""
    _TWINS.clear()


def _after(method: Callable[..., Advance]) -> Callable[..., Advance]:
    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Advance:
        advance = method(self, *args, **kwargs)
        try:
            self.look_back()
        except BaseException:
            traceback.print_exc()  # It ends the task of an attempt, of which nobody hears.
            raise
        return advance

    return call


class Snapshotted(Session):
    """Lives in snapshots."""

    begin = _after(Session.begin)
    settle = _after(Session.settle)
    attempt_failed = _after(Session.attempt_failed)
    hear = _after(Session.hear)
    fire = _after(Session.fire)
    recover = _after(Session.recover)

    def look_back(self) -> None:
        if self.finished:
            return
        try:
            data = self.snapshot()
        except NoSnapshot as refusal:
            TAKEN[str(refusal)] += 1
            return
        TAKEN["taken"] += 1
        other = Session(twin(self.program), self.run_id)
        other.adopt(data)
        again = other.snapshot()
        assert again == data, f"{again!r}\n!=\n{data!r}"
        for name in State.__slots__:
            setattr(self, name, getattr(other, name))


class Keeping(Session):
    """Keeps its snapshots, by the sequence number of the last entry in them."""

    kept: dict[int, bytes]

    begin = _after(Session.begin)
    settle = _after(Session.settle)
    attempt_failed = _after(Session.attempt_failed)
    hear = _after(Session.hear)
    fire = _after(Session.fire)

    def look_back(self) -> None:
        self.__dict__.setdefault("kept", {})
        with suppress(NoSnapshot):
            self.kept[self.seq] = self.snapshot()
