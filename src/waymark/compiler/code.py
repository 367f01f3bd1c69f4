"""Making a `Code` from a piece of tree: text that Python 3.11 parses, and a map
from its lines to the author's."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from waymark.graph.model import Code
from waymark.graph.scopes import uses
from waymark.graph.trees import place_missing, walk

from .portable import Tree, portable_text


def expression_code(node: ast.expr, variables: Collection[str]) -> Code:
    """`node` as code of mode `eval`."""
    return _code(ast.Expression(node), "eval", [node], variables)


def statements_code(body: Sequence[ast.stmt], variables: Collection[str]) -> Code:
    """Statements as code of mode `exec`."""
    tree = ast.Module(body=list(body), type_ignores=[])
    return _code(tree, "exec", list(body), variables)


def _code(
    tree: Tree,
    mode: str,
    parts: Sequence[ast.AST],
    variables: Collection[str],
) -> Code:
    text, tree = portable_text(place_missing(tree))
    again = ast.parse(text, mode=mode)
    reads, writes = uses(again)
    return Code(
        text,
        "eval" if mode == "eval" else "exec",
        _lines(tree, again, text, getattr(parts[0], "lineno", 1)),
        tuple(sorted(reads.intersection(variables))),
        tuple(sorted(writes.intersection(variables))),
    )


def _lines(author: ast.AST, again: ast.AST, text: str, first: int) -> tuple[int, ...]:
    """For each line of `text` the author's line, found by walking the tree that
    the text came from beside the tree that it parses to."""
    if "\n" not in text:
        return (min([getattr(node, "lineno", first) for node in walk(author)[1:]], default=first),)
    found: dict[int, int] = {}
    for old, new in zip(walk(author), walk(again), strict=False):
        line = getattr(new, "lineno", None)
        if type(old) is not type(new):
            break
        if line is not None:
            found[line] = min(found.get(line, 1 << 30), getattr(old, "lineno", first))
    lines: list[int] = []
    for number in range(1, text.count("\n") + 2):
        lines.append(found.get(number, lines[-1] if lines else first))
    return tuple(lines)
