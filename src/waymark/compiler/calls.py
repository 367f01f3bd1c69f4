"""Which calls yield an awaitable of the run, and whether they are awaited.

A call of an action or a helper is a coroutine, as in Python: it may be kept in a
variable, a list or a conditional expression. One that plainly never gets
awaited is refused, and so are arguments that its signature does not take.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, TypeGuard, cast

from waymark.authoring.registry import registry
from waymark.graph import advice
from waymark.graph.concurrency import AWAITABLE
from waymark.graph.model import DEFINED, Name
from waymark.graph.operations import operation_at
from waymark.graph.trees import FIELDS, children, walk

from .policies import check_policies
from .reach import Reach
from .table import PLACEHOLDER, Prepared

CalleeKind: TypeAlias = Literal[
    "action",
    "child",
    "workflow",
    "helper",
    "function",
    "sleep",
    "gather",
    "run_action",
    "definition",
    "unknown",
    "other",
]

_AWAITABLES: dict[str, CalleeKind] = {
    "asyncio.sleep": "sleep",
    "asyncio.gather": "gather",
    "asyncio.wait": "definition",
    "asyncio.wait_for": "definition",
    "waymark.run_action": "run_action",
    "waymark.wait_for_event": "definition",
}
#: What a task of asyncio may be given and one of a run has not.
_OF_ITS_LOOP = frozenset({"context", "eager_start"})
_CALLBACKS = frozenset({"add_done_callback", "remove_done_callback"})
_HELD = ("action", "child", "helper", "sleep", "gather", "definition", "run_action")


@dataclass(frozen=True, slots=True)
class Callee:
    """What a call expression calls. `ref` is the action's or function's name;
    `bound` says that its first argument is given by the dot."""

    kind: CalleeKind
    ref: str = ""
    bound: bool = False


OTHER = Callee("other")


def callee_of(function: ast.expr, prepared: Prepared, reach: Reach) -> Callee:
    """What `function` of a prepared tree stands for."""
    if _is_own(function, prepared):
        entry = reach.attributes.get(function.attr)
        kind = None if entry is None else _called(entry, reach)
        if entry is not None and kind is not None and function.attr not in reach.facts.stored:
            return Callee(kind, entry.ref, reach.receiver_of(entry.ref) != "")
    child = child_of(function, prepared, reach)
    if child is not None:
        return Callee("child", child)
    path = stdlib_path(function, prepared)
    if path is not None:
        return Callee(_AWAITABLES.get(path, "other"), path)
    if not isinstance(function, ast.Name) or prepared.is_variable(function.id):
        return OTHER
    entry = prepared.names.get(function.id)
    if entry is None:
        return OTHER
    if entry is PLACEHOLDER:
        return Callee("unknown")
    kind = _called(entry, reach)
    return OTHER if kind is None else Callee(kind, entry.ref)


def _called(entry: Name, reach: Reach) -> CalleeKind | None:
    """What is called where `entry` is."""
    match entry.kind:
        case "action" | "helper" | "function" | "workflow":
            return entry.kind
        case "classmethod":
            return reach.kind_of(entry.ref)
        case _:
            return None


def child_of(function: ast.expr, prepared: Prepared, reach: Reach) -> str | None:
    """The workflow that `Other().run` runs, None for anything else."""
    if isinstance(function, ast.Attribute) and function.attr == "run":
        return _instance_of(function.value, prepared, reach)
    return None


def _instance_of(node: ast.expr, prepared: Prepared, reach: Reach) -> str | None:
    """The workflow that `Other()` makes an instance of."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        callee = callee_of(node.func, prepared, reach)
        return callee.ref if callee.kind == "workflow" else None
    return None


def _is_own(node: ast.expr, prepared: Prepared) -> TypeGuard[ast.Attribute]:
    """Whether `node` is `self.<name>` or `cls.<name>`."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == prepared.pending.receiver
    )


def stdlib_path(node: ast.expr, prepared: Prepared) -> str | None:
    """The catalogue's path that a prepared `name` or `name.attribute` spells."""
    if isinstance(node, ast.Attribute):
        owner = stdlib_path(node.value, prepared)
        return None if owner is None else f"{owner}.{node.attr}"
    if isinstance(node, ast.Name) and not prepared.is_variable(node.id):
        entry = prepared.names.get(node.id)
        if entry is not None and entry.kind == "stdlib":
            return entry.ref
    return None


def _makes_a_task(function: ast.expr, callee: Callee, prepared: Prepared) -> bool:
    """Whether this is `asyncio.create_task`, or that of a group or loop, as far as one sees."""
    if isinstance(function, ast.Attribute) and function.attr == "create_task":
        return callee.kind in ("unknown", "other")
    return stdlib_path(function, prepared) == "asyncio.create_task"


