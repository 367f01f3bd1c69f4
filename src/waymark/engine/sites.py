"""What the evaluator runs at one pc of a function, linked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType

from waymark.graph.model import HIDDEN

from .flat import Op, Site


@dataclass(frozen=True, slots=True)
class LinkedSite:
    """What the evaluator runs at one pc. `free` are indices of the variables
    that `code` reaches, in the order of its free names; `target` is one too.
    `name` is the index of the variable where the code is just its name, else -1.
    `tapes` is False where the code can make no recorded call. `lazy` says that it
    may make something that does so later, wherever that is consumed."""

    op: int
    node: int
    code: CodeType | None
    free: tuple[int, ...]
    target: int
    leaves: bool
    name: int
    tapes: bool
    lazy: bool


#: Stands where nothing is ever evaluated (at a JUMP).
NOWHERE = Site(-1)


def linked_site(
    op: int,
    site: Site,
    code: CodeType | None,
    index: Mapping[str, int],
    quiet: frozenset[str],
) -> LinkedSite:
    free = tuple(index[name] for name in code.co_freevars) if code is not None else ()
    target = -1 if site.target is None else index.get(site.target, -1)
    name = -1 if site.code is None else index.get(site.code.text, -1)
    # A loop's next item may come out of a generator expression or a `map`.
    tapes = op == Op.NEXT if code is None else not _global_names(code) <= quiet
    lazy = tapes and code is not None and is_lazy(code)
    return LinkedSite(op, site.node, code, free, target, site.leaves, name, tapes, lazy)


def is_lazy(code: CodeType) -> bool:
    """Whether code that makes recorded calls may put one off: into a generator, a
    function, or an iterator such as `map`."""
    inner = {c.co_name for c in code.co_consts if isinstance(c, CodeType)}
    return bool(inner - _AT_ONCE or _LAZY & set(code.co_names)) or any(
        name.startswith(f"{HIDDEN}at_itertools_") for name in code.co_names
    )


_AT_ONCE = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
_LAZY = frozenset({"map", "filter", "iter", "zip", "enumerate"})


def _global_names(code: CodeType) -> set[str]:
    """Names that code, or code nested in it, may read from the namespace."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _global_names(constant)
    return found
