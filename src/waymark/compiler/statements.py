"""Statements to nodes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from waymark.graph.model import Branch, Code, Handler, Jump, Loop, Node, Raise, Return, Try

from .asynchronous import lower_async_for, lower_async_with
from .expressions import lower_await, lower_expression, lower_sequence
from .lowering import UNNUMBERED, Lowering, load
from .purity import has_await, is_pure, never_ends
from .unbound import may_catch_unbound

ENDLESS = (
    "WM302",
    "this loop can neither wait nor end",
    "await something in it (`await asyncio.sleep(60)`), or leave it with `break` or `return`",
)


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
        case ast.Try() | ast.TryStar():
            _try(to, node)
        case ast.With():
            _with(to, node)
        case ast.AsyncWith():
            lower_async_with(to, node)
        case ast.AsyncFor():
            lower_async_for(to, node)
        case ast.FunctionDef():
            _function(to, node)
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
            raise AssertionError(f"{type(node).__name__} reached the lowering")


def _endless(to: Lowering, node: ast.While) -> None:
    to.report(node.test, *ENDLESS)


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


def _function(to: Lowering, node: ast.FunctionDef) -> None:
    """`def` whose decorators or defaults await; its body cannot."""
    arguments = node.args
    given = list(filter(None, arguments.kw_defaults))
    parts = lower_sequence(to, [*node.decorator_list, *arguments.defaults, *given])
    first, second = len(node.decorator_list), len(node.decorator_list) + len(arguments.defaults)
    node.decorator_list, arguments.defaults = parts[:first], parts[first:second]
    rest = iter(parts[second:])
    arguments.kw_defaults = [default and next(rest) for default in arguments.kw_defaults]
    to.pure(node)


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


def _try(to: Lowering, node: ast.Try | ast.TryStar) -> None:
    to.flush()
    star = to.fresh() if isinstance(node, ast.TryStar) else None
    body = to.block(node.body)
    handlers = tuple(_handler(to, handler) for handler in node.handlers)
    orelse, final = to.block(node.orelse), to.block(node.finalbody)
    to.node(Try(UNNUMBERED, to.span(node), body, handlers, orelse, final, star))


def _handler(to: Lowering, node: ast.ExceptHandler) -> Handler:
    types: Code | None = None
    with to.new_block() as before:
        if node.type is not None:
            lowered = lower_expression(to, node.type)
            to.flush()
            types = to.expression(lowered)
    return Handler(to.span(node), types, node.name, to.block(node.body), tuple(before))


# with


def _with(to: Lowering, node: ast.With) -> None:
    """`with suppress(E): ...`, all that `prepare` lets through: `try` with a
    handler that looks for E as `suppress.__exit__` of 3.13 does, in groups, too."""
    item, *others = node.items
    call = item.context_expr
    assert isinstance(call, ast.Call), "`prepare` lets nothing else through"
    types = to.hide(lower_expression(to, ast.copy_location(ast.Tuple(call.args, ast.Load()), call)))
    body: list[ast.stmt] = node.body
    if others:
        body = [ast.copy_location(ast.With(others, body), node)]
    if item.optional_vars is not None:
        nothing = ast.copy_location(ast.Constant(None), item.optional_vars)
        entered = ast.Assign([item.optional_vars], nothing)
        body = [ast.copy_location(entered, item.optional_vars), *body]
    error = to.fresh()
    caught = ast.ExceptHandler(None, error, _suppressing(to, types, error))
    attempt = ast.Try(body, [ast.copy_location(caught, call)], [], [])
    _try(to, ast.copy_location(attempt, node))


def _suppressing(to: Lowering, types: ast.Name, error: str) -> list[ast.stmt]:
    names = {name: to.builtin(name) for name in ("issubclass", "type", "BaseExceptionGroup")}
    text = f"""
if not {names["issubclass"]}({names["type"]}({error}), {types.id}):
    if not {names["issubclass"]}({names["type"]}({error}), {names["BaseExceptionGroup"]}):
        raise
    {error}_ = {error}.split({types.id})[1]
    if {error}_ is not None:
        raise {error}_
"""
    rest = to.fresh()
    statements = ast.parse(text.replace(f"{error}_", rest)).body
    for statement in statements:
        for inner in ast.walk(statement):
            ast.copy_location(inner, types)
    return statements


# match


def _match(to: Lowering, node: ast.Match) -> None:
    """Choose the case in pure code, then branch on its number: patterns bind
    their names as they always do, and bodies become blocks. Where a guard awaits,
    choosing halts there, and goes on below it if the guard does not hold."""
    node.subject = lower_expression(to, node.subject)
    bodies = [case.body for case in node.cases]
    chosen = to.fresh()
    to.assign(chosen, ast.copy_location(ast.Constant(-1), node.subject))
    for number, case in enumerate(node.cases):
        case.body = [_choice(chosen, number, case.body[0])]
    if any(case.guard is not None and has_await(case.guard) for case in node.cases):
        node.subject = to.hide(node.subject)
    to.lower([*_choosing(chosen, node), *_chain(chosen, bodies)])


def _choice(chosen: str, number: int, where: ast.AST) -> ast.stmt:
    value = ast.copy_location(ast.Constant(number), where)
    target = ast.copy_location(ast.Name(chosen, ast.Store()), where)
    return ast.copy_location(ast.Assign([target], value), where)


def _is_chosen(chosen: str, number: int, where: ast.AST) -> ast.expr:
    value = ast.copy_location(ast.Constant(number), where)
    return ast.copy_location(ast.Compare(load(chosen, where), [ast.Eq()], [value]), where)


def _choosing(chosen: str, node: ast.Match, first: int = 0) -> list[ast.stmt]:
    """Statements that choose among the cases from the number `first` on."""
    for position, case in enumerate(node.cases):
        guard = case.guard
        if guard is None or not has_await(guard):
            continue
        rest = node.cases[position + 1 :]
        case.guard, node.cases = None, node.cases[: position + 1]
        denied = ast.copy_location(ast.UnaryOp(ast.Not(), guard), guard)
        none = _choice(chosen, -1, guard)
        asked = ast.copy_location(ast.If(denied, [none], []), guard)
        matched = _is_chosen(chosen, first + position, guard)
        statements: list[ast.stmt] = [node, ast.If(matched, [asked], [])]
        if rest:
            below = ast.copy_location(ast.Match(node.subject, rest), node)
            more = _choosing(chosen, below, first + position + 1)
            statements.append(ast.If(_is_chosen(chosen, -1, guard), more, []))
        for statement in statements[1:]:
            ast.copy_location(statement, guard)
        return statements
    return [node]


def _chain(chosen: str, bodies: Sequence[list[ast.stmt]]) -> list[ast.stmt]:
    rest: list[ast.stmt] = []
    for number, body in reversed(list(enumerate(bodies))):
        first = body[0]
        rest = [ast.copy_location(ast.If(_is_chosen(chosen, number, first), body, rest), first)]
    return rest
