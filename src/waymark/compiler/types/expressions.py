"""The type of each expression; what is wrong in it is reported on the way."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, Final

from waymark.graph.scopes import target_names
from waymark.graph.trees import children, walk

from ..names import MISSING
from .annotations import type_of, written
from .callees import Callee, child_callee
from .calls import awaited, check_arguments, library_result, made
from .conditions import tested
from .findings import attribute_of, no_call, used
from .lattice import (
    UNKNOWN,
    ClassItself,
    Instance,
    Pending,
    Row,
    Type,
    certain,
    join,
    without,
)
from .state import Known, State, joined, path_of, paths_in, root_of
from .values import CHANGING, UNCHANGING, element, item, method_result, operated

_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
#: What displays and comprehensions make, where it is no tuple and no generator.
_DISPLAYED: Final[dict[type[ast.expr], Any]] = {
    ast.List: list,
    ast.ListComp: list,
    ast.Set: set,
    ast.SetComp: set,
}
_LITERALS: Final = (str, int, bytes, bool)
#: Calls that only pass on what they are given: nobody has looked.
_BLIND: Final = frozenset(
    f"builtins.{name}" for name in ("enumerate", "iter", "len", "list", "reversed", "tuple", "zip")
)


class Expressions:
    """Finds types in the state that the walk has reached."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._by_kind: dict[type[ast.expr], Callable[[Any], Type]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.Call: self._call,
            ast.Await: self._await,
            ast.BinOp: self._operation,
            ast.BoolOp: self._choice,
            ast.IfExp: self._conditional,
            ast.Compare: self._comparison,
            ast.UnaryOp: self._unary,
            ast.NamedExpr: self._walrus,
            ast.List: self._display,
            ast.Set: self._display,
            ast.Tuple: self._display,
            ast.Dict: self._mapping,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.JoinedStr: self._text,
            ast.Starred: self._starred,
            ast.Lambda: self._function,
        }

    def infer(self, node: ast.expr) -> Type:
        """The type of `node`, having walked through all of it."""
        found = self._by_kind.get(type(node))
        if found is not None:
            return found(node)
        for child in children(node):
            if isinstance(child, ast.expr):
                self.infer(child)
        return UNKNOWN

    # Names

    def _constant(self, node: ast.Constant) -> Type:
        value = node.value
        return Instance(type(value), literals=(value,) if isinstance(value, _LITERALS) else ())

    def _name(self, node: ast.Name) -> Type:
        if node.id in self.state.here.types:
            return self.state.at(node.id)
        return UNKNOWN if self.state.scene.is_local(node.id) else self._live(node)

    def _live(self, node: ast.expr) -> Type:
        """The type of what a name outside the function stands for."""
        live = self.state.scene.live(node)
        if live is MISSING or live is None or (callable(live) and not isinstance(live, type)):
            return UNKNOWN
        if isinstance(live, type):
            return ClassItself(live)
        return type_of(type(live))

    def _attribute(self, node: ast.Attribute) -> Type:
        path = path_of(node)
        root = "" if path is None else root_of(path)
        if root == self.state.scene.receiver:
            return self.state.at(path)
        if root and not self.state.scene.is_local(root):
            live = self._live(node)
            return live if path is None else self.state.at(path, live)
        owner = self.infer(node.value)
        return self.state.at(path, attribute_of(self.state, node, owner))

    def _subscript(self, node: ast.Subscript) -> Type:
        owner = used(self.state, node.value, self.infer(node.value))
        self.infer(node.slice)
        return self.state.at(path_of(node), item(owner, node.slice))

    def _starred(self, node: ast.Starred) -> Type:
        return self.infer(node.value)

    def _function(self, node: ast.Lambda) -> Type:
        """What is in a lambda happens at another time."""
        self.state.here.look(paths_in(node.body))
        return UNKNOWN

    # Calls

    def _call(self, node: ast.Call) -> Type:
        live, path, callee = self.state.called(node.func)
        if path == "typing.cast" and len(node.args) == 2:
            self.infer(node.args[1])
            return type_of(written(node.args[0], self.state.scene))
        result = self._called(node, live, path, callee)
        # Whoever gets a value may have looked at it for us.
        if path not in _BLIND:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                self.state.here.look(paths_in(argument))
        return result

    def _called(self, node: ast.Call, live: Any, path: str | None, callee: Callee | None) -> Type:
        if callee is not None:
            check_arguments(self.state, node, callee, self.infer)
            return callee.result
        if isinstance(live, type):
            return made(live, self._arguments(node))
        if path is not None:
            return library_result(path, node, self._arguments(node))
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        self.infer(node.func)
        self._arguments(node)
        return UNKNOWN

    def _method(self, node: ast.Call, function: ast.Attribute) -> Type:
        root = function.value
        if isinstance(root, ast.Name) and root.id == self.state.scene.receiver:
            return self._own_method(node, function)
        owner = self.infer(root)
        callee = child_callee(owner, function.attr)
        if callee is not None:
            check_arguments(self.state, node, callee, self.infer)
            return callee.result
        attribute_of(self.state, function, owner)
        arguments = self._arguments(node)
        if function.attr in CHANGING:
            self._change(root, owner)
        if isinstance(owner, Pending) and function.attr == "result":
            return owner.result
        if function.attr == "create_task" and arguments and isinstance(arguments[0], Pending):
            return Pending(arguments[0].result, arguments[0].called, task=True)
        if function.attr == "pop" and len(arguments) > 1:
            return UNKNOWN
        return method_result(owner, function.attr)

    def _own_method(self, node: ast.Call, function: ast.Attribute) -> Type:
        arguments = self._arguments(node)
        if function.attr == "wait_for_event":
            return Pending(self._event(node), "wait_for_event")
        return arguments[0] if function.attr == "run_action" and arguments else UNKNOWN

    def _event(self, node: ast.Call) -> Type:
        """What the event of `self.wait_for_event(name, type=...)` says."""
        wanted = next((each.value for each in node.keywords if each.arg == "type"), None)
        return UNKNOWN if wanted is None else type_of(written(wanted, self.state.scene))

    def _change(self, node: ast.expr, owner: Type) -> None:
        """What a container holds is no longer known."""
        path = path_of(node)
        if path is None or not isinstance(owner, (Instance, Row)) or owner.cls in UNCHANGING:
            return
        if path in self.state.here.types or isinstance(node, ast.Attribute):
            self.state.here.types[path] = Instance(owner.cls)

    def _arguments(self, node: ast.Call) -> list[Type]:
        found = [self.infer(argument) for argument in node.args]
        for keyword in node.keywords:
            self.infer(keyword.value)
        return found

    def _await(self, node: ast.Await) -> Type:
        return awaited(self.infer(node.value))

    # Operators

    def _operation(self, node: ast.BinOp) -> Type:
        left = used(self.state, node.left, self.infer(node.left))
        right = self.infer(node.right)
        if not isinstance(node.op, (ast.Mod, ast.BitOr)):
            right = used(self.state, node.right, right)
        return operated(node.op, left, right)

    def _choice(self, node: ast.BoolOp) -> Type:
        """`a or b` is either, without what made it go on; the last part is judged
        with what the parts before it tell."""
        found: list[Type] = []
        start = self.state.known
        ends: list[Known] = []
        for position, value in enumerate(node.values):
            if position == len(node.values) - 1 or self.state.known is None:
                found.append(self.infer(value))
                ends.append(self.state.here)
                break
            before = self.state.quiet
            self.state.quiet += 1
            snapshot = self.state.here.copy()
            one = self.infer(value)
            self.state.quiet, self.state.known = before, snapshot
            holds, fails = tested(self.state, value, self.infer)
            going, leaving = (holds, fails) if isinstance(node.op, ast.And) else (fails, holds)
            if leaving is not None:
                ends.append(leaving)
                found.append(self._truth(one, holds=isinstance(node.op, ast.Or)))
            self.state.known = going
        self.state.known = None if start is None else joined(ends)
        return join(*found)

    def _truth(self, one: Type, *, holds: bool) -> Type:
        """What is left of a value that is true, or that is not."""
        return without(one, (type(None),)) if holds else certain(one)

    def _conditional(self, node: ast.IfExp) -> Type:
        holds, fails = tested(self.state, node.test, self.infer)
        found: list[Type] = []
        ends: list[Known] = []
        for known, part in ((holds, node.body), (fails, node.orelse)):
            self.state.known = known
            if known is not None:
                found.append(self.infer(part))
                ends.append(self.state.here)
        self.state.known = joined(ends)
        return join(*found)

    def _comparison(self, node: ast.Compare) -> Type:
        sides = [node.left, *node.comparators]
        for side, operators in zip(sides, self._beside(node), strict=True):
            one = self.infer(side)
            if any(isinstance(operator, _ORDER) for operator in operators) or isinstance(
                one, Pending
            ):
                used(self.state, side, one)
        self.state.here.look(paths_in(node))
        return Instance(bool)

    def _beside(self, node: ast.Compare) -> list[list[ast.cmpop]]:
        """The operators on both sides of each operand."""
        count = len(node.ops)
        return [
            [node.ops[at] for at in (position - 1, position) if 0 <= at < count]
            for position in range(count + 1)
        ]

    def _unary(self, node: ast.UnaryOp) -> Type:
        one = self.infer(node.operand)
        if isinstance(node.op, ast.Not):
            self.state.here.look(paths_in(node.operand))
            return Instance(bool)
        one = used(self.state, node.operand, one)
        return (
            Instance(one.cls) if isinstance(one, Instance) and one.cls in (int, float) else UNKNOWN
        )

    def _walrus(self, node: ast.NamedExpr) -> Type:
        one = self.infer(node.value)
        self.state.bind(node.target.id, one)
        return one

    # Displays

    def _display(self, node: ast.List | ast.Set | ast.Tuple) -> Type:
        found = [self.infer(part) for part in node.elts]
        cls = _DISPLAYED.get(type(node), tuple)
        if any(isinstance(part, ast.Starred) for part in node.elts):
            return Instance(cls)
        if cls is set:
            return Instance(set, (join(*found),))
        return Row(cls, tuple(found))

    def _mapping(self, node: ast.Dict) -> Type:
        keys = [self.infer(key) for key in node.keys if key is not None]
        values = [self.infer(value) for value in node.values]
        if len(keys) < len(values) or not keys:
            return Instance(dict)
        return Instance(dict, (join(*keys), join(*values)))

    def _text(self, node: ast.JoinedStr) -> Type:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                no_call(self.state, part.value, self.infer(part.value))
        return Instance(str)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> Type:
        if self.state.known is None:
            return UNKNOWN
        outer = self.state.known.copy()
        found = self._inside(node)
        inside = {name for part in node.generators for name in target_names(part.target)}
        looked = self.state.here.looked - outer.looked
        outer.look(path for path in looked if root_of(path) not in inside)
        self.state.known = outer
        for inner in walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.state.bind(inner.target.id, UNKNOWN)
        return found

    def _inside(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Type:
        for part in node.generators:
            self.unpack(part.target, element(used(self.state, part.iter, self.infer(part.iter))))
            for test in part.ifs:
                self.state.known, _ = tested(self.state, test, self.infer)
        match node:
            case ast.DictComp(key=key, value=value):
                return Instance(dict, (self.infer(key), self.infer(value)))
            case ast.ListComp(elt=one) | ast.SetComp(elt=one) | ast.GeneratorExp(elt=one):
                return Instance(_DISPLAYED.get(type(node), Iterable), (self.infer(one),))

    # Targets

    def unpack(self, target: ast.expr, one: Type) -> None:
        """Bind what `target` names to parts of a value."""
        match target:
            case ast.Name(id=name):
                self.state.bind(name, one)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                self._parts(parts, one)
            case ast.Attribute() | ast.Subscript():
                self._place(target)
            case _:
                for name in target_names(target):
                    self.state.bind(name, UNKNOWN)

    def _parts(self, parts: list[ast.expr], one: Type) -> None:
        starred = any(isinstance(part, ast.Starred) for part in parts)
        if isinstance(one, Row) and len(one.items) == len(parts) and not starred:
            for part, held in zip(parts, one.items, strict=True):
                self.unpack(part, held)
            return
        for part in parts:
            self.unpack(part, element(one))

    def _place(self, target: ast.Attribute | ast.Subscript) -> None:
        """An attribute or an item is set: what was known of it is gone."""
        owner = self.infer(target.value)
        path = path_of(target)
        if path is not None:
            self.state.here.forget(path)
            self.state.here.types[path] = UNKNOWN
        if isinstance(target, ast.Subscript):
            self.infer(target.slice)
            self._change(target.value, owner)
