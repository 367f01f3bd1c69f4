"""One call of a function under way: its variables and what it is in the midst of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat, starmap
from types import CellType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .program import LinkedFunction
    from .sites import LinkedSite

_END_OF_ITERATION = object()


class Frame:
    """One call of a function, `nested` when another frame awaits it directly.
    `handling` are the exceptions being handled, the innermost last; `iterators`
    those of the loops under way, by node; `captured` the cells that a local function
    shares with the frame around it."""

    __slots__ = ("cells", "function", "handling", "iterators", "nested", "result")

    def __init__(
        self,
        function: LinkedFunction,
        values: tuple[Any, ...],
        nested: bool = False,
        captured: tuple[CellType, ...] = (),
    ) -> None:
        cells = list(map(CellType, values))
        unbound = len(function.variables) - len(values)
        if unbound:
            cells.extend(starmap(CellType, repeat((), unbound)))
        if captured:
            cells.extend(captured)
        self.cells = cells
        self.function = function
        self.nested = nested
        self.handling: Sequence[BaseException] = ()
        self.iterators: dict[int, Any] | None = None
        self.result: Any = None

    def iterate(self, site: LinkedSite, iterable: Any) -> None:
        """Begin a loop."""
        if self.iterators is None:
            self.iterators = {}
        self.iterators[site.node] = iter(iterable)

    def next_item(self, site: LinkedSite) -> bool:
        """Bind a loop's next item; False when there is none."""
        assert self.iterators is not None
        item = next(self.iterators[site.node], _END_OF_ITERATION)
        if item is _END_OF_ITERATION:
            del self.iterators[site.node]
            return False
        self.cells[site.target].cell_contents = item
        return True
