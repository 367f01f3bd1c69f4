"""Awaits inside expressions, in Python's order of evaluation.

`f(a(), await b(), c())` evaluates `a()` before the await and `c()` after it. So
operands that come before an await are evaluated into hidden variables, and
those after it are left where they are. Where Python may not evaluate an operand
at all (`and`, `or`, `if`/`else`, chained comparisons), the await goes into a
branch.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Sequence

from waymark.graph.model import Await, AwaitKind, Branch, Node

from .calls import Callee, callee_of, effect_refs
from .comprehensions import Awaiting, unrolled
from .lowering import UNNUMBERED, Lowering, load
from .purity import awaits_inside_generator, has_await


def lower_expression(to: Lowering, node: ast.expr) -> ast.expr:
    """Emit whatever `node` awaits; returns a pure expression of its value."""
    if not has_await(node):
        return node
    match node:
        case ast.Await():
            return lower_await(to, node, to.fresh())
        case ast.BoolOp():
            return _bool(to, node)
        case ast.IfExp():
            return _conditional(to, node)
        case ast.Compare():
            return _compare(to, node)
        case ast.NamedExpr():
            return _walrus(to, node)
        case ast.Call():
            return _call(to, node)
        case ast.JoinedStr():
            return _text(to, node)
        case ast.GeneratorExp() if awaits_inside_generator(node) is not None:
            return _refused(to, node)
        case ast.Lambda():
            return _lambda(to, node)
        case ast.ListComp() | ast.SetComp() | ast.DictComp():
            return _comprehension(to, node)
        case _:
            return _operands(to, node)


def _refused(to: Lowering, node: ast.GeneratorExp) -> ast.expr:
    fact = "`await` inside a generator makes an async generator, which cannot be kept"
    to.report(node, "WM306", fact, "use a list comprehension: `[await act(x) for x in xs]`")
    return ast.copy_location(ast.Constant(None), node)


def _lambda(to: Lowering, node: ast.Lambda) -> ast.expr:
    arguments = node.args
    given = list(filter(None, arguments.kw_defaults))
    lowered = lower_sequence(to, [*arguments.defaults, *given])
    rest = iter(lowered[len(arguments.defaults) :])
    arguments.defaults = lowered[: len(arguments.defaults)]
    arguments.kw_defaults = [default and next(rest) for default in arguments.kw_defaults]
    return node


# Awaits


def lower_await(to: Lowering, node: ast.Await, target: str | None) -> ast.expr:
    """Emit an `Await`; its outcome goes into `target`."""
    operand = lower_expression(to, node.value)
    to.flush()
    callee = Callee("other")
    if isinstance(operand, ast.Call):
        callee = callee_of(operand.func, to.prepared, to.reach)
    to.node(
        Await(
            UNNUMBERED,
            to.span(node),
            _kind(callee),
            to.expression(operand),
            target,
            _refers(to, operand, callee),
            callee.kind == "gather" and _collects(operand),
        )
    )
    if target is None:
        return ast.copy_location(ast.Constant(None), node)
    to.bind((target,))
    return load(target, node)


def _kind(callee: Callee) -> AwaitKind:
    match callee.kind:
        case "action" | "child" | "sleep":
            return callee.kind
        case "run_action":
            return "action"
        case "helper":
            return "call"
        case "gather":
            return "join"
        case _:
            return "await"


def _refers(to: Lowering, operand: ast.expr, callee: Callee) -> tuple[str, ...]:
    match callee.kind:
        case "action" | "child" | "helper":
            return (callee.ref,)
        case "gather" | "run_action":
            return tuple(effect_refs(operand, to.prepared, to.reach))
        case _:
            return ()


def _collects(call: ast.expr) -> bool:
    return isinstance(call, ast.Call) and any(
        keyword.arg == "return_exceptions"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for keyword in call.keywords
    )


# Operands that are always evaluated, left to right


def lower_sequence(
    to: Lowering, operands: Sequence[ast.expr], spreads: Collection[int] = ()
) -> list[ast.expr]:
    """Lower operands that Python evaluates one after the other. `spreads` are
    positions of mappings that are spread with `**`: read where they stand, so a
    copy is what is kept. (Where one is no mapping, the error says so in the words
    of a display, also in a call.)"""
    last = max((i for i, operand in enumerate(operands) if has_await(operand)), default=-1)
    lowered: list[ast.expr] = []
    for position, operand in enumerate(operands):
        value = lower_expression(to, operand)
        if position < last and position in spreads:
            value = to.hide(ast.copy_location(ast.Dict([None], [value]), value))
        elif position < last and not to.is_stable(value):
            value = _spilled(to, value)
        lowered.append(value)
    return lowered


def _spilled(to: Lowering, value: ast.expr) -> ast.expr:
    if isinstance(value, ast.Starred):
        kept = ast.copy_location(ast.List([value], ast.Load()), value)
        return ast.copy_location(ast.Starred(to.hide(kept), ast.Load()), value)
    if isinstance(value, ast.Slice):
        parts = [part for part in (value.lower, value.upper, value.step) if part is not None]
        for part in parts:
            _replace(value, part, part if to.is_stable(part) else to.hide(part))
        return value
    return to.hide(value)


def _replace(node: ast.AST, old: ast.expr, new: ast.expr) -> None:
    for name, value in ast.iter_fields(node):
        if value is old:
            setattr(node, name, new)


def _operands(to: Lowering, node: ast.expr) -> ast.expr:
    """Displays, operators, subscripts: their children are all evaluated."""
    match node:
        case ast.BinOp():
            node.left, node.right = lower_sequence(to, (node.left, node.right))
        case ast.UnaryOp():
            node.operand = lower_expression(to, node.operand)
        case ast.List() | ast.Tuple() | ast.Set():
            node.elts = lower_sequence(to, node.elts)
        case ast.Dict():
            _dict(to, node)
        case ast.Subscript():
            node.value, node.slice = lower_sequence(to, (node.value, node.slice))
        case ast.Slice():
            parts = [part for part in (node.lower, node.upper, node.step) if part is not None]
            for part, value in zip(parts, lower_sequence(to, parts), strict=True):
                _replace(node, part, value)
        case ast.Attribute() | ast.Starred():
            node.value = lower_expression(to, node.value)
        case ast.GeneratorExp():
            node.generators[0].iter = lower_expression(to, node.generators[0].iter)
        case _:
            raise AssertionError(f"{type(node).__name__} reached the lowering with an await")
    return node


def _dict(to: Lowering, node: ast.Dict) -> None:
    pairs: list[ast.expr] = []
    spreads: set[int] = set()
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            spreads.add(len(pairs))
            pairs.append(value)
        else:
            pairs += (key, value)
    lowered = iter(lower_sequence(to, pairs, spreads))
    for position, key in enumerate(node.keys):
        if key is not None:
            node.keys[position] = next(lowered)
        node.values[position] = next(lowered)


def _call(to: Lowering, node: ast.Call) -> ast.expr:
    function = node.func
    operands = [*node.args, *(keyword.value for keyword in node.keywords)]
    later = any(has_await(operand) for operand in operands)
    if isinstance(function, ast.Attribute) and not to.is_stable(function):
        function.value = lower_expression(to, function.value)
        if later:
            _keep_receiver(to, function)
    else:
        function = lower_expression(to, function)
        if later and not to.is_stable(function):
            function = to.hide(function)
    first = len(node.args)
    spreads = {first + i for i, keyword in enumerate(node.keywords) if keyword.arg is None}
    lowered = lower_sequence(to, operands, spreads)
    node.func, node.args = function, lowered[: len(node.args)]
    for keyword, value in zip(node.keywords, lowered[len(node.args) :], strict=True):
        keyword.value = value
    return node


def _keep_receiver(to: Lowering, function: ast.Attribute) -> None:
    """Python looks the method up before the arguments are evaluated: keep the
    receiver, and look the method up once here so that a missing one is missed
    in time. What the compiler made itself (a list it appends to) has it."""
    if to.is_hidden(function.value):
        return
    if not to.is_stable(function.value):
        function.value = to.hide(function.value)
    probe = ast.Attribute(function.value, function.attr, ast.Load())
    to.pure(ast.copy_location(ast.Expr(ast.copy_location(probe, function)), function))


def _text(to: Lowering, node: ast.JoinedStr) -> ast.expr:
    """Each field of an f-string is formatted before the next is evaluated."""
    last = max(i for i, value in enumerate(node.values) if has_await(value))
    for position, value in enumerate(node.values):
        if not isinstance(value, ast.FormattedValue):
            continue
        _convert_early(value)
        parts = [value.value, *filter(None, (value.format_spec,))]
        lowered = lower_sequence(to, parts)
        value.value = lowered[0]
        if value.format_spec is not None:
            value.format_spec = _specification(lowered[1])
        if position < last:
            text = ast.copy_location(ast.JoinedStr([value]), value)
            node.values[position] = ast.copy_location(
                ast.FormattedValue(to.hide(text), -1, None), value
            )
    return node


def _convert_early(value: ast.FormattedValue) -> None:
    """Since 3.13 `!r` is applied before the specification is evaluated."""
    awaits = value.format_spec is not None and has_await(value.format_spec)
    if awaits and value.conversion != -1 and sys.version_info >= (3, 13):
        field = ast.FormattedValue(value.value, value.conversion, None)
        text = ast.JoinedStr([ast.copy_location(field, value)])
        value.value, value.conversion = ast.copy_location(text, value), -1


def _specification(node: ast.expr) -> ast.JoinedStr:
    if isinstance(node, ast.JoinedStr):
        return node
    return ast.copy_location(ast.JoinedStr([ast.FormattedValue(node, -1, None)]), node)


def _walrus(to: Lowering, node: ast.NamedExpr) -> ast.expr:
    name = node.target.id
    if isinstance(node.value, ast.Await):
        lower_await(to, node.value, name)
    else:
        to.assign(name, lower_expression(to, node.value))
    return load(name, node)


def _comprehension(to: Lowering, node: Awaiting) -> ast.expr:
    node.generators[0].iter = lower_expression(to, node.generators[0].iter)
    if not has_await(node):
        return node
    name, statements = unrolled(node, to.fresh)
    to.lower(statements)
    return load(name, node)


# Operands that may not be evaluated


def _branch(
    to: Lowering, test: ast.expr, then: Sequence[Node], orelse: Sequence[Node] = ()
) -> None:
    to.node(Branch(UNNUMBERED, to.span(test), to.expression(test), tuple(then), tuple(orelse)))


def _into(to: Lowering, name: str, node: ast.expr) -> tuple[Node, ...]:
    """Nodes that evaluate `node` into `name`."""
    with to.new_block() as nodes:
        _evaluate(to, name, node)
    return tuple(nodes)


def _evaluate(to: Lowering, name: str, node: ast.expr) -> None:
    if isinstance(node, ast.Await):
        lower_await(to, node, name)
    else:
        to.assign(name, lower_expression(to, node))


def _bool(to: Lowering, node: ast.BoolOp) -> ast.expr:
    """`a and await b`: into one variable, the next operand behind a test of it."""
    name = to.fresh()
    _evaluate(to, name, node.values[0])
    _bool_rest(to, node, name, 1)
    return load(name, node)


def _bool_rest(to: Lowering, node: ast.BoolOp, name: str, position: int) -> None:
    to.flush()
    test: ast.expr = load(name, node.values[position - 1])
    if isinstance(node.op, ast.Or):
        test = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
    with to.new_block() as nodes:
        _evaluate(to, name, node.values[position])
        if position + 1 < len(node.values):
            _bool_rest(to, node, name, position + 1)
    _branch(to, test, nodes)


def _conditional(to: Lowering, node: ast.IfExp) -> ast.expr:
    test = lower_expression(to, node.test)
    if not has_await(node.body) and not has_await(node.orelse):
        node.test = test
        return node
    name = to.fresh()
    to.flush()
    _branch(to, test, _into(to, name, node.body), _into(to, name, node.orelse))
    return load(name, node)


def _compare(to: Lowering, node: ast.Compare) -> ast.expr:
    """`a < await b < c` evaluates `c` only when the first comparison holds."""
    later = [i for i, operand in enumerate(node.comparators) if i and has_await(operand)]
    if not later:
        node.left, node.comparators[0] = lower_sequence(to, (node.left, node.comparators[0]))
        return node
    left, middle = lower_sequence(to, (node.left, node.comparators[0]))
    if not to.is_stable(middle):
        if not to.is_stable(left):
            left = to.hide(left)
        middle = to.hide(middle)
    name = to.fresh()
    to.assign(name, _comparison(left, node.ops[0], middle))
    to.flush()
    rest = ast.copy_location(ast.Compare(middle, node.ops[1:], node.comparators[1:]), node)
    _branch(to, load(name, node), _into(to, name, rest))
    return load(name, node)


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Compare(left, [operator], [right]), left)
