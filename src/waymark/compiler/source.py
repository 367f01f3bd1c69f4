"""Finding the author's source of a function, and making sure that it is his.

Source comes from `linecache`, so that notebooks and zip files work. It may be
another than what the running function was compiled from (a file saved since the
import); so the text is compiled again and its code compared with the function's.
"""

from __future__ import annotations
import __future__

import ast
import functools
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TypeAlias

from waymark.graph.model import Span
from waymark.graph.trees import statements, walk

from .diagnostics import Diagnostic

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

#: What `from __future__` imports leave in a function: a notebook's cells inherit
#: those of earlier cells, which the text of the cell does not show.
_FUTURE_FLAGS: int = sum(
    {getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}
)

#: pytest rewrites `assert` in test modules; this name gives it away.
_REWRITTEN = "@pytest_ar"

#: What is given to `exec` without a name is called so, and so is the text of `python -c`,
#: which `linecache` has since Python 3.13: it may be another one.
_NAMELESS = "<string>"


class SourceProblem(Exception):
    """There is no source that can be trusted; carries the diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


@dataclass(frozen=True, slots=True)
class Source:
    """A function's definition in its file. `lines` are the whole file's, without
    line ends; `node` belongs to a shared tree and must not be changed."""

    path: str
    lines: tuple[str, ...]
    node: Definition

    @property
    def first_line(self) -> int:
        """Line of the definition, or of its first decorator."""
        return _first_line(self.node)

    @property
    def text(self) -> str:
        """The definition's own lines."""
        end = self.node.end_lineno or self.node.lineno
        return "\n".join(self.lines[self.first_line - 1 : end])

    def span(self, node: ast.AST) -> Span:
        """Where `node` stands, in characters (the parser counts bytes)."""
        line = getattr(node, "lineno", self.node.lineno)
        end_line = getattr(node, "end_lineno", None) or line
        start = self._characters(line, getattr(node, "col_offset", 0))
        end = self._characters(end_line, getattr(node, "end_col_offset", None) or 0)
        return Span(line, start, end_line, end)

    def _characters(self, line: int, column_bytes: int) -> int:
        if not 0 < line <= len(self.lines):
            return column_bytes
        text = self.lines[line - 1]
        if text.isascii():
            return min(column_bytes, len(text))
        return len(text.encode()[:column_bytes].decode(errors="replace"))

    def diagnostic(self, node: ast.AST, code: str, message: str, hint: str) -> Diagnostic:
        span = self.span(node)
        text = self.lines[span.line - 1] if span.line <= len(self.lines) else ""
        return Diagnostic(
            code,
            message,
            hint,
            self.path,
            span.line,
            span.column + 1,
            span.end_line,
            span.end_column + 1,
            text,
        )


def find_source(function: FunctionType) -> Source:
    """The definition of a `def` or an `async def`. Raises SourceProblem."""
    code = function.__code__
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    if not text:
        raise SourceProblem(_missing(function))
    try:
        file = _parse(text, code.co_filename, code.co_flags & _FUTURE_FLAGS)
    except SyntaxError:
        raise SourceProblem(_changed(function)) from None
    place = (code.co_name, code.co_firstlineno)
    lambdas = _lambdas(file.tree, code) if code.co_name == "<lambda>" else ()
    found = (*lambdas, *file.definitions.get(place, ()))
    if not found:
        raise SourceProblem(_changed(function))
    node = found[0]
    rewritten = _REWRITTEN in function.__globals__ and _asserts(node)
    if not rewritten and not any(_same(code, other) for other in file.codes.get(place, ())):
        raise SourceProblem(_changed(function))
    return Source(code.co_filename, file.lines, node)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was parsed and compiled; definitions and code objects by their
    name and first line."""

    tree: ast.Module
    lines: tuple[str, ...]
    definitions: dict[tuple[str, int], list[Definition]]
    codes: dict[tuple[str, int], list[CodeType]]


@functools.lru_cache(maxsize=64)
def _parse(text: str, path: str, flags: int) -> _File:
    tree = ast.parse(text, path)
    file = _File(tree, tuple(text.splitlines()), {}, {})
    for node in statements(tree):
        if isinstance(node, Definition):
            file.definitions.setdefault((node.name, _first_line(node)), []).append(node)
    for code in _codes(compile(tree, path, "exec", flags=flags, dont_inherit=True)):
        file.codes.setdefault((code.co_name, code.co_firstlineno), []).append(code)
    return file


def forget_sources() -> None:
    """Parse every file anew when it is next asked for."""
    _parse.cache_clear()


def parsed_module(path: str, text: str) -> ast.Module | None:
    """The tree of a whole file, None where it does not parse."""
    try:
        return _parse(text, path, 0).tree
    except (SyntaxError, ValueError):
        return None


def _lambdas(tree: ast.AST, code: CodeType) -> Iterator[ast.FunctionDef]:
    """The lambda that `code` was compiled from, as a definition. Several may stand
    on one line, so the place of the body decides."""
    places = set(code.co_positions())
    for node in walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            body = node.body
            place = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
            if place in places:
                made = ast.FunctionDef("_lambda", node.args, [ast.Return(body)], [])
                ast.copy_location(made.body[0], body)
                yield ast.copy_location(made, node)


def _first_line(node: Definition) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _asserts(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Assert) for inner in walk(node))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects come from the same text at the same place."""
    return (
        one.co_name == other.co_name
        and one.co_firstlineno == other.co_firstlineno
        and one.co_code == other.co_code
        and one.co_names == other.co_names
        and one.co_varnames == other.co_varnames
        and one.co_freevars == other.co_freevars
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_same_constant, one.co_consts, other.co_consts))
    )


def _same_constant(one: object, other: object) -> bool:
    if isinstance(one, CodeType):
        return isinstance(other, CodeType) and _same(one, other)
    # `repr` tells 1 from True and 0.0 from -0.0, which `==` does not.
    return type(one) is type(other) and repr(one) == repr(other)


def _missing(function: FunctionType) -> Diagnostic:
    return _problem(
        function.__code__,
        "WM101",
        f"the source of `{function.__qualname__}` cannot be found",
        "define the workflow in a file or a notebook cell, not in text given to `exec`",
    )


def _changed(function: FunctionType) -> Diagnostic:
    code = function.__code__
    if code.co_filename == _NAMELESS:
        return _missing(function)
    text = linecache.getline(code.co_filename, code.co_firstlineno).rstrip("\n")
    return _problem(
        code,
        "WM102",
        f"the file no longer holds the `{code.co_name}` that was imported",
        "restart the process, so that file and function agree",
        text,
    )


def _problem(code: CodeType, number: str, message: str, hint: str, text: str = "") -> Diagnostic:
    line = code.co_firstlineno
    return Diagnostic(
        number, message, hint, code.co_filename, line, 1, line, max(2, len(text) + 1), text
    )
