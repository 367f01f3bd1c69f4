"""What a session consists of between two inputs: what a snapshot is taken of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .effects import Start
    from .evaluator import Evaluator
    from .straight import Straight


class Parts(NamedTuple):
    """See `Session`. One of the last two is None."""

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
