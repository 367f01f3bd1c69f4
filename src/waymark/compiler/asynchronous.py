"""`async with` and `async for`: which there may be, and what becomes of them.

A run can only steer itself: what is entered is one of asyncio's own managers, and
what is iterated `asyncio.as_completed`. Both may be held in a variable, so values
are judged when the run is there; here only what is plainly something else is refused.
"""

from __future__ import annotations

import ast

from waymark.graph import advice
from waymark.graph.model import Name, Scope

from .expressions import lower_expression
from .lowering import UNNUMBERED, Lowering, load
from .table import Table

_MANAGERS = frozenset(
    f"asyncio.{name}"
    for name in (
        *("TaskGroup", "timeout", "timeout_at"),
        *("Lock", "Semaphore", "BoundedSemaphore", "Condition"),
    )
)
_ITERATED = frozenset({"asyncio.as_completed"})
_ITEMS = "async_items"


def check_async_with(table: Table, node: ast.AsyncWith) -> bool:
    """Report managers that are none of asyncio's; whether there were none."""
    checks = [_check(table, item.context_expr, _MANAGERS, advice.ASYNC_WITH) for item in node.items]
    return all(checks)


def check_async_for(table: Table, items: ast.expr) -> bool:
    """Report what is iterated and gives no awaitables of the run."""
    return _check(table, items, _ITERATED, advice.ASYNC_FOR)


def _check(table: Table, node: ast.expr, known: frozenset[str], refused: advice.Advice) -> bool:
    if isinstance(node, ast.Call):
        path = table.live_path(node.func)
        if path in known:
            return True
        if path is not None and path.startswith("asyncio."):
            refused = advice.stdlib_not_allowed(path)
        table.report(node, *refused)
        return False
    root = node
    while isinstance(root, (ast.Attribute, ast.Subscript)):
        root = root.value
    receiver = isinstance(root, ast.Name) and root.id == table.receiver
    variable = isinstance(root, ast.Name) and table.is_variable(root.id)
    if not receiver and not variable:
        table.report(node, *refused)
    return receiver or variable


def lower_async_with(to: Lowering, node: ast.AsyncWith) -> None:
    """A `Scope` for each manager, the later ones inside the earlier ones."""
    item, *rest = node.items
    body = node.body
    if rest:
        body = [ast.copy_location(ast.AsyncWith(rest, body), node)]
    manager = lower_expression(to, item.context_expr)
    to.flush()
    code = to.expression(manager)
    holder, outcome = to.fresh(), to.fresh()
    target: str | None = None
    if isinstance(item.optional_vars, ast.Name):
        target = item.optional_vars.id
    elif item.optional_vars is not None:
        target = to.fresh()
        entered = load(target, item.optional_vars)
        assigned = ast.Assign([item.optional_vars], entered)
        body = [ast.copy_location(assigned, item.optional_vars), *body]
    with to.new_block() as nodes:
        if target is not None:
            to.bind((target,))
        to.lower(body)
    span = to.span(item.context_expr)
    to.node(Scope(UNNUMBERED, span, code, holder, outcome, tuple(nodes), target))


def lower_async_for(to: Lowering, node: ast.AsyncFor) -> None:
    """A `for` over what gives the awaitables, each awaited into the target."""
    awaited = to.fresh()
    names = to.prepared.names
    key = _ITEMS
    while key in to.variables or (key in names and names[key] != _items_name()):
        key += "_"
    names[key] = _items_name()
    items = ast.copy_location(ast.Call(load(key, node.iter), [node.iter], []), node.iter)
    value = ast.copy_location(ast.Await(load(awaited, node.target)), node.target)
    first = ast.copy_location(ast.Assign([node.target], value), node.target)
    stored = ast.copy_location(ast.Name(awaited, ast.Store()), node.target)
    loop = ast.For(stored, items, [first, *node.body], node.orelse)
    to.lower([ast.copy_location(loop, node)])


def _items_name() -> Name:
    return Name("stdlib", ref=f"waymark.{_ITEMS}")
