"""What the evaluator runs at one pc of a function, linked."""

from __future__ import annotations

from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING

from waymark.graph.model import HIDDEN

if TYPE_CHECKING:
    from .pieces import Piece


@dataclass(slots=True)
class LinkedSite:
    """What the evaluator runs at one pc. `target` is the index of a variable. `name`
    is one where the code is just that variable's name, else -1.

    `code` is made of `piece` when it is first run. `free` are then the indices of the
    variables that it reaches, in the order of its free names, and `tapes` is False where
    it can make no recorded call."""

    op: int
    node: int
    target: int
    leaves: bool
    name: int
    tapes: bool
    piece: Piece | None
    code: CodeType | None = None
    free: tuple[int, ...] = ()

    def bound(self) -> CodeType | None:
        """The code, made when there is none yet; None where there is none to make.
        Raises UncompilableCode."""
        if self.code is None and self.piece is not None:
            self.piece.bind(self)
        return self.code


class Taping:
    """Whether something may put off its recorded calls. Then any code may come to make
    them: it need only iterate over what it was given. Until the code that does so has
    been made nothing of it can be under way, so the sites learn of it then."""

    def __init__(self, anywhere: bool) -> None:
        self.anywhere = anywhere
        self.sites: list[LinkedSite] = []

    def join(self, site: LinkedSite) -> None:
        """Tell `site`, now or when it is known."""
        self.sites.append(site)
        site.tapes |= self.anywhere

    def spread(self) -> None:
        """Code is made that puts recorded calls off."""
        if not self.anywhere:
            self.anywhere = True
            for site in self.sites:
                site.tapes = True


def is_lazy(code: CodeType) -> bool:
    """Whether code that makes recorded calls may put one off: into a generator, a
    function, or an iterator such as `map`."""
    inner = {c.co_name for c in code.co_consts if isinstance(c, CodeType)}
    return bool(inner - _AT_ONCE or _LAZY & set(code.co_names)) or any(
        name.startswith(f"{HIDDEN}at_itertools_") for name in code.co_names
    )


_AT_ONCE = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
_LAZY = frozenset({"map", "filter", "iter", "zip", "enumerate"})


def global_names(code: CodeType) -> set[str]:
    """Names that code, or code nested in it, may read from the namespace."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= global_names(constant)
    return found
