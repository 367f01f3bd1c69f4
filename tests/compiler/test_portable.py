"""Text of f-strings: the same value on every Python, whatever wrote it."""

from __future__ import annotations

import ast
import string
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.compiler.portable import portable_text
from waymark.graph.check import check_code

VALUES = {
    "x": {"a": "A'\"{}\\\n", "it's": 1, "a\n": 2, '"': 3},
    "n": 7,
    "w": 9,
    "s": "a\\b",
    "rows": ["p", "q"],
}


def field(expression: str, conversion: int = -1, spec: list[ast.expr] | None = None) -> ast.expr:
    """A field of an f-string, built by hand: 3.11 cannot parse all of them."""
    value = ast.parse(expression, mode="eval").body
    return ast.FormattedValue(value, conversion, ast.JoinedStr(spec) if spec else None)


def literal(text: str) -> ast.expr:
    return ast.Constant(text)


def nested(*values: ast.expr) -> ast.expr:
    return ast.FormattedValue(ast.JoinedStr(list(values)), -1, None)


#: The parts of an f-string, and what is written for it.
STRINGS: list[tuple[list[ast.expr], str]] = [
    ([field("n")], 'f"{n}"'),
    ([literal("a "), field("x['a']")], "f\"a {x['a']}\""),
    ([field("n", ord("r"), [literal(">"), field("w")])], 'f"{n!r:>{w}}"'),
    ([field("n", -1, [literal("05d")]), literal("%")], 'f"{n:05d}%"'),
    ([literal('it\'s "{}"\n\\'), field("n")], 'f"it\'s \\"{{}}\\"\\n\\\\{n}"'),
    ([field("{1: 2}")], 'f"{ {1: 2}}"'),
    ([field("n if w else s")], 'f"{(n if w else s)}"'),
    ([field("(lambda: n)()")], 'f"{(lambda: n)()}"'),
    ([field("n != w")], 'f"{n != w}"'),
    ([field('x["it\'s"]')], "'{}'.format(x[\"it's\"])"),
    ([field("x['a\\n']")], "'{}'.format(x['a\\n'])"),
    ([field("'\\n'.join(rows)"), literal("!")], "''.join(['{}'.format('\\n'.join(rows)), '!'])"),
    ([nested(field("x['a']"))], "'{}'.format(f\"{x['a']}\")"),
    (
        [field("n"), field("x['\"']", ord("r"), [literal(">"), field("w")])],
        "''.join([f\"{n}\", '{!r:{}}'.format(x['\"'], f\">{w}\")])",
    ),
    ([field("n", -1, [field("'\\\\\\\\'[:0]"), literal("3")])], ""),
    ([field("s.replace('\\\\', '/')"), field("'#'"), field("'é'")], ""),
]


@pytest.mark.parametrize(("values", "expected"), STRINGS, ids=range(len(STRINGS)))
def test_text_means_the_same(values: list[ast.expr], expected: str) -> None:
    tree = ast.fix_missing_locations(ast.Expression(ast.JoinedStr(values)))
    before = eval(compile(tree, "", "eval"), dict(VALUES))
    text, shape = portable_text(tree, ast.walk(tree))
    assert eval(text, dict(VALUES)) == before
    assert text == expected or not expected
    assert dumped(shape) == dumped(ast.parse(text, mode="eval"))
    assert check_code(ast.parse(text, mode="eval"), {}, VALUES.keys()) == []
    assert readable_by_3_11(text)


def dumped(tree: ast.AST) -> str:
    """The tree as text; 3.12 puts an empty text behind a specification."""
    return ast.dump(tree).replace(", Constant(value='')", "")


def readable_by_3_11(text: str) -> bool:
    """Where this Python would read more, the rules of 3.11 are checked by hand:
    no quote of its own kind, no backslash and no comment in a field."""
    if sys.version_info < (3, 12):
        return True
    return all(
        not set('"\\#\n') & set(ast.unparse(node.value))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FormattedValue)
    )


@given(st.lists(st.one_of(st.text(string.printable + "é🙂\0", max_size=6), st.none()), max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_text_between_fields_survives(parts: list[str | None]) -> None:
    values = [field("x['a']") if part is None else literal(part) for part in parts]
    tree = ast.fix_missing_locations(ast.Expression(ast.JoinedStr(values)))
    text, _ = portable_text(tree, ast.walk(tree))
    expected = "".join(str(VALUES["x"]["a"]) if part is None else part for part in parts)  # type: ignore[index]
    assert eval(text, dict(VALUES)) == expected


def test_the_markers_never_meet_the_authors_text() -> None:
    """Text that looks like a marker is left alone."""
    tree = ast.parse("f'{n}' + '_waymark_text_0_' + '_waymark_text__0_'", mode="eval")
    text, _ = portable_text(tree, ast.walk(tree))
    assert eval(text, dict(VALUES)) == "7_waymark_text_0__waymark_text__0_"
