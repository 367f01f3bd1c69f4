"""Small slips: identity of values, and defaults that the body changes."""

from __future__ import annotations

import ast

from waymark.graph.scopes import parameter_names

from .scene import Scene

_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_CHANGING = (
    "add append appendleft clear difference_update discard extend insert"
    " intersection_update pop popitem remove reverse setdefault sort"
    " symmetric_difference_update update"
)
_MUTATORS = frozenset(_CHANGING.split())


def check_suspicious(scene: Scene) -> None:
    """Report `is` between values, and changes of a default."""
    for node in scene.of(ast.Compare):
        _identity(scene, node)
    _defaults(scene)


def _identity(scene: Scene, node: ast.Compare) -> None:
    sides = [node.left, *node.comparators]
    for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
        if isinstance(operator, (ast.Is, ast.IsNot)) and (_is_value(left) or _is_value(right)):
            word, better = ("is", "==") if isinstance(operator, ast.Is) else ("is not", "!=")
            scene.report(
                node,
                "WM416",
                f"`{word}` asks for the same object; equal values need not be one, least of all"
                " after they were stored",
                f"write `{better}`",
            )


def _is_value(node: ast.expr) -> bool:
    """Whether `node` is a literal of which there may be many equal ones."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, (str, bytes, int, float, complex)) and not isinstance(
                value, bool
            )
        case ast.UnaryOp(operand=operand):
            return _is_value(operand)
        case ast.JoinedStr() | ast.Tuple():
            return True
        case _:
            return isinstance(node, _DISPLAYS)


def _defaults(scene: Scene) -> None:
    arguments = scene.definition.args
    plain = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(plain), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    mutable = {
        argument.arg
        for argument, default in pairs
        if isinstance(default, _DISPLAYS) or _makes_container(scene, default)
    }
    mutable &= set(parameter_names(arguments))
    if not mutable:
        return
    bound = {node.id for node in scene.of(ast.Name) if not isinstance(node.ctx, ast.Load)}
    for node in scene.nodes:
        name = _changed(node)
        if name in mutable - bound:
            scene.report(
                node,
                "WM417",
                f"the default of `{name}` is part of the graph, so changing it raises an error",
                f"change a copy, or make the default `None` and write"
                f" `{name} = [] if {name} is None else {name}`",
            )


def _makes_container(scene: Scene, node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and scene.live(node.func) in (list, dict, set)


def _changed(node: ast.AST) -> str | None:
    """The variable whose value `node` changes in place."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
            return name if method in _MUTATORS else None
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name
        case _:
            return None
