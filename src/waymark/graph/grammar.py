"""Python's grammar as pure code may use it: each node class with its fields.

The checker refuses a node class that is not here, and a filled field that its
class does not list, so that syntax of a later Python is refused and not dropped.
Fields that are listed but carry no meaning for pure code (`ctx`,
`type_comment`, `kind`, `simple`) are named in `SILENT` with the reason.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

_EXPRESSIONS = {
    "BoolOp": "op values",
    "NamedExpr": "target value",
    "BinOp": "left op right",
    "UnaryOp": "op operand",
    "Lambda": "args body",
    "IfExp": "test body orelse",
    "Dict": "keys values",
    "Set": "elts",
    "ListComp": "elt generators",
    "SetComp": "elt generators",
    "DictComp": "key value generators",
    "GeneratorExp": "elt generators",
    "Compare": "left ops comparators",
    "Call": "func args keywords",
    "FormattedValue": "value conversion format_spec",
    "JoinedStr": "values",
    "Constant": "value kind",
    "Attribute": "value attr ctx",
    "Subscript": "value slice ctx",
    "Starred": "value ctx",
    "Name": "id ctx",
    "List": "elts ctx",
    "Tuple": "elts ctx",
    "Slice": "lower upper step",
}

_STATEMENTS = {
    "FunctionDef": "name args body decorator_list type_comment",
    "Return": "value",
    "Delete": "targets",
    "Assign": "targets value type_comment",
    "AugAssign": "target op value",
    "For": "target iter body orelse type_comment",
    "While": "test body orelse",
    "If": "test body orelse",
    "With": "items body type_comment",
    "Match": "subject cases",
    "Raise": "exc cause",
    "Try": "body handlers orelse finalbody",
    "TryStar": "body handlers orelse finalbody",
    "Assert": "test msg",
    "Expr": "value",
    "Pass": "",
    "Break": "",
    "Continue": "",
}

_PARTS = {
    "Module": "body type_ignores",
    "Expression": "body",
    "comprehension": "target iter ifs is_async",
    "ExceptHandler": "type name body",
    "arguments": "posonlyargs args vararg kwonlyargs kw_defaults kwarg defaults",
    "arg": "arg type_comment",
    "keyword": "arg value",
    "withitem": "context_expr optional_vars",
    "match_case": "pattern guard body",
    "MatchValue": "value",
    "MatchSingleton": "value",
    "MatchSequence": "patterns",
    "MatchMapping": "keys patterns rest",
    "MatchClass": "cls patterns kwd_attrs kwd_patterns",
    "MatchStar": "name",
    "MatchAs": "pattern name",
    "MatchOr": "patterns",
}

_TOKENS = (
    "Load Store Del And Or Add Sub Mult MatMult Div Mod Pow LShift RShift BitOr BitXor BitAnd"
    " FloorDiv Invert Not UAdd USub Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn"
)


def _table() -> dict[str, frozenset[str]]:
    table = {
        kind: frozenset(fields.split())
        for part in (_EXPRESSIONS, _STATEMENTS, _PARTS)
        for kind, fields in part.items()
    }
    table.update({kind: frozenset() for kind in _TOKENS.split()})
    return table


#: Node classes that pure code may hold, with the fields that are decided.
FIELDS: Mapping[str, frozenset[str]] = _table()

#: Listed fields that change nothing, and why.
SILENT: Mapping[str, str] = {
    "ctx": "follows from where the node stands",
    "kind": "the `u` of `u''`, which means nothing since Python 3",
    "type_comment": "a comment",
    "type_ignores": "comments",
}


class _Undecided(dict[type[ast.AST], tuple[str, ...] | None]):
    """Fields that the grammar does not list, by class; None where it lacks the class."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...] | None:
        fields = FIELDS.get(kind.__name__)
        known = None if fields is None else tuple(f for f in kind._fields if f not in fields)
        self[kind] = known
        return known


#: Fields of the classes of nodes, as the running Python has them, that are not decided.
UNDECIDED: Final = _Undecided()