def check_calls(prepared: Prepared, reach: Reach) -> None:
    """Report calls of awaitables that are never awaited or wrongly called, and
    awaits of what is no awaitable."""
    _CallCheck(prepared, reach).walk()


class _CallCheck:
    def __init__(self, prepared: Prepared, reach: Reach) -> None:
        self.prepared = prepared
        self.reach = reach

    def report(self, node: ast.AST, code: str, fact: str, fix: str) -> None:
        self.reach.report(self.prepared.source, node, code, fact, fix)

    def callee(self, call: ast.Call) -> Callee:
        return callee_of(call.func, self.prepared, self.reach)

    def walk(self) -> None:
        # A sync function hands what it returns to its caller, as a local one does.
        definition = self.prepared.source.node
        around = () if self.prepared.pending.is_async else (definition,)
        for statement in self.prepared.body:
            self.visit(statement, around)

    def visit(self, node: ast.AST, parents: tuple[ast.AST, ...]) -> None:
        match node:
            case ast.Name():
                self.named(node)
                return
            case ast.Call():
                self.call(node, self.callee(node), parents)
            case ast.Attribute():
                self.child_attribute(node)
                self.named(node)
            case ast.Return() if self.prepared.pending.name == "run":
                self.sent([node.value], "a run's result is stored")
            case ast.Await():
                self.awaited(node)
            case _:
                pass
        below = children(node)
        if below:
            around = (*parents, node)
            for child in below:
                if FIELDS[type(child)] or type(child) is ast.Name:
                    self.visit(child, around)

    def named(self, node: ast.Name | ast.Attribute) -> None:
        path = stdlib_path(node, self.prepared)
        if path is not None:
            self.reach.define(path)

    def call(self, node: ast.Call, callee: Callee, parents: tuple[ast.AST, ...]) -> None:
        if callee.kind == "workflow" and (node.args or node.keywords):
            self.report(node, *advice.child_arguments(ast.unparse(node.func)))
        if callee.kind == "run_action":
            check_policies(node, self.prepared, self.reach, fits=self.tries_an_action(node))
        if node.keywords and _makes_a_task(node.func, callee, self.prepared):
            for keyword in node.keywords:
                if keyword.arg in _OF_ITS_LOOP:
                    self.report(keyword, *advice.keyword_not_allowed("create_task", keyword.arg))
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CALLBACKS:
            self.report(node.func, *advice.DONE_CALLBACK)
        if isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
            self.classes(node)
        self.arguments(node, callee)
        if callee.kind in ("action", "child"):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            self.sent(values, "actions and child runs get copies")
        loose = callee.kind in _HELD and callee.kind != "gather"
        if loose and (not _may_be_held(node, parents) or self.forgotten(parents)):
            what = _spelled(node.func, callee)
            self.report(
                node,
                "WM206",
                f"this call of `{what}` is never awaited, so it would never run",
                f"write `await {what}(...)`",
            )

    def forgotten(self, parents: tuple[ast.AST, ...]) -> bool:
        """Whether a value gets a name that nothing reads."""
        match parents:
            case [*_, ast.Assign(targets=targets)]:
                names = [target.id if isinstance(target, ast.Name) else "" for target in targets]
            case [*_, ast.AnnAssign(target=ast.Name(id=name))]:
                names = [name]
            case _:
                return False
        return "" not in names and self.reads.isdisjoint(names)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names that are read anywhere in the function."""
        return frozenset(
            node.id
            for node in walk(*self.prepared.body)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        )

    def tries_an_action(self, node: ast.Call) -> bool:
        """Whether the first argument may be an action's call."""
        match node.args:
            case [ast.Call() as first, *_]:
                return self.callee(first).kind in ("action", "function", "unknown", "other")
            case [first, *_]:
                return not isinstance(first, (ast.Await, *_PLAIN))
            case _:
                return False

    def classes(self, node: ast.Call) -> None:
        """Report workflows among the classes that `isinstance` asks for."""
        for inner in walk(node.args[1]) if len(node.args) > 1 else ():
            if isinstance(inner, ast.Name) and self.prepared.is_variable(inner.id):
                continue
            if isinstance(inner, ast.Name | ast.Attribute):
                found = callee_of(inner, self.prepared, self.reach)
                if found.kind == "workflow":
                    self.report(inner, *advice.kind_of_workflow(ast.unparse(inner)))

    def child_attribute(self, node: ast.Attribute) -> None:
        """`Other().<name>`: only its run can be called."""
        if _instance_of(node.value, self.prepared, self.reach) is not None and node.attr != "run":
            name = ast.unparse(cast("ast.Call", node.value).func)
            self.report(node, *advice.run_apart(ast.unparse(node), name))

    def sent(self, values: Iterable[ast.expr | None], why: str) -> None:
        """Report `self` in values that leave the run."""
        for value in values:
            if isinstance(value, ast.Name) and value.id == self.prepared.pending.receiver != "":
                self.report(
                    value,
                    "WM217",
                    f"`{value.id}` lives in this run alone; {why}",
                    "give the attributes that are needed: `self.name`",
                )
            elif isinstance(value, (ast.List, ast.Tuple, ast.Set)):
                self.sent(value.elts, why)
            elif isinstance(value, ast.Dict):
                self.sent(value.values, why)

    def arguments(self, node: ast.Call, callee: Callee) -> None:
        signature = self.signature(callee)
        spread = any(isinstance(argument, ast.Starred) for argument in node.args)
        if signature is None or spread or any(item.arg is None for item in node.keywords):
            return
        try:
            signature.bind(*node.args, **{item.arg: None for item in node.keywords if item.arg})
        except TypeError as error:
            what = ast.unparse(node.func)
            self.report(
                node,
                "WM205",
                f"`{what}` cannot be called like this: {error}",
                f"its signature is `{what}{_short(signature)}`",
            )

    def signature(self, callee: Callee) -> inspect.Signature | None:
        match callee.kind:
            case "action":
                action = registry.action(callee.ref)
                return None if action is None else action.signature
            case "child":
                child = registry.workflow(callee.ref)
                return None if child is None else child.signature
            case "helper" | "function":
                signature = self.reach.signatures.get(callee.ref)
                if signature is None or not callee.bound:
                    return signature
                return signature.replace(parameters=list(signature.parameters.values())[1:])
            case "definition":
                self.reach.define(callee.ref)
                return self.reach.signatures.get(f"{DEFINED}{callee.ref.rpartition('.')[2]}")
            case _:
                return None

    def awaited(self, node: ast.Await) -> None:
        if not isinstance(node.value, ast.Call):
            if isinstance(node.value, _PLAIN):
                self.plain(node, ast.unparse(node.value))
            return
        function = node.value.func
        path = self.callee(node.value).ref
        known = (*self.prepared.variables, *self.prepared.names)
        if isinstance(function, ast.Name) and function.id not in known:
            path = function.id
        operation = operation_at(path)
        awaitable = path in AWAITABLE or path in _AWAITABLES
        if operation is not None and operation.kind != "primitive" and not awaitable:
            self.plain(node, f"{ast.unparse(function)}(...)")

    def plain(self, node: ast.Await, what: str) -> None:
        self.report(
            node,
            "WM301",
            f"`{what}` is a plain value, and cannot be awaited",
            "take `await` off, or call an @action",
        )


