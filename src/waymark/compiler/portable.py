"""Text of code that every supported Python parses.

Since 3.12 an f-string may hold anything inside its braces, and `ast.unparse`
makes use of that. A graph may be compiled there and loaded by 3.11, where an
expression inside an f-string has neither the string's own quotes nor a
backslash. So f-strings are written here: as they are where 3.11 can read them,
else in parts, which are evaluated in the same order:

    f"{a}{x['\\n']!r:>{w}}"   ->   ''.join([f"{a}", '{!r:{}}'.format(x['\\n'], f">{w}")])
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from waymark.graph.model import HIDDEN
from waymark.graph.trees import copied, walk

Tree: TypeAlias = ast.Expression | ast.Module

_CONVERSIONS = {-1: "", ord("a"): "!a", ord("r"): "!r", ord("s"): "!s"}


def portable_text(tree: Tree, nodes: Iterable[ast.AST]) -> tuple[str, Tree]:
    """The text of `tree`, whose `nodes` these are, and a tree of the shape that the
    text parses to, whose nodes stand where the author's did."""
    if ast.JoinedStr not in map(type, nodes):
        return ast.unparse(tree), tree
    portable = _Splitter().visit(copied(tree))
    ast.fix_missing_locations(portable)
    marked = _Marker(_unused_name(portable))
    text = ast.unparse(marked.visit(copied(portable)))
    for name, string in marked.written.items():
        text = text.replace(name, string)
    return text, portable


def _unused_name(tree: ast.AST) -> str:
    """A name that is part of no text in `tree`. As a name it is the compiler's."""
    name = f"{HIDDEN}text_"
    values = [node.value for node in walk(tree) if isinstance(node, ast.Constant)]
    while any(name in str(value) for value in values):
        name += "_"
    return name


class _Splitter(ast.NodeTransformer):
    """Takes apart the f-strings that 3.11 could not read, innermost first."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        # A format specification is part of the string around it.
        if not isinstance(node, ast.JoinedStr) or getattr(node, "specification", False):
            return node
        return node if written(node) is not None else _split(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        if node.format_spec is not None:
            vars(node.format_spec)["specification"] = True
        return self.generic_visit(node)


class _Marker(ast.NodeTransformer):
    """Puts names in the places of f-strings, whose text comes from here."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.written: dict[str, str] = {}

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        text = written(node)
        assert text is not None, "what cannot be written was split"
        name = f"{self.prefix}{len(self.written)}_"
        self.written[name] = text
        return ast.copy_location(ast.Name(name, ast.Load()), node)


def written(node: ast.JoinedStr) -> str | None:
    """The f-string as text that 3.11 reads, None when there is none."""
    inner = _inside(node.values)
    return None if inner is None else f'f"{inner}"'


def _inside(values: Sequence[ast.expr]) -> str | None:
    parts: list[str] = []
    for value in values:
        part = _field(value) if isinstance(value, ast.FormattedValue) else _literal(value)
        if part is None:
            return None
        parts.append(part)
    return "".join(parts)


def _literal(node: ast.expr) -> str | None:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    return "".join(map(_character, node.value))


def _character(character: str) -> str:
    match character:
        case "'":
            return character
        case '"':
            return '\\"'
        case "{" | "}":
            return character * 2
        case _:
            return repr(character)[1:-1]


def _field(node: ast.FormattedValue) -> str | None:
    if any(isinstance(inner, ast.JoinedStr) for inner in walk(node.value)):
        return None
    text = ast.unparse(node.value)
    if any(character in text for character in '"\\#\n'):
        return None
    if isinstance(node.value, (ast.Lambda, ast.NamedExpr, ast.IfExp)):
        text = f"({text})"
    specification = ""
    if node.format_spec is not None:
        assert isinstance(node.format_spec, ast.JoinedStr)
        inner = _inside(node.format_spec.values)
        if inner is None or "\\" in inner:
            return None
        specification = f":{inner}"
    space = " " if text.startswith("{") else ""
    return f"{{{space}{text}{_CONVERSIONS[node.conversion]}{specification}}}"


def _split(node: ast.JoinedStr) -> ast.expr:
    """The same text from parts; a single field needs no joining."""
    parts = [_part(value) for value in node.values]
    if len(parts) == 1:
        return parts[0]
    joined = _located(ast.List(parts, ast.Load()), node)
    method = _located(ast.Attribute(_constant("", node), "join", ast.Load()), node)
    return _located(ast.Call(method, [joined], []), node)


def _part(value: ast.expr) -> ast.expr:
    if not isinstance(value, ast.FormattedValue):
        return value
    alone = ast.copy_location(ast.JoinedStr([value]), value)
    if written(alone) is not None:
        return alone
    conversion = _CONVERSIONS[value.conversion]
    template, arguments = f"{{{conversion}}}", [value.value]
    if value.format_spec is not None:
        assert isinstance(value.format_spec, ast.JoinedStr)
        specification = value.format_spec
        template = f"{{{conversion}:{{}}}}"
        split = written(specification) is None
        arguments.append(_split(specification) if split else specification)
    method = _located(ast.Attribute(_constant(template, value), "format", ast.Load()), value)
    return _located(ast.Call(method, arguments, []), value)


def _constant(text: str, where: ast.AST) -> ast.expr:
    return _located(ast.Constant(text), where)


def _located(node: ast.expr, where: ast.AST) -> ast.expr:
    return ast.copy_location(node, where)
