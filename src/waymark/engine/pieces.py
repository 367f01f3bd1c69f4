"""The code of a function, made piece by piece as runs come to it.

A graph that was loaded is checked whole. Making code of it costs more than all else, and
most of it is not needed soon, or never: so a piece of text is parsed, given its guards
and compiled when a run first comes to where it stands. Nothing that is checked changes
meanwhile: what is compiled is the text that was checked, over names that are linked.

Two things are not put off. What this process may be unable to bind, so that it cannot
serve the graph, is bound when the graph is loaded: paths of the library, the classes in
patterns, long code, which may be nested too deeply. And a snapshot is read or written
over all code, since its values refer to it.

Text that parses and passes the checks, but that Python does not compile (a `break` with
no loop), is no compiler's work; a run that comes to it is quarantined.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from types import CodeType

from waymark.errors import GraphError
from waymark.graph.model import HIDDEN, Code, Function
from waymark.graph.operations import ATTRIBUTES, METHODS

from .binding import definition, no_arguments
from .flat import FlatFunction, Op, Site
from .guarded import GuardInserter
from .sites import LinkedSite, Taping, global_names, is_lazy
from .wrapping import around, code_constants, renamed, set_lines

#: Names with a dot behind them.
_DOTTED = re.compile(r"(\w+)\.")
#: Builtins whose attributes are looked up when code is bound.
_OWNERS = frozenset({*METHODS, *ATTRIBUTES})

#: Characters of code that may be nested too deeply for the guards to be put in.
LONG = 400

#: Stands where nothing is ever evaluated (at a JUMP).
_NOWHERE = Site(-1)


class UncompilableCode(GraphError):
    """A run came to code of its stored graph that Python does not compile, so the row was
    edited."""


class Piece:
    """One text of a function, which several sites may share."""

    __slots__ = ("_code", "_name", "_pieces", "_text")

    def __init__(self, pieces: Pieces, name: str, text: Code) -> None:
        self._pieces = pieces
        self._name = name
        self._text = text
        self._code: CodeType | None = None

    def bind(self, site: LinkedSite) -> None:
        """Give `site` its code."""
        pieces = self._pieces
        if self._code is None:
            self._code = pieces.compiled(self._name, self._text)
        code = site.code = self._code
        site.free = tuple([pieces.index[name] for name in code.co_freevars])
        tapes = not global_names(code) <= pieces.quiet
        if tapes and is_lazy(code):
            pieces.taping.spread()
        site.tapes = tapes or pieces.taping.anywhere


class Pieces:
    """What makes the code of one function. `variables` are all that its code may reach;
    `quiet` are global names that lead to no recorded call."""

    def __init__(
        self,
        function: Function,
        variables: tuple[str, ...],
        filename: str,
        quiet: frozenset[str],
        inserter: Callable[[], GuardInserter],
        taping: Taping,
    ) -> None:
        self.function = function
        self.index = {name: i for i, name in enumerate(variables)}
        self.filename = filename
        self.quiet = quiet
        self.inserter = inserter
        self.taping = taping
        self._heads = _OWNERS | {
            name
            for name, entry in function.names.items()
            if entry.kind == "stdlib" and entry.ref != "asyncio"
        }

    def sites(self, flat: FlatFunction) -> tuple[LinkedSite, ...]:
        """The sites of the function's flat form, by pc."""
        found: dict[tuple[int, str], Piece] = {}
        sites = [
            self._site(op, site or _NOWHERE, found)
            for op, site in zip(flat.ops, flat.sites, strict=True)
        ]
        return tuple(sites)

    def _site(self, op: int, site: Site, found: dict[tuple[int, str], Piece]) -> LinkedSite:
        target = -1 if site.target is None else self.index.get(site.target, -1)
        text = site.code
        if text is None:
            # A loop's next item may come out of a generator expression or a `map`.
            made = LinkedSite(op, site.node, target, site.leaves, -1, op == Op.NEXT, None)
            self.taping.join(made)
            return made
        key = (site.node, text.text)
        piece = found.get(key)
        if piece is None:
            piece = found[key] = Piece(self, f"{HIDDEN}{len(found)}", text)
        name = self.index.get(text.text, -1)
        made = LinkedSite(op, site.node, target, site.leaves, name, name < 0, piece)
        self.taping.join(made)
        if len(text.text) > LONG or self._may_be_missing(text.text):
            made.bound()
        return made

    def _may_be_missing(self, text: str) -> bool:
        """Whether code names something that this process may lack. What a run uses of
        asyncio is ours."""
        return "case " in text or not self._heads.isdisjoint(_DOTTED.findall(text))

    def compiled(self, name: str, code: Code) -> CodeType:
        """The code object of a piece. Raises UncompilableCode."""
        try:
            return self._compiled(name, code)
        except (SyntaxError, UnicodeError, RecursionError, MemoryError) as error:
            where = f"the graph's code of `{self.function.name}` cannot be compiled"
            raise UncompilableCode(f"{where}: {error}") from error

    def _compiled(self, name: str, code: Code) -> CodeType:
        function, guard = self.function, self.inserter()
        if code.mode == "eval":
            value = guard.visit(ast.parse(code.text, mode="eval").body)
            body: list[ast.stmt] = [ast.Return(value)]
        else:
            body = [guard.visit(statement) for statement in ast.parse(code.text).body]
        if code.writes:
            body.insert(0, ast.Nonlocal([*code.writes]))
        wrapped = definition(name, no_arguments(), body)
        set_lines(wrapped, code.lines, function.first_line)
        compiled = compile(around(self.index, wrapped), self.filename, "exec", dont_inherit=True)
        inner = code_constants(code_constants(compiled)["outer"])
        return renamed(inner[name], function.name)
