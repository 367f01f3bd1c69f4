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
