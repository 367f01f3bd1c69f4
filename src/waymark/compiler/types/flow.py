"""Following a function's statements, its types at each point.

A loop is followed until its types no longer change; what the last round finds is told.
A handler of `try` begins with what each variable was before the `try`, or was
bound to in it. Bodies of functions inside are not followed: they run at another
time.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from waymark.graph.scopes import bound_names
from waymark.graph.trees import children

from ..lints.scene import Scene
from .annotations import hints_of_function, type_of, written
from .conditions import Ways, tested
from .expressions import Expressions
from .findings import no_call, returned, used
from .lattice import UNKNOWN, Instance, Row, Type, certain, join
from .patterns import matched
from .state import Known, State, joined, path_of, paths_in
from .values import UNCHANGING, element, operated

#: A loop whose types still change after as many rounds is not understood.
_ROUNDS_MAX: Final = 4
#: Errors of a missing attribute or item: who catches them expects them.
_EXPECTED: Final = (AttributeError, TypeError, LookupError, KeyError, IndexError)


def check_types(scene: Scene) -> None:
    """Report what certainly goes wrong by the types that annotations declare."""
    Flow(scene).function()


@dataclass(slots=True)
class _Loop:
    """Where `break` and `continue` of a loop leave."""

    breaks: list[Known] = field(default_factory=list[Known])
    continues: list[Known] = field(default_factory=list[Known])


class Flow:
    """The walk through one function."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.state = State(scene)
        self.expressions = Expressions(self.state)
        self.infer = self.expressions.infer
        self.loops: list[_Loop] = []
        self.hints: dict[str, Any] = {}

    def function(self) -> None:
        """Follow the function from its parameters."""
        self.hints = hints_of_function(self.scene.function)
        arguments = self.scene.definition.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            hint = self.hints.get(argument.arg, Any)
            self.state.bind(argument.arg, type_of(hint, f"`{argument.arg}`"))
        self.block(self.scene.definition.body)

    def block(self, body: Sequence[ast.stmt]) -> None:
        """Follow statements up to the first that does not go on."""
        for statement in body:
            if self.state.known is None:
                return
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign():
                self._assign(node.targets, self.infer(node.value), node.value)
            case ast.AnnAssign():
                self._annotated(node)
            case ast.AugAssign():
                self._augmented(node)
            case ast.Expr():
                self._alone(node.value)
            case ast.Return():
                self._return(node)
            case ast.Raise():
                self._expressions(node)
                self.state.known = None
            case ast.Assert():
                self.state.known, _ = tested(self.state, node.test, self.infer)
            case ast.If():
                self._branches(tested(self.state, node.test, self.infer), node.body, node.orelse)
            case ast.While():
                self._loop(node, lambda: tested(self.state, node.test, self.infer))
            case ast.For():
                one = used(self.state, node.iter, self.infer(node.iter))
                self._loop(node, lambda: self._next(node.target, one))
            case ast.Try() | ast.TryStar():
                self._attempt(node)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Match():
                self._match(node)
            case ast.Break() | ast.Continue():
                self._leave(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.state.here.look(path for part in node.body for path in paths_in(part))
                self.state.bind(node.name, UNKNOWN)
            case _:
                self._other(node)

    # Simple statements

    def _other(self, node: ast.stmt) -> None:
        """A statement of which only this is known: the names that it binds."""
        self._expressions(node)
        for name in bound_names([node]):
            self.state.bind(name, UNKNOWN)

    def _expressions(self, node: ast.stmt) -> None:
        for child in children(node):
            if isinstance(child, ast.expr):
                self.infer(child)

    def _assign(self, targets: Sequence[ast.expr], one: Type, value: ast.expr) -> None:
        if isinstance(value, ast.Name) or len(targets) > 1:
            # Two names for one value: who looks at one has looked at the other.
            one = certain(one)
        if isinstance(value, (ast.List, ast.Dict, ast.Set)) and isinstance(one, (Instance, Row)):
            # What a display holds will be changed before long.
            one = Instance(one.cls)
        for target in targets:
            self.expressions.unpack(target, one)

    def _annotated(self, node: ast.AnnAssign) -> None:
        declared = type_of(written(node.annotation, self.scene), f"`{ast.unparse(node.target)}`")
        if node.value is None:
            return
        one = self.infer(node.value)
        plain = isinstance(one, (Instance, Row)) and one.cls in (list, dict, set, tuple)
        vague = UNKNOWN in (one, declared)
        self.expressions.unpack(node.target, declared if vague or plain else one)

    def _augmented(self, node: ast.AugAssign) -> None:
        one = used(self.state, node.target, self.infer(node.target))
        result = operated(node.op, one, self.infer(node.value))
        if isinstance(node.target, ast.Name):
            self.state.bind(node.target.id, result)

    def _alone(self, node: ast.expr) -> None:
        """An expression as a statement; of a value that never changes, a method's
        result is all that it gives."""
        self.infer(node)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return
        if node.func.attr not in _GIVING:
            return
        self.state.quiet += 1
        owner = self.infer(node.func.value)
        self.state.quiet -= 1
        kind = _never_changing(owner, node.func.attr)
        if self.state.lenient or kind is None:
            return
        self.state.report(
            node,
            "WM415",
            f"{kind} never changes, so this gives a new one and throws it away",
            f"keep it: `{path_of(node.func.value) or 'value'} = {ast.unparse(node)}`",
        )

    def _return(self, node: ast.Return) -> None:
        if node.value is not None:
            one = self.infer(node.value)
            if self.scene.method and self.scene.definition.name == "run":
                no_call(self.state, node.value, one)
            declared = type_of(self.hints.get("return", Any))
            returned(self.state, node.value, one, declared, self.scene.definition.name)
        self.state.known = None

    def _leave(self, node: ast.Break | ast.Continue) -> None:
        if self.loops and self.state.known is not None:
            loop = self.loops[-1]
            leaving = loop.breaks if isinstance(node, ast.Break) else loop.continues
            leaving.append(self.state.known)
        self.state.known = None

    # Compound statements

    def _branches(self, ways: Ways, then: list[ast.stmt], orelse: list[ast.stmt]) -> None:
        ends: list[Known] = []
        for known, body in zip(ways, (then, orelse), strict=True):
            self.state.known = known
            self.block(body)
            ends += self.state.arrived
        self.state.known = joined(ends)

    def _next(self, target: ast.expr, one: Type) -> Ways:
        """One more item, or none."""
        done = self.state.here.copy()
        self.expressions.unpack(target, element(one))
        return self.state.known, done

    def _loop(self, node: ast.While | ast.For, head: Callable[[], Ways]) -> None:
        _, fails, loop = self._settled(node, self.state.here.copy(), head)
        self.state.known = fails
        self.block(node.orelse)
        self.state.known = joined([*self.state.arrived, *loop.breaks])

    def _settled(
        self, node: ast.While | ast.For, entry: Known, head: Callable[[], Ways]
    ) -> tuple[Known | None, Known | None, _Loop]:
        """The last of the rounds, after which the types at the head no longer change;
        `entry` gets them."""
        ends: tuple[Known | None, Known | None, _Loop] = (None, None, _Loop())
        for number in range(_ROUNDS_MAX):
            self.state.known = entry.copy()
            reports = self.state.set_aside()
            ends = self._round(node, head)
            found = self.state.resume(reports)
            # Who looks in a later round has not looked in the first.
            merged = joined([entry] if ends[0] is None else [entry, ends[0]])
            if merged is None or merged.types == entry.types:
                self.state.tell(found)
                return ends
            entry.types = merged.types
            if number == _ROUNDS_MAX - 2:
                for name in bound_names([node]):
                    entry.forget(name)
                    entry.types[name] = UNKNOWN
        if not self.state.quiet:
            self.state.known = entry.copy()
            ends = self._round(node, head)
        return ends

    def _round(
        self, node: ast.While | ast.For, head: Callable[[], Ways]
    ) -> tuple[Known | None, Known | None, _Loop]:
        """One time through the body: what is known at its end, where the head lets
        go, and where statements left the loop."""
        loop = _Loop()
        holds, fails = head()
        self.state.known = holds
        self.loops.append(loop)
        self.block(node.body)
        self.loops.pop()
        return joined([*self.state.arrived, *loop.continues]), fails, loop

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for part in node.items:
            self.infer(part.context_expr)
            if part.optional_vars is not None:
                self.expressions.unpack(part.optional_vars, UNKNOWN)
        before = self.state.here.copy()
        recorder: dict[str, Type] = {}
        self.state.recorders.append(recorder)
        self.block(node.body)
        self.state.recorders.pop()
        # It may have swallowed an error anywhere in the body.
        interrupted = _interrupted(before, recorder, node.body)
        self.state.known = joined([*self.state.arrived, interrupted])

    def _attempt(self, node: ast.Try | ast.TryStar) -> None:
        before = self.state.here.copy()
        recorder: dict[str, Type] = {}
        lenient = any(self._expects(handler) for handler in node.handlers)
        self.state.recorders.append(recorder)
        self.state.lenient += lenient
        self.block(node.body)
        self.state.lenient -= lenient
        self.state.recorders.pop()
        interrupted = _interrupted(before, recorder, node.body)
        self.block(node.orelse)
        ends = self.state.arrived
        for handler in node.handlers:
            self.state.known = interrupted.copy()
            self._handler(handler, star=isinstance(node, ast.TryStar))
            ends += self.state.arrived
        self._finally(node, interrupted, ends)

    def _handler(self, handler: ast.ExceptHandler, *, star: bool) -> None:
        if handler.name is not None:
            live = self.scene.live(handler.type) if handler.type is not None else None
            known = isinstance(live, type) and not star
            self.state.bind(handler.name, Instance(live) if known else UNKNOWN)
        self.block(handler.body)
        if handler.name is not None:
            self.state.here.forget(handler.name)

    def _finally(
        self, node: ast.Try | ast.TryStar, interrupted: Known, ends: Sequence[Known]
    ) -> None:
        self.state.known = joined(ends)
        if not node.finalbody:
            return
        after = self.state.known
        self.state.known = joined([interrupted, *ends])
        self.block(node.finalbody)
        self.state.known = after
        self.state.quiet += 1
        self.block(node.finalbody)
        self.state.quiet -= 1

    def _expects(self, handler: ast.ExceptHandler) -> bool:
        parts = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        return any(part is not None and self.scene.live(part) in _EXPECTED for part in parts)

    def _match(self, node: ast.Match) -> None:
        one = self.infer(node.subject)
        path = path_of(node.subject)
        ends: list[Known] = []
        rest = one
        self.state.here.look(paths_in(node.subject))
        before = self.state.here
        for case in node.cases:
            self.state.known = before.copy()
            for name in bound_names([case.pattern]):
                self.state.bind(name, UNKNOWN)
            inside, rest = matched(self.scene, case, rest)
            if path is not None:
                self.state.here.narrow(path, inside)
            if isinstance(case.pattern, ast.MatchAs) and case.pattern.name is not None:
                self.state.bind(case.pattern.name, inside)
            if case.guard is not None:
                self.state.known, _ = tested(self.state, case.guard, self.infer)
            self.block(case.body)
            ends += self.state.arrived
        if not any(_takes_all(case) for case in node.cases):
            ends.append(before)
        self.state.known = joined(ends)


def _takes_all(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and not case.pattern.pattern


def _interrupted(before: Known, recorder: dict[str, Type], body: Sequence[ast.stmt]) -> Known:
    """What is known where an error may have come at any point of a body. Which
    point it was, the author may know: what the body mentions is not doubted."""
    point = before.copy()
    for name, one in recorder.items():
        earlier = before.types.get(name)
        point.forget(name)
        point.types[name] = one if earlier is None else join(earlier, one)
    point.look(path for statement in body for path in paths_in(statement))
    return point


def _never_changing(owner: Type, method: str) -> str | None:
    """What kind of value this is, where its methods never change it."""
    if not isinstance(owner, Instance) or owner.cls not in UNCHANGING:
        return None
    if not hasattr(owner.cls, method):
        return None
    return "text" if owner.cls is str else f"a `{owner.cls.__name__}`"


#: Methods that people call for the error which they may raise.
_RAISING: Final = frozenset({"encode", "decode", "index", "rindex", "format", "format_map"})
#: Methods of what never changes that people call for what they give.
_GIVING: Final = frozenset(name for cls in UNCHANGING for name in dir(cls)) - _RAISING
