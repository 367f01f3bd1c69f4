"""How a walk treats each class of nodes, decided once for each class."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Generic, TypeVar

from .grammar import UNDECIDED
from .trees import FIELDS

V = TypeVar("V")


class Visits(dict[type, "Callable[[V, Any], None] | None"], Generic[V]):
    """What to call for a node, by its class; None where there is nothing to look at.

    `special` are the rules of classes that have some, `below` visits what stands below
    any other. A class that the grammar does not know whole is given to `known` first,
    which reports what is odd and says whether to go on.
    """

    def __init__(
        self,
        special: Mapping[type, Callable[[V, Any], None]],
        below: Callable[[V, ast.AST], None],
        known: Callable[[V, ast.AST], bool],
    ) -> None:
        # Some lists of nodes have gaps.
        super().__init__({NoneType: None})
        self._special = special
        self._below = below
        self._known = known

    def __missing__(self, kind: type[ast.AST]) -> Callable[[V, Any], None] | None:
        visit = self._special.get(kind, self._below)
        if UNDECIDED[kind] != ():
            self[kind] = self._in_doubt(visit)
        else:
            self[kind] = visit if kind in self._special or FIELDS[kind] else None
        return self[kind]

    def _in_doubt(self, visit: Callable[[V, Any], None]) -> Callable[[V, ast.AST], None]:
        def known_first(walk: V, node: ast.AST) -> None:
            if self._known(walk, node):
                visit(walk, node)

        return known_first