_PLAIN = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Compare,
    ast.BinOp,
    ast.UnaryOp,
    ast.Lambda,
)

_NEVER_HELD = (
    ast.Expr,
    ast.Return,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.Attribute,
    ast.FormattedValue,
    ast.AugAssign,
    ast.Raise,
    ast.Assert,
    ast.Delete,
    ast.Match,
    ast.comprehension,
    ast.For,
    ast.While,
    ast.If,
)


def _may_be_held(node: ast.expr, parents: tuple[ast.AST, ...]) -> bool:
    child: ast.AST = node
    for parent in reversed(parents):
        match parent:
            case ast.IfExp():
                if parent.test is child:
                    return False
            case ast.BoolOp() | ast.NamedExpr():
                # The value passes on to where this stands.
                if isinstance(parent, ast.NamedExpr):
                    return True
            case ast.Subscript():
                return parent.value is not child
            case ast.Return():
                # In a local function, which hands it to its caller.
                return any(isinstance(outer, ast.FunctionDef) for outer in parents)
            case _:
                return not isinstance(parent, _NEVER_HELD)
        child = parent
    return True


def _spelled(function: ast.expr, callee: Callee) -> str:
    """What is called, as its author wrote it."""
    own = callee.ref.startswith("waymark.")
    return f"self.{callee.ref.partition('.')[2]}" if own else ast.unparse(function)


def _short(signature: inspect.Signature) -> str:
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


def effect_refs(node: ast.AST, prepared: Prepared, reach: Reach) -> Iterator[str]:
    """Names of the actions and workflows that `node` mentions, in order, each once."""
    seen: set[str] = set()
    for inner in walk(node):
        if isinstance(inner, (ast.Name, ast.Attribute)):
            callee = callee_of(inner, prepared, reach)
            if callee.kind in ("action", "child") and callee.ref not in seen:
                seen.add(callee.ref)
                yield callee.ref
