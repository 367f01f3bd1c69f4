"""A graph, flattened into integers for the machine and code for the evaluator.

The graph is a tree that people read; the machine wants a list with jumps. Each
function becomes four parallel tuples, indexed by *pc*: the operation, its
integer argument, the site (what the evaluator runs there) and the handler that
catches what is raised there. The flattening is a pure function of the graph, so
a pc means the same on every process.

`finally` is laid out twice or more, as CPython does: once for each way out of
its body (the normal end, each `return`, `break` and `continue` that crosses it)
and once for exceptions, the last ending in RERAISE. While a copy is laid out,
the handlers of the statement itself are not in force.

`except*` keeps what it has come to in a hidden variable (see `groups`), and its
handlers fall through to one another, each of them with what it raised noted.

A handler is a pc and a depth. On a raise the machine moves to the pc, and the
evaluator cuts the frame's stack of exceptions being handled to the depth and
pushes the new one. POP_EXCEPTION undoes that push.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import IntEnum

from waymark.graph.model import (
    HIDDEN,
    Await,
    Branch,
    Code,
    Compute,
    Function,
    Handler,
    Jump,
    Loop,
    Node,
    Raise,
    Return,
    Scope,
    Try,
)

#: What flat code calls at the two ends of `async with`. No text of a graph can.
ENTER, LEAVE = f"{HIDDEN}enter", f"{HIDDEN}leave"


class Op(IntEnum):
    """Operations. "Site" says that the evaluator takes part."""

    EVALUATE = 0  # site: run statements, go on
    TEST = 1  # site: go on if true, else to the argument
    AWAIT = 2  # site: evaluate the awaitable, wait, bind the outcome, go on
    RETURN = 3  # site: evaluate the value into the frame's result, go on
    ITERATE = 4  # site: make the iterator, go on
    NEXT = 5  # site: bind the next item and go on, or leave to the argument
    MATCH = 6  # site: bind and go on if the handler takes the exception, else argument
    UNBIND = 7  # site: forget the handler's name, go on
    POP_EXCEPTION = 8  # site: the exception is handled, go on
    RERAISE = 9  # site: raise the exception being handled
    LEAVE = 10  # site: the frame ends with its result
    JUMP = 11  # to the argument; only while flattening
    STAR = 12  # site: begin an `except*` for the exception being handled, go on
    STAR_MATCH = 13  # site: go on if the handler takes some of what is left, else argument
    STAR_RAISED = 14  # site: note what a handler raised, go on
    STAR_END = 15  # site: raise what is left, else to the argument


@dataclass(frozen=True, slots=True)
class Site:
    """What the evaluator needs at one pc. `leaves` marks a RETURN that leaves the
    frame at once, with nothing to unwind."""

    node: int
    code: Code | None = None
    target: str | None = None
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class FlatFunction:
    """One function in flat form; the tuples are parallel and indexed by pc.
    `nexts[pc]` is where a success goes on and `arguments[pc]` where its argument
    leads, both past any JUMP, so that none is ever executed. `catches[pc]` is -1
    or an index into `handlers`, pairs of (pc, depth)."""

    ops: tuple[int, ...]
    arguments: tuple[int, ...]
    nexts: tuple[int, ...]
    sites: tuple[Site | None, ...]
    catches: tuple[int, ...]
    handlers: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Block:
    """Something that a jump out of it has to undo. `catch` is the handler in
    force outside the block, `depth` the exceptions being handled outside."""

    kind: str  # "loop", "finally", "scope", "handler", "handling"
    catch: int
    depth: int
    final: tuple[Node, ...] = ()
    name: str | None = None
    breaks: list[int] = field(default_factory=list[int])
    else_breaks: list[int] = field(default_factory=list[int])
    head: int = 0
    node: int = -1


class _Flattener:
    def __init__(self) -> None:
        self.ops: list[int] = []
        self.arguments: list[int] = []
        self.sites: list[Site | None] = []
        self.catches: list[int] = []
        self.handlers: list[tuple[int, int]] = []
        self.blocks: list[_Block] = []
        self.catch: int = -1
        self.depth: int = 0

    # Laying out

    def emit(self, op: Op, site: Site | None = None, argument: int = -1) -> int:
        self.ops.append(int(op))
        self.arguments.append(argument)
        self.sites.append(site)
        self.catches.append(-1 if op in (Op.JUMP, Op.LEAVE) else self.catch)
        return len(self.ops) - 1

    def here(self) -> int:
        return len(self.ops)

    def patch(self, *pcs: int) -> None:
        for pc in pcs:
            self.arguments[pc] = self.here()

    def new_handler(self) -> int:
        self.handlers.append((-1, self.depth))
        return len(self.handlers) - 1

    def place_handler(self, handler: int) -> None:
        self.handlers[handler] = (self.here(), self.handlers[handler][1])

    def body(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        match node:
            case Compute():
                self.emit(Op.EVALUATE, Site(node.id, node.code))
            case Await():
                self.emit(Op.AWAIT, Site(node.id, node.call, node.target))
            case Branch():
                self.branch(node)
            case Loop():
                self.loop(node)
            case Jump():
                self.jump(node)
            case Try():
                self.try_(node)
            case Scope():
                self.scope(node)
            case Return():
                self.emit(Op.RETURN, Site(node.id, node.value, leaves=not self.blocks))
                self.unwind(0)
                self.emit(Op.LEAVE, Site(node.id))
            case Raise(code=None):
                self.emit(Op.RERAISE, Site(node.id))
            case Raise():
                self.emit(Op.EVALUATE, Site(node.id, node.code))

    def branch(self, node: Branch) -> None:
        test = self.emit(Op.TEST, Site(node.id, node.test))
        self.body(node.then)
        if not node.orelse:
            self.patch(test)
            return
        end = self.emit(Op.JUMP)
        self.patch(test)
        self.body(node.orelse)
        self.patch(end)

    def loop(self, node: Loop) -> None:
        if node.flavour == "for":
            self.emit(Op.ITERATE, Site(node.id, node.head))
        block = _Block("loop", self.catch, self.depth, head=self.here(), node=node.id)
        if node.flavour == "for":
            exit_ = self.emit(Op.NEXT, Site(node.id, None, node.target))
        else:
            exit_ = self.emit(Op.TEST, Site(node.id, node.head))
        self.blocks.append(block)
        self.body(node.body)
        self.blocks.pop()
        self.emit(Op.JUMP, None, block.head)
        self.patch(exit_, *block.else_breaks)
        self.body(node.orelse)
        self.patch(*block.breaks)

    def jump(self, node: Jump) -> None:
        index = max(i for i, block in enumerate(self.blocks) if block.kind == "loop")
        block = self.blocks[index]
        self.unwind(index + 1)
        match node.kind:
            case "continue":
                self.emit(Op.JUMP, None, block.head)
            case "break":
                block.breaks.append(self.emit(Op.JUMP))
            case "break_else":
                block.else_breaks.append(self.emit(Op.JUMP))

    # Ways out

    def unwind(self, down_to: int) -> None:
        """Lay out what leaving all blocks from `down_to` on has to do."""
        kept = (self.blocks, self.catch, self.depth)
        for index in range(len(kept[0]) - 1, down_to - 1, -1):
            block = kept[0][index]
            self.blocks = kept[0][:index]
            if block.kind in ("handler", "handling"):
                if block.name is not None:
                    self.emit(Op.UNBIND, Site(block.node, None, block.name))
                self.emit(Op.POP_EXCEPTION, Site(block.node))
            self.catch, self.depth = block.catch, block.depth
            if block.kind == "finally":
                self.body(block.final)
            elif block.kind == "scope":
                self.emit(Op.AWAIT, Site(block.node, _leaving(block.name)))
        self.blocks, self.catch, self.depth = kept

    @contextlib.contextmanager
    def within(self, block: _Block, catch: int) -> Generator[None]:
        """What is laid out inside stands in `block`, with `catch` in force."""
        kept = self.catch
        self.blocks.append(block)
        self.catch = catch
        yield
        self.blocks.pop()
        self.catch = kept

    # async with

    def scope(self, node: Scope) -> None:
        """Enter; leave without an exception on each way out, and with it where there
        is one, which goes on unless the manager's answer is true."""
        text = f"{ENTER}({node.holder} := ({node.manager.text}))"
        writes = (*node.manager.writes, node.holder)
        entering = Code(text, "eval", node.manager.lines, writes=writes)
        self.emit(Op.AWAIT, Site(node.id, entering, node.target))
        outer, depth = self.catch, self.depth
        handler = self.new_handler()
        block = _Block("scope", outer, depth, name=node.holder, node=node.id)
        with self.within(block, handler):
            self.body(node.body)
        self.emit(Op.AWAIT, Site(node.id, _leaving(node.holder)))
        end = self.emit(Op.JUMP)
        self.place_handler(handler)
        self.depth = depth + 1
        with self.within(_Block("handling", outer, depth, node=node.id), outer):
            self.emit(Op.MATCH, Site(node.id, None, node.outcome))
            leaving = _leaving(node.holder, node.outcome)
            self.emit(Op.AWAIT, Site(node.id, leaving, node.outcome))
            test = self.emit(Op.TEST, Site(node.id, Code(node.outcome, "eval")))
            self.emit(Op.POP_EXCEPTION, Site(node.id))
            suppressed = self.emit(Op.JUMP)
            self.patch(test)
            self.emit(Op.RERAISE, Site(node.id))
        self.depth = depth
        self.patch(end, suppressed)

    # try

    def try_(self, node: Try) -> None:
        if not node.final:
            self.try_except(node)
            return
        outer, depth = self.catch, self.depth
        handler = self.new_handler()
        block = _Block("finally", outer, depth, final=node.final, node=node.id)
        with self.within(block, handler):
            self.try_except(node)
        self.body(node.final)
        end = self.emit(Op.JUMP)
        self.place_handler(handler)
        self.depth = depth + 1
        handling = _Block("handling", outer, depth, node=node.id)
        with self.within(handling, outer):
            self.body(node.final)
        self.emit(Op.RERAISE, Site(node.id))
        self.depth = depth
        self.patch(end)

    def try_except(self, node: Try) -> None:
        if not node.handlers:
            self.body(node.body)
            return
        outer, depth = self.catch, self.depth
        handler = self.new_handler()
        self.catch = handler
        self.body(node.body)
        self.catch = outer
        self.body(node.orelse)
        ends = [self.emit(Op.JUMP)]
        self.place_handler(handler)
        self.depth = depth + 1
        if node.star is not None:
            ends.append(self.star_clauses(node, node.star, outer, depth))
            self.depth = depth
            self.patch(*ends)
            return
        for clause in node.handlers:
            self.before(node, clause, outer, depth)
            match_ = self.emit(Op.MATCH, Site(node.id, clause.types, clause.name))
            block = _Block("handler", outer, depth, name=clause.name, node=node.id)
            cleanup = self.new_handler() if clause.name is not None else outer
            with self.within(block, cleanup):
                self.body(clause.body)
            if clause.name is not None:
                self.emit(Op.UNBIND, Site(node.id, None, clause.name))
            self.emit(Op.POP_EXCEPTION, Site(node.id))
            ends.append(self.emit(Op.JUMP))
            if clause.name is not None:
                self.place_handler(cleanup)
                self.emit(Op.UNBIND, Site(node.id, None, clause.name))
                self.emit(Op.RERAISE, Site(node.id))
            self.patch(match_)
        self.emit(Op.RERAISE, Site(node.id))
        self.depth = depth
        self.patch(*ends)

    def before(self, node: Try, clause: Handler, outer: int, depth: int) -> None:
        """What the handler's classes await."""
        with self.within(_Block("handling", outer, depth, node=node.id), outer):
            self.body(clause.before)

    def star_clauses(self, node: Try, star: str, outer: int, depth: int) -> int:
        """The handlers of `except*`, each for its part of the group, whatever the
        ones above it raised. Returns the jump that is taken when all is handled."""
        self.emit(Op.STAR, Site(node.id, None, star))
        for clause in node.handlers:
            self.before(node, clause, outer, depth)
            match_ = self.emit(Op.STAR_MATCH, Site(node.id, clause.types, star))
            if clause.name is not None:
                self.emit(Op.MATCH, Site(node.id, None, clause.name))
            cleanup = self.new_handler()
            block = _Block("handler", outer, depth, name=clause.name, node=node.id)
            with self.within(block, cleanup):
                self.body(clause.body)
            if clause.name is not None:
                self.emit(Op.UNBIND, Site(node.id, None, clause.name))
            end = self.emit(Op.JUMP)
            self.place_handler(cleanup)
            if clause.name is not None:
                self.emit(Op.UNBIND, Site(node.id, None, clause.name))
            self.emit(Op.STAR_RAISED, Site(node.id, None, star))
            self.patch(match_, end)
        return self.emit(Op.STAR_END, Site(node.id, None, star))


def _leaving(holder: str | None, error: str = "None") -> Code:
    return Code(f"{LEAVE}({holder}, {error})", "eval")


def flatten(function: Function) -> FlatFunction:
    """The flat form of one function. Falling off its end returns None."""
    flattener = _Flattener()
    flattener.body(function.body)
    flattener.emit(Op.RETURN, Site(-1, leaves=True))
    flattener.emit(Op.LEAVE, Site(-1))
    ops, raw = flattener.ops, flattener.arguments

    def past_jumps(pc: int) -> int:
        while 0 <= pc < len(ops) and ops[pc] == Op.JUMP:
            pc = raw[pc]
        return pc

    return FlatFunction(
        tuple(ops),
        tuple(map(past_jumps, raw)),
        tuple(past_jumps(pc + 1) for pc in range(len(ops))),
        tuple(flattener.sites),
        tuple(flattener.catches),
        tuple((past_jumps(pc), depth) for pc, depth in flattener.handlers),
    )
