"""The awaits of one statement as steps, in Python's order of evaluation.

An `asyncio.gather` becomes a region with a part for each of its arguments, a
comprehension that awaits a loop. Calls that begin something without waiting for
it (`create_task`) are steps as well. What `and`, `or` or a conditional
expression may skip says so in its note.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from waymark.graph.model import Await

from .authored import Authored
from .picture import Item, Part, Region, Step

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_INNER = ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef
_MAYBE = "may be skipped"
#: Calls that begin what they are given.
_STARTING = ("create_task", "ensure_future", "gather")
#: Calls that await what they are given.
_WRAPPING = ("run_action", "wait_for", "shield")
#: The words for kinds of nodes, and for what a called name stands for.
_WORDS = {"join": "gather"}
_KINDS = {"action": "action", "helper": "call"}


def has_step(node: ast.AST) -> bool:
    """Whether evaluating `node` waits for something or begins it."""
    if isinstance(node, _INNER):
        return False
    if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)) or _starts(node):
        return True
    if isinstance(node, ast.comprehension) and node.is_async:
        return True
    return any(has_step(child) for child in ast.iter_child_nodes(node))


def waits(node: ast.AST) -> bool:
    """Whether evaluating `node` waits for something."""
    if isinstance(node, _INNER):
        return False
    return isinstance(node, ast.Await) or any(map(waits, ast.iter_child_nodes(node)))


def _starts(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and called_name(node.func) in _STARTING


def called_name(function: ast.expr) -> str:
    """The last part of a called name; empty where it is none."""
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


class Awaits:
    """The steps of the statements of one function."""

    def __init__(self, authored: Authored) -> None:
        self.authored = authored

    def statement(self, statement: ast.stmt) -> tuple[Item, ...]:
        """The steps of a simple statement, and one that shows the statement itself.

        A single step takes the text of its whole statement, so that a line of
        the author's shows once.
        """
        *before, last = self.of(statement)
        if not isinstance(statement, ast.Raise) and (not before or _ends_in_await(statement)):
            leaves = isinstance(statement, ast.Return)
            return (*before, self._whole(last, statement, leaves=leaves))
        return (*before, last, self.plain(statement))

    def _whole(self, item: Item, statement: ast.stmt, *, leaves: bool) -> Item:
        if isinstance(item, Step):
            text = self.authored.text(statement)
            return replace(item, text=text, line=self.authored.line(statement), leaves=leaves)
        drawn = _drawn_apart(statement)
        caption = item.caption
        if drawn is not None:
            caption = self.authored.holed(statement, *drawn)
        goes_on = item.goes_on and not leaves
        line = self.authored.line(statement)
        return replace(item, caption=caption, line=line, leaves=leaves, goes_on=goes_on)

    def plain(self, statement: ast.stmt) -> Step:
        """A statement as a step of its own."""
        match statement:
            case ast.Return():
                kind = "return"
            case ast.Raise():
                kind = "raise"
            case ast.Break():
                kind = "break"
            case ast.Continue():
                kind = "continue"
            case _:
                kind = "compute"
        return Step(kind, self.authored.line(statement), self.authored.text(statement))

    def of(self, node: ast.AST | None, note: str = "") -> Iterator[Item]:
        """The steps that evaluating `node` takes."""
        if node is None or not has_step(node):
            return
        match node:
            case ast.Await():
                yield from self._await(node, note)
            case ast.Call() if _starts(node):
                yield self._start(node, note)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield from self.of(test, note)
                yield from self.of(body, _MAYBE)
                yield from self.of(orelse, _MAYBE)
            case ast.BoolOp(values=[first, *rest]):
                yield from self.of(first, note)
                yield from self._all(rest, _MAYBE)
            case ast.Compare(left=left, comparators=[first, *rest]):
                yield from self._all([left, first], note)
                yield from self._all(rest, _MAYBE)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                yield from self._comprehension(node, note)
            case ast.Assign(targets=targets, value=value):
                yield from self._all([value, *targets], note)
            case _:
                yield from self._all(list(ast.iter_child_nodes(node)), note)

    def _all(self, nodes: list[ast.expr] | list[ast.AST], note: str) -> Iterator[Item]:
        for node in nodes:
            yield from self.of(node, note)

    # One await

    def _await(self, node: ast.Await, note: str) -> Iterator[Item]:
        awaited = node.value
        if isinstance(awaited, ast.Call) and called_name(awaited.func) == "gather":
            yield from self._gather(awaited, note, node)
            return
        if isinstance(awaited, ast.Call):
            yield from self._all([awaited.func, *awaited.args, *awaited.keywords], note)
        else:
            yield from self.of(awaited, note)
        found = self.authored.node(node)
        kind = self._kind(awaited, found)
        yield Step(
            kind,
            self.authored.line(node),
            self.authored.text(node),
            _emphasised(awaited),
            note,
            nodes=() if found is None else (found.id,),
        )

    def _kind(self, awaited: ast.expr, node: Await | None) -> str:
        """The word for an await: the node's own, or what asyncio calls it."""
        if node is not None and node.kind != "await":
            return _WORDS.get(node.kind, node.kind)
        return self.kind_of_call(awaited)

    def kind_of_call(self, called: ast.expr) -> str:
        """What awaiting this expression would be."""
        if not isinstance(called, ast.Call):
            return "await"
        match called.func:
            case ast.Name(id=name) if name in self.authored.function.names:
                return _KINDS.get(self.authored.function.names[name].kind, "await")
            case ast.Attribute(value=ast.Name(id="asyncio"), attr=name):
                return name
            case ast.Attribute(attr="run_action") if called.args:
                return self.kind_of_call(called.args[0])
            case ast.Attribute(attr="wait_for_event"):
                return "event"
            case ast.Attribute(value=ast.Name(id=name)) if name == self.authored.receiver:
                return "call"
            case ast.Attribute(attr="run"):
                return "child"
            case _:
                return "action" if self._refers_to(called_name(called.func)) else "await"

    def _refers_to(self, name: str) -> bool:
        names = self.authored.function.names.values()
        return any(each.kind == "action" and _last(each.ref) == name for each in names)

    def _start(self, call: ast.Call, note: str) -> Step:
        line, text = self.authored.line(call), self.authored.text(call)
        return Step("start", line, text, _emphasised(call), note)

    # Many awaits

    def _gather(self, call: ast.Call, note: str, whole: ast.Await) -> Iterator[Item]:
        yield from self._all([each for each in call.args if waits(each)], note)
        found = self.authored.node(whole)
        caption = self.authored.text(whole)
        if call.args:
            caption = self.authored.holed(whole, call.args[0], call.args[-1])
        parts = tuple(Part((self._branch(argument),)) for argument in call.args)
        nodes = () if found is None else (found.id,)
        yield Region("parallel", self.authored.line(whole), caption, parts, nodes=nodes)

    def _branch(self, argument: ast.expr) -> Item:
        """One argument of a `gather`."""
        match argument:
            case ast.Starred(value=ast.ListComp() | ast.SetComp() | ast.GeneratorExp() as spread):
                clause = self.authored.between(spread.elt, spread.generators[-1].iter)
                last = spread.generators[-1].ifs
                if last:
                    clause = self.authored.between(spread.elt, last[-1])
                item = self._branch(spread.elt)
                if isinstance(item, Step):
                    return replace(item, note=clause, many=True)
                part = Part((item,))
                return Region("loop", self.authored.line(spread), clause, (part,))
            case ast.Starred(value=ast.Call(func=ast.Name(id="map"), args=[mapped, *_])):
                kind = self.kind_of_call(ast.Call(mapped, [], []))
                text, line = self.authored.text(argument), self.authored.line(argument)
                return Step(kind, line, text, called_name(mapped), many=True)
            case ast.Call() if called_name(argument.func) == "gather" and argument.args:
                caption = self.authored.holed(argument, argument.args[0], argument.args[-1])
                parts = tuple(Part((self._branch(inner),)) for inner in argument.args)
                return Region("parallel", self.authored.line(argument), caption, parts)
            case ast.Call() if _starts(argument):
                return self._start(argument, "")
            case _:
                many = isinstance(argument, ast.Starred)
                text, line = self.authored.text(argument), self.authored.line(argument)
                kind = self.kind_of_call(argument)
                return Step(kind, line, text, _emphasised(argument), many=many)

    def _comprehension(self, node: _Comprehension, note: str) -> Iterator[Item]:
        first = node.generators[0]
        yield from self.of(first.iter, note)
        element = node.key if isinstance(node, ast.DictComp) else node.elt
        inside: list[ast.AST] = list(first.ifs)
        for generator in node.generators[1:]:
            inside += [generator.iter, *generator.ifs]
        inside.append(element)
        if isinstance(node, ast.DictComp):
            inside.append(node.value)
            element = node.value
        items = tuple(self._all(inside, ""))
        if not items and not first.is_async:
            return
        last = node.generators[-1]
        clause = self.authored.between(element, last.ifs[-1] if last.ifs else last.iter)
        part = Part(items)
        yield Region("loop", self.authored.line(node), clause, (part,))


