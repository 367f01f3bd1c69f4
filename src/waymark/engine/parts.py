"""What a session consists of between two inputs: what a snapshot is taken of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from .effects import Start
    from .evaluator import Evaluator
    from .outcomes import Command, Entry, Recorded
    from .program import Program
    from .straight import Straight

#: Never changed: what is heard or cancelled first replaces them.
_NONE_HEARD: dict[str, int] = {}
_NO_CANCELS: Mapping[int, int] = {}


class Parts(NamedTuple):
    """See `State`. One of the last two is None."""

    seq: int
    began_ns: int
    heard: dict[str, int]
    cancels: Mapping[int, int]
    effects: dict[int, Start]
    straight: Straight | None
    evaluator: Evaluator | None

    @property
    def weight(self) -> int:
        """How many calls and tasks it holds, about: those of a wide gather, over or not, and
        what else is awaited. What it costs to write it down goes by this."""
        machine = None if self.evaluator is None else self.evaluator.machine
        return (
            len(self.effects) if machine is None else max(len(self.effects), len(machine.futures))
        )


class State:
    """What a session knows."""

    # Slots, all set at once: a class whose instances get attributes one by one later gives
    # each a dict of its own once there are many, and a default of the class is slow to read.
    __slots__ = (
        "_began_ns",
        "_cancels",
        "_commands",
        "_effects",
        "_entries",
        "_evaluator",
        "_expected",
        "_straight",
        "finished",
        "heard",
        "program",
        "run_id",
        "seq",
    )

    def __init__(self, program: Program, run_id: UUID) -> None:
        self.program = program
        self.run_id = run_id
        #: Sequence number of the last entry made or fed.
        self.seq = 0
        self.finished = False
        self._began_ns = 0
        #: The commands that ask for the pending effects.
        self._effects: dict[int, Start] = {}
        #: What the input under way has made so far; None between inputs, as most runs
        #: in memory only wait.
        self._entries: list[Entry] | None = None
        self._commands: list[Command] | None = None
        #: What recovery still has to feed, the next entry last; None otherwise.
        self._expected: list[Recorded] | None = None
        #: Keys of messages that were heard, with the entry that says so.
        self.heard: dict[str, int] = _NONE_HEARD
        #: How often each child was asked to cancel itself.
        self._cancels: Mapping[int, int] = _NO_CANCELS
        #: The first holds the run until it needs the second.
        self._straight: Straight | None = None
        self._evaluator: Evaluator | None = None

    @property
    def parts(self) -> Parts:
        """This session between two inputs."""
        kept = self.seq, self._began_ns, self.heard, self._cancels, self._effects
        return Parts(*kept, self._straight, self._evaluator)
