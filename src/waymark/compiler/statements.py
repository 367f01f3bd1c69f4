"""Statements to nodes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from waymark.graph.model import Branch, Code, Handler, Jump, Loop, Node, Raise, Return, Try

from .expressions import lower_await, lower_expression, lower_sequence
from .lowering import UNNUMBERED, Lowering, load
from .purity import has_await, is_pure, never_ends
from .unbound import may_catch_unbound


def lower_statement(to: Lowering, node: ast.stmt) -> None:
    """Emit what `node` does into the block that `to` fills."""
    if isinstance(node, ast.Pass):
        return
    if isinstance(node, ast.While) and never_ends(node):
        _endless(to, node)
    unbound = may_catch_unbound(node, to.prepared.variables, to.bound)
    if not isinstance(node, ast.Raise) and is_pure(node) and not unbound:
        to.pure(node)
        return
    match node:
        case ast.Expr():
            _expression(to, node)
        case ast.Assign():
            _assign(to, node)
        case ast.AugAssign():
            _augmented(to, node)
        case ast.Return():
            _return(to, node)
        case ast.Raise():
            _raise(to, node)
        case ast.If():
            _if(to, node)
        case ast.While():
            _while(to, node)
        case ast.For():
            _for(to, node)
        case ast.Try():
            _try(to, node)
        case ast.Match():
            _match(to, node)
        case ast.Assert():
            _assert(to, node)
        case ast.Delete():
            _delete(to, node)
        case ast.Break() | ast.Continue():
            to.flush()
            breaks = isinstance(node, ast.Break)
            to.node(Jump(UNNUMBERED, to.span(node), "break" if breaks else "continue"))
        case _:
            _refused(to, node)


def _refused(to: Lowering, node: ast.stmt) -> None:
    to.report(
        node,
        "WM307",
        f"`{_WORDS.get(type(node).__name__, type(node).__name__)}` with an await, return or"
        " bare raise inside is not supported yet",
        "move the await out of it, or write it another way",
    )


_WORDS = {"TryStar": "except*", "FunctionDef": "def"}


def _endless(to: Lowering, node: ast.While) -> None:
    to.report(
        node.test,
        "WM302",
        "this loop can neither wait nor end",
        "await something in it (`await asyncio.sleep(60)`), or leave it with `break` or `return`",
    )


# Values


def _expression(to: Lowering, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Await):
        lower_await(to, node.value, None)
        return
    value = lower_expression(to, node.value)
    if not to.is_hidden(value):
        to.pure(ast.copy_location(ast.Expr(value), node))


def _assign(to: Lowering, node: ast.Assign) -> None:
    match node.targets:
        case [ast.Name(id=name)] if isinstance(node.value, ast.Await):
            lower_await(to, node.value, name)
            return
        case _:
            value = lower_expression(to, node.value)
    if not any(has_await(target) for target in node.targets):
        to.pure(ast.copy_location(ast.Assign(node.targets, value), node))
        return
    if not to.is_stable(value):
        value = to.hide(value)
    for target in node.targets:
        _assign_to(to, target, value)


def _assign_to(to: Lowering, target: ast.expr, value: ast.expr) -> None:
    """Assign a value that stays the same to a target whose own expressions may
    await (`xs[await i()] = v`). Python unpacks first, then assigns in order."""
    if isinstance(target, (ast.Tuple, ast.List)) and has_await(target):
        held = [to.fresh() for _ in target.elts]
        parts: list[ast.expr] = []
        for part, name in zip(target.elts, held, strict=True):
            stored = ast.copy_location(ast.Name(name, ast.Store()), part)
            if isinstance(part, ast.Starred):
                parts.append(ast.copy_location(ast.Starred(stored, ast.Store()), part))
            else:
                parts.append(stored)
        unpacked = ast.copy_location(ast.Tuple(parts, ast.Store()), target)
        to.pure(ast.copy_location(ast.Assign([unpacked], value), target))
        for part, name in zip(target.elts, held, strict=True):
            inner = part.value if isinstance(part, ast.Starred) else part
            _assign_to(to, inner, load(name, part))
        return
    lowered = _place(to, target)
    to.pure(ast.copy_location(ast.Assign([lowered], value), target))


def _place(to: Lowering, target: ast.expr) -> ast.expr:
    """A single target with its own awaits done."""
    match target:
        case ast.Subscript():
            target.value, target.slice = lower_sequence(to, (target.value, target.slice))
        case ast.Attribute():
            target.value = lower_expression(to, target.value)
        case _:
            pass
    return target


def _augmented(to: Lowering, node: ast.AugAssign) -> None:
    """`target += await value`: Python reads the target first, then awaits."""
    match node.target:
        case ast.Name(id=name) if to.is_stable(load(name, node.target)):
            node.value = lower_expression(to, node.value)
            to.pure(node)
            return
        case ast.Name(id=name):
            held = to.hide(load(name, node.target))
        case ast.Subscript() as target:
            owner, key = lower_sequence(to, (target.value, target.slice))
            target.value = owner if to.is_stable(owner) else to.hide(owner)
            target.slice = key if to.is_stable(key) else to.hide(key)
            held = to.hide(_reading(target))
        case ast.Attribute() as target:
            owner = lower_expression(to, target.value)
            target.value = owner if to.is_stable(owner) else to.hide(owner)
            held = to.hide(_reading(target))
    value = lower_expression(to, node.value)
    inner = ast.copy_location(ast.Name(held.id, ast.Store()), node.target)
    to.pure(ast.copy_location(ast.AugAssign(inner, node.op, value), node))
    to.pure(ast.copy_location(ast.Assign([node.target], load(held.id, node)), node))


def _reading(target: ast.Subscript | ast.Attribute) -> ast.expr:
    if isinstance(target, ast.Subscript):
        node: ast.expr = ast.Subscript(target.value, target.slice, ast.Load())
    else:
        node = ast.Attribute(target.value, target.attr, ast.Load())
    return ast.copy_location(node, target)


def _delete(to: Lowering, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            _delete(to, ast.copy_location(ast.Delete(list(target.elts)), node))
        else:
            to.pure(ast.copy_location(ast.Delete([_place(to, target)]), node))


# Leaving


def _return(to: Lowering, node: ast.Return) -> None:
    value: Code | None = None
    if node.value is not None:
        lowered = lower_expression(to, node.value)
        to.flush()
        if not (isinstance(lowered, ast.Constant) and lowered.value is None):
            value = to.expression(lowered)
    to.flush()
    to.node(Return(UNNUMBERED, to.span(node), value))


def _raise(to: Lowering, node: ast.Raise) -> None:
    code: Code | None = None
    if node.exc is not None:
        parts = lower_sequence(to, [node.exc, *filter(None, (node.cause,))])
        cause = parts[1] if len(parts) > 1 else None
        to.flush()
        code = to.statements([ast.copy_location(ast.Raise(parts[0], cause), node)])
    to.flush()
    to.node(Raise(UNNUMBERED, to.span(node), code))


def _assert(to: Lowering, node: ast.Assert) -> None:
    """The message is only evaluated when the test fails."""
    node.test = lower_expression(to, node.test)
    if node.msg is None or not has_await(node.msg):
        to.pure(node)
        return
    test = node.test
    to.flush()
    with to.new_block() as nodes:
        message = lower_expression(to, node.msg)
        failing = ast.copy_location(ast.Constant(False), test)
        to.pure(ast.copy_location(ast.Assert(failing, message), node))
    refuted = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
    to.node(Branch(UNNUMBERED, to.span(node), to.expression(refuted), tuple(nodes)))


# Decisions and loops


def _if(to: Lowering, node: ast.If) -> None:
    code = to.expression(_tested(to, node.test))
    then, orelse = to.block(node.body), to.block(node.orelse)
    to.node(Branch(UNNUMBERED, to.span(node.test), code, then, orelse))


def _tested(to: Lowering, test: ast.expr) -> ast.expr:
    lowered = lower_expression(to, test)
    to.flush()
    return lowered


def _while(to: Lowering, node: ast.While) -> None:
    to.flush()
    if not has_await(node.test):
        head = to.expression(node.test)
        body = to.block(node.body)
    else:
        head = to.expression(ast.copy_location(ast.Constant(True), node.test))
        body = _tested_body(to, node)
    orelse = to.block(node.orelse)
    to.node(Loop(UNNUMBERED, to.span(node), "while", head, body, orelse))


def _tested_body(to: Lowering, node: ast.While) -> tuple[Node, ...]:
    """The body of a `while` whose test awaits: the test is its first part."""
    with to.new_block() as nodes:
        test = lower_expression(to, node.test)
        to.flush()
        end = Jump(UNNUMBERED, to.span(node.test), "break_else")
        span = to.span(node.test)
        to.node(Branch(UNNUMBERED, span, to.expression(test), (), (end,)))
        to.lower(node.body)
    return tuple(nodes)


def _for(to: Lowering, node: ast.For) -> None:
    iterable = lower_expression(to, node.iter)
    to.flush()
    head = to.expression(iterable)
    with to.new_block() as nodes:
        if isinstance(node.target, ast.Name):
            target = node.target.id
        else:
            target = to.fresh()
            _assign_to(to, node.target, load(target, node.target))
        to.bind((target,))
        to.lower(node.body)
    orelse = to.block(node.orelse)
    to.node(Loop(UNNUMBERED, to.span(node), "for", head, tuple(nodes), orelse, target))


def _try(to: Lowering, node: ast.Try) -> None:
    to.flush()
    body = to.block(node.body)
    handlers = tuple(_handler(to, handler) for handler in node.handlers)
    orelse, final = to.block(node.orelse), to.block(node.finalbody)
    to.node(Try(UNNUMBERED, to.span(node), body, handlers, orelse, final))


def _handler(to: Lowering, node: ast.ExceptHandler) -> Handler:
    types: Code | None = None
    if node.type is not None and has_await(node.type):
        to.report(
            node.type,
            "WM307",
            "`await` in the class of an `except` is not supported yet",
            "await it before the `try`",
        )
    elif node.type is not None:
        types = to.expression(node.type)
    return Handler(to.span(node), types, node.name, to.block(node.body))


# match


def _match(to: Lowering, node: ast.Match) -> None:
    """Choose the case in pure code, then branch on its number: patterns bind
    their names as they always do, and bodies become blocks."""
    if any(case.guard is not None and has_await(case.guard) for case in node.cases):
        to.report(
            node,
            "WM307",
            "`await` in the guard of a `case` is not supported yet",
            "await it before the `match`, or test it inside the case",
        )
        return
    node.subject = lower_expression(to, node.subject)
    bodies = [case.body for case in node.cases]
    chosen = to.fresh()
    to.assign(chosen, ast.copy_location(ast.Constant(-1), node.subject))
    for number, case in enumerate(node.cases):
        value = ast.copy_location(ast.Constant(number), case.body[0])
        target = ast.copy_location(ast.Name(chosen, ast.Store()), value)
        case.body = [ast.copy_location(ast.Assign([target], value), value)]
    to.pure(node)
    to.lower(_chain(chosen, bodies, node))


def _chain(chosen: str, bodies: Sequence[list[ast.stmt]], where: ast.Match) -> list[ast.stmt]:
    rest: list[ast.stmt] = []
    for number, body in reversed(list(enumerate(bodies))):
        first = body[0]
        value = ast.copy_location(ast.Constant(number), first)
        test = ast.copy_location(ast.Compare(load(chosen, first), [ast.Eq()], [value]), first)
        rest = [ast.copy_location(ast.If(test, body, rest), first)]
    return rest
