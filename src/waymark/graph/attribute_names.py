"""Names of attributes, behind a dot and in text.

Text names attributes in three places: as an argument of `getattr` and its kin, of
`operator.attrgetter` and `methodcaller`, and in the fields of a format template.
In the first two it must be a literal, so that the checker can hold it to what may
stand behind a dot. A template may name no attribute at all: the checker reads it
where it is a literal or a constant, the guard of the dot before `format` always.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator

from . import advice
from .operations import ATTRIBUTE_CALLS, NAMING, TEMPLATE_METHODS

#: What an exception says of itself, and Python spells like its own names.
ERROR_NAMES = frozenset({"__notes__", "__cause__", "__context__", "__suppress_context__"})
_TUPLE_METHODS = frozenset({"_replace", "_asdict", "_fields"})
#: Attributes without an underscore that lead from a generator, coroutine,
#: traceback or function to frames, and from those to everything.
_FRAME_NAMES = frozenset(
    {"gi_frame", "gi_code", "gi_yieldfrom", "cr_frame", "cr_code", "cr_await", "cr_origin"}
    | {"ag_frame", "ag_code", "ag_await", "tb_frame", "tb_next", "tb_lasti"}
    | {"f_back", "f_builtins", "f_code", "f_globals", "f_locals", "f_trace", "f_generator"}
)


def is_private(name: str) -> bool:
    """Whether an attribute of this name may lead anywhere."""
    return name in _FRAME_NAMES or (name.startswith("_") and name not in _TUPLE_METHODS)


def is_plain_attribute_call(node: ast.Call, name: str) -> bool:
    """Whether a call of `getattr` and kin shows plainly what it names."""
    least, most = ATTRIBUTE_CALLS[name]
    if node.keywords or not least <= len(node.args) <= most:
        return False
    label = node.args[1]
    return (
        isinstance(label, ast.Constant)
        and isinstance(label.value, str)
        and label.value.isidentifier()
        and not any(isinstance(argument, ast.Starred) for argument in node.args)
    )


def spelled_names(node: ast.Call, path: str) -> Iterator[tuple[ast.expr, advice.Advice]]:
    """What is wrong with the names that a call of `attrgetter` or `methodcaller` is
    given, each with its argument."""
    if path not in NAMING:
        return
    for label in node.args[:1] if path == "operator.methodcaller" else node.args:
        if not isinstance(label, ast.Constant) or not isinstance(label.value, str):
            yield label, advice.name_not_literal(path)
            continue
        for name in label.value.split("."):
            if is_private(name):
                yield label, advice.underscore_attribute(name)
            elif name in TEMPLATE_METHODS:
                yield label, advice.TEMPLATE


def is_plain_template(template: str) -> bool:
    """Whether the fields of a format template are plain names or numbers."""
    try:
        for _, field, spec, _ in string.Formatter().parse(template):
            plain = field is None or _plain_field(field)
            if not plain or not is_plain_template(spec or ""):
                return False
    except ValueError:
        # Python raises the same for the same template when it is evaluated.
        return True
    return True


def _plain_field(field: str) -> bool:
    return "." not in field and "[" not in field
