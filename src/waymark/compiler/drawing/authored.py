"""The author's text of a function, and which of its awaits became which node.

A graph keeps the source of each function, and each node its place in it. Here
both are joined again: the text is parsed (never executed), and a node is found
by its place. A text that is not there, that this Python cannot parse, or that
does not have the function's awaits at their places is not used (`None`): then
the nodes themselves are drawn.
"""

from __future__ import annotations

import ast

from waymark.graph.model import Await, Function, walk

from .words import clean, one_line, without_comments

_Place = tuple[int, int, int, int]


def authored_of(function: Function) -> Authored | None:
    """The author's text of `function` where it can be used."""
    indented = function.source[:1].isspace()
    try:
        tree = ast.parse("if 1:\n" + function.source if indented else function.source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.If) else tree.body
    if len(body) != 1 or not isinstance(body[0], ast.AsyncFunctionDef):
        return None
    found = Authored(function, body[0], lines_before=1 if indented else 0)
    return found if found.holds_every_node() else None


class Authored:
    """One function as its author wrote it."""

    def __init__(
        self,
        function: Function,
        definition: ast.AsyncFunctionDef,
        lines_before: int,
    ) -> None:
        self.function = function
        self.definition = definition
        self._lines = function.source.split("\n")
        self._shift = function.first_line - 1 - lines_before
        self._awaits: dict[_Place, Await] = {}
        for node in walk(function.body):
            if isinstance(node, Await):
                span = node.span
                place = (span.line, span.column, span.end_line, span.end_column)
                self._awaits.setdefault(place, node)

    @property
    def receiver(self) -> str:
        """What the author calls `self`; empty where there is none."""
        arguments = [*self.definition.args.posonlyargs, *self.definition.args.args]
        return arguments[0].arg if self.function.method and arguments else ""

    def holds_every_node(self) -> bool:
        """Whether each await of the graph stands in a statement of the text."""
        places = [self._place(statement) for statement in self.definition.body]
        return all(
            any(place[:2] <= at[:2] and at[2:] <= place[2:] for place in places)
            for at in self._awaits
        )

    def node(self, expression: ast.Await) -> Await | None:
        """The node that `expression` became."""
        return self._awaits.get(self._place(expression))

    def line(self, node: ast.stmt | ast.expr | ast.excepthandler | ast.pattern) -> int:
        """The line of the author's file."""
        return node.lineno + self._shift

    def keyword_line(self, word: str, first: ast.stmt) -> int:
        """The line of the `else` or `finally` before the statement that it begins
        with: the parser keeps no place for it."""
        line = self.line(first)
        for number in range(line, self.function.first_line, -1):
            if self._lines[number - self.function.first_line].lstrip().startswith(word):
                return number
        return line

    # Text

    def text(self, first: ast.AST, last: ast.AST | None = None) -> str:
        """The code from the beginning of `first` to the end of `last`, on one line."""
        start, end = self._place(first), self._place(last or first)
        return one_line(self._slice(start[:2], end[2:]))

    def holed(self, statement: ast.AST, first: ast.AST, last: ast.AST) -> str:
        """The code of `statement` with a `…` in place of what is drawn apart."""
        whole = self._place(statement)
        before = self._slice(whole[:2], self._place(first)[:2])
        after = self._slice(self._place(last)[2:], whole[2:])
        return one_line(f"{before}…{after}").replace(", …", " …").replace("(, ", "(")

    def between(self, before: ast.AST, last: ast.AST) -> str:
        """The code after `before`, to the end of `last`."""
        return one_line(self._slice(self._place(before)[2:], self._place(last)[2:]))

    def block(self, statement: ast.stmt) -> list[str]:
        """The lines of a statement that holds others, without the indentation that
        it stands in, without comments and empty lines."""
        line, column, end_line, end_column = self._place(statement)
        code = without_comments(self._slice((line, 0), (end_line, end_column)))
        lines = [each.rstrip() for each in code.split("\n") if each.strip()]
        return [clean(each if each[:column].strip() else each[column:]) for each in lines]

    def _slice(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        first, last = start[0] - self.function.first_line, end[0] - self.function.first_line
        lines = self._lines[first : last + 1]
        if not lines:
            return ""
        lines[-1] = lines[-1][: end[1]]
        lines[0] = lines[0][start[1] :]
        return "\n".join(lines)

    def _place(self, node: ast.AST) -> _Place:
        line, end_line = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
        return (
            line + self._shift,
            self._characters(line, getattr(node, "col_offset", 0)),
            end_line + self._shift,
            self._characters(end_line, getattr(node, "end_col_offset", 0)),
        )

    def _characters(self, line: int, column_bytes: int) -> int:
        """The parser counts bytes, a span characters."""
        index = line + self._shift - self.function.first_line
        text = self._lines[index] if 0 <= index < len(self._lines) else ""
        return len(text.encode()[:column_bytes].decode(errors="replace"))