def _ends_in_await(statement: ast.stmt) -> bool:
    """Whether the last thing that a statement waits for is its whole value."""
    targets: list[ast.expr] = getattr(statement, "targets", [])
    value = getattr(statement, "value", None)
    return isinstance(value, ast.Await) and not any(map(has_step, targets))


def _emphasised(node: ast.expr) -> str:
    """The name to emphasise in a call: that of the inner call, where there is one."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call() as made, attr="run")):
            return _emphasised(made)
        case ast.Call(func=function, args=[ast.Call() as inner, *_]):
            wraps = called_name(function) in (*_STARTING, *_WRAPPING)
            return _emphasised(inner) if wraps else called_name(function)
        case ast.Call(func=function):
            return called_name(function)
        case _:
            return ""


def _last(ref: str) -> str:
    return ref.rpartition(":")[2].rpartition(".")[2]


def _drawn_apart(statement: ast.stmt) -> tuple[ast.AST, ast.AST] | None:
    """What of a statement with a single region is shown inside that region."""
    for node in ast.walk(statement):
        match node:
            case ast.Call(args=[first, *rest]) if called_name(node.func) == "gather":
                return first, rest[-1] if rest else first
            case ast.ListComp(elt=element) | ast.SetComp(elt=element):
                if has_step(node):
                    return element, element
            case ast.DictComp(key=key, value=value) if has_step(node):
                return key, value
            case _:
                pass
    return None
