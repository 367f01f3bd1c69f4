"""One call of a function under way: its variables and what it is in the midst of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat, starmap
from types import CellType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .program import LinkedFunction


class Frame:
    """One call of a function, `nested` when another frame awaits it directly.
    `handling` are the exceptions being handled, the innermost last; `iterators`
    those of the loops under way, by node."""

    __slots__ = ("cells", "function", "handling", "iterators", "nested", "result")

    def __init__(
        self, function: LinkedFunction, values: tuple[Any, ...], nested: bool = False
    ) -> None:
        cells = list(map(CellType, values))
        cells.extend(starmap(CellType, repeat((), len(function.variables) - len(values))))
        self.cells = cells
        self.function = function
        self.nested = nested
        self.handling: Sequence[BaseException] = ()
        self.iterators: dict[int, Any] | None = None
        self.result: Any = None
