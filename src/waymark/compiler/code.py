"""Making a `Code` from a piece of tree: text that Python 3.11 parses, and a map
from its lines to the author's."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from typing import Literal

from waymark.graph.model import Code
from waymark.graph.scopes import Uses, uses
from waymark.graph.trees import place_missing, walk

from .portable import Tree, portable_text


def expression_code(node: ast.expr, variables: Collection[str], used: Uses | None = None) -> Code:
    """`node` as code of mode `eval`; `used` are its `uses`, where they are known."""
    tree = ast.Expression(node)
    return _code(tree, "eval", getattr(node, "lineno", 1), variables, used or uses(tree))


def statements_code(
    body: Sequence[ast.stmt], variables: Collection[str], used: Uses | None = None
) -> Code:
    """Statements as code of mode `exec`; `used` are their `uses`, where they are known."""
    tree = ast.Module(body=list(body), type_ignores=[])
    return _code(tree, "exec", getattr(body[0], "lineno", 1), variables, used or uses(tree))


def _code(
    tree: Tree, mode: Literal["eval", "exec"], first: int, variables: Collection[str], used: Uses
) -> Code:
    nodes = _placed(tree)
    text, portable = portable_text(tree, nodes)
    reads, writes = used
    return Code(
        text,
        mode,
        _lines(nodes if portable is tree else walk(portable), text, mode, first),
        tuple(sorted(reads.intersection(variables))),
        tuple(sorted(writes.intersection(variables))),
    )


def _placed(tree: Tree) -> list[ast.AST]:
    """The nodes of `tree`, each with a place of its own."""
    nodes = walk(tree)
    for node in nodes:
        if vars(node).get("end_col_offset") is None and node._attributes:
            place_missing(tree)
            break
    return nodes


def _lines(author: list[ast.AST], text: str, mode: str, first: int) -> tuple[int, ...]:
    """For each line of `text` the author's line, found by walking the tree that
    the text came from beside the tree that it parses to."""
    if "\n" not in text:
        return (min([vars(node).get("lineno", first) for node in author[1:]], default=first),)
    found: dict[int, int] = {}
    for old, new in zip(author, walk(ast.parse(text, mode=mode)), strict=False):
        line = getattr(new, "lineno", None)
        if type(old) is not type(new):
            break
        if line is not None:
            found[line] = min(found.get(line, 1 << 30), getattr(old, "lineno", first))
    lines: list[int] = []
    for number in range(1, text.count("\n") + 2):
        lines.append(found.get(number, lines[-1] if lines else first))
    return tuple(lines)
