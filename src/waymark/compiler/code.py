"""Making a `Code` from a piece of tree: text that Python 3.11 parses, and a map
from its lines to the author's."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from waymark.graph.model import Code
from waymark.graph.scopes import Uses, uses
from waymark.graph.trees import place_missing, walk

from .portable import Tree, portable_text

#: What texts of statements parse to.
Trees: TypeAlias = dict[str, ast.Module]


@dataclass(slots=True)
class Piece:
    """A tree that becomes code: its nodes, each with a place of its own, and the
    names that it uses."""

    tree: Tree
    mode: Literal["eval", "exec"]
    nodes: list[ast.AST]
    used: Uses

    def code(self, variables: Collection[str], trees: Trees | None = None) -> Code:
        """The piece as code. What its text parses to is added to `trees`, where that
        had to be known."""
        text, portable = portable_text(self.tree, self.nodes)
        nodes = self.nodes if portable is self.tree else walk(portable)
        reads, writes = self.used
        return Code(
            text,
            self.mode,
            _lines(nodes, text, {} if trees is None else trees),
            tuple(sorted(reads.intersection(variables))),
            tuple(sorted(writes.intersection(variables))),
        )


def expression_piece(node: ast.expr) -> Piece:
    """One expression."""
    tree = ast.Expression(node)
    nodes = _placed(tree)
    return Piece(tree, "eval", nodes, uses(tree, nodes))


def statements_piece(body: Sequence[ast.stmt]) -> Piece:
    """Statements."""
    tree = ast.Module(body=list(body), type_ignores=[])
    nodes = _placed(tree)
    return Piece(tree, "exec", nodes, uses(tree, nodes))


def expression_code(node: ast.expr, variables: Collection[str]) -> Code:
    """`node` as code of mode `eval`."""
    return expression_piece(node).code(variables)


def statements_code(
    body: Sequence[ast.stmt], variables: Collection[str], trees: Trees | None = None
) -> Code:
    """Statements as code of mode `exec`."""
    return statements_piece(body).code(variables, trees)


def _placed(tree: Tree) -> list[ast.AST]:
    """The nodes of `tree`, each with a place of its own."""
    nodes = walk(tree)
    for node in nodes:
        if vars(node).get("end_col_offset") is None and node._attributes:
            place_missing(tree)
            break
    return nodes


def _lines(author: list[ast.AST], text: str, trees: Trees) -> tuple[int, ...]:
    """For each line of `text` the author's line, found by walking the tree that
    the text came from beside the tree that it parses to."""
    first = getattr(author[1], "lineno", 1)
    if "\n" not in text:
        return (min([vars(node).get("lineno", first) for node in author[1:]]),)
    again = trees[text] = ast.parse(text)
    found: dict[int, int] = {}
    for old, new in zip(author, walk(again), strict=False):
        line = getattr(new, "lineno", None)
        if type(old) is not type(new):
            break
        if line is not None:
            found[line] = min(found.get(line, 1 << 30), getattr(old, "lineno", first))
    lines: list[int] = []
    for number in range(1, text.count("\n") + 2):
        lines.append(found.get(number, lines[-1] if lines else first))
    return tuple(lines)
