"""The value part of the engine: runs code, binds outcomes, holds what is held.

It answers the machine's requests (see the table in `machine`) and knows nothing
of order or time. A frame is a list of cells, one for each variable of its
function; code reaches them as closures do. Outcomes of futures wait in
`outcomes` by the machine's numbers until somebody receives them.

What code raises is a value like any other here: it waits in `exception` until
the machine has found who catches it. Only the errors that concern the run and
not the program (a journal that does not fit) leave through `serve`.
"""

from __future__ import annotations

import contextlib
from types import CellType
from typing import Any

from waymark.errors import RecoveryMismatch, WaymarkBug

from . import futures as m
from .awaitables import ActionCall, Awaitable, GatherCall, HelperCall, SleepCall
from .flat import Op
from .machine import Machine, MachineError
from .program import LinkedFunction, LinkedSite, Program, run_code

_AWAIT, _EVALUATE, _RETURN, _TEST = int(Op.AWAIT), int(Op.EVALUATE), int(Op.RETURN), int(Op.TEST)
_ITERATE, _NEXT, _MATCH = int(Op.ITERATE), int(Op.NEXT), int(Op.MATCH)
_UNBIND, _POP, _RERAISE = int(Op.UNBIND), int(Op.POP_EXCEPTION), int(Op.RERAISE)

_STOP = object()


class Frame:
    """One call of a function. `handling` are the exceptions being handled, the
    innermost last; `iterators` those of the loops under way, by node."""

    __slots__ = ("cells", "function", "handling", "iterators", "result")

    def __init__(self, function: LinkedFunction, values: tuple[Any, ...]) -> None:
        cells = [CellType(value) for value in values]
        cells += [CellType() for _ in range(len(function.variables) - len(values))]
        self.cells = cells
        self.function = function
        self.handling: list[BaseException] = []
        self.iterators: dict[int, Any] = {}
        self.result: Any = None


class Evaluator:
    """Values of one run. Drive it with `serve` until it returns."""

    __slots__ = (
        "_cancelled_error",
        "_next_slot",
        "calls",
        "exception",
        "frames",
        "machine",
        "outcomes",
        "program",
    )

    def __init__(self, program: Program, machine: Machine) -> None:
        self.program = program
        self.machine = machine
        self.frames: dict[int, Frame] = {}
        self.outcomes: dict[int, Any] = {}
        self.calls: dict[int, Awaitable] = {}  # begun by the machine, by slot
        self.exception: BaseException | None = None
        self._next_slot = 0
        self._cancelled_error: type[BaseException] = program.links.modules["asyncio"].CancelledError

    def begin(self, values: tuple[Any, ...]) -> None:
        """Make frame 0, of `run`, from its bound parameters."""
        self.frames[0] = Frame(self.program.functions[0], values)

    # Requests

    def serve(self, request: int) -> None:
        """Do what the machine asks, and answer where it waits for an answer."""
        machine = self.machine
        if request == m.EVALUATE:
            self._evaluate(self.frames[machine.frame])
        elif request == m.RECEIVE:
            self._receive(self.frames[machine.frame])
        elif request == m.FORGET:
            self.outcomes.pop(machine.future, None)
        elif request == m.DONE:
            self.outcomes[machine.future] = self.frames.pop(machine.callee).result
        elif request == m.RESULT:
            result = self.frames.pop(machine.callee).result
            self._bind(self.frames[machine.frame], result)
            machine.proceed()
        elif request == m.COLLECT:
            self._collect()
        elif request == m.SLEPT:
            call = self.calls.pop(machine.child)
            self.outcomes[machine.future] = call.result if isinstance(call, SleepCall) else None
        else:
            self._serve_rare(request)

    def _serve_rare(self, request: int) -> None:
        machine = self.machine
        if request == m.CATCH:
            frame = self.frames[machine.frame]
            frame.handling[machine.child :] = [self._take_exception()]
        elif request == m.ENTER:
            call = self.calls.pop(machine.child)
            if not isinstance(call, HelperCall):
                raise WaymarkBug(f"{call!r} has no frame")
            function = self.program.functions[call.function]
            self.frames[machine.frame] = Frame(function, call.values)
        elif request == m.THROW:
            self._raise(self.frames[machine.frame], self._cancelled_error())
        elif request == m.DROP:
            del self.frames[machine.frame]
        elif request == m.FAILED:
            self.outcomes[machine.future] = self._take_exception()
        elif request == m.FIRST:
            error = self.outcomes.get(machine.child)
            cancelled = machine.frame == m.CANCELLED
            self.outcomes[machine.future] = self._cancelled_error() if cancelled else error
        else:
            raise WaymarkBug(f"unknown request {request}")

    def _take_exception(self) -> BaseException:
        error, self.exception = self.exception, None
        if error is None:
            raise WaymarkBug("an exception was expected")
        return error

    # Evaluating

    def _evaluate(self, frame: Frame) -> None:
        machine = self.machine
        site = frame.function.sites[machine.pc]
        if site is None:
            raise WaymarkBug(f"nothing to evaluate at {machine.pc}")
        op = site.op
        try:
            if op == _AWAIT:
                self._await(run_code(site, frame.cells, frame.function.namespace), site.node)
            elif op == _EVALUATE:
                run_code(site, frame.cells, frame.function.namespace)
                machine.proceed()
            elif op == _RETURN:
                frame.result = run_code(site, frame.cells, frame.function.namespace)
                machine.proceed()
            elif op == _TEST:
                machine.test(bool(run_code(site, frame.cells, frame.function.namespace)))
            else:
                self._evaluate_rare(frame, site)
        except (RecoveryMismatch, WaymarkBug, MachineError):
            raise
        except BaseException as error:  # noqa: BLE001 - what code raises is a value here
            self._raise(frame, _trimmed(error, frame.function.variables))

    def _evaluate_rare(self, frame: Frame, site: LinkedSite) -> None:
        machine, op = self.machine, site.op
        if op == _NEXT:
            item = next(frame.iterators[site.node], _STOP)
            if item is _STOP:
                del frame.iterators[site.node]
            else:
                frame.cells[site.target].cell_contents = item
            machine.test(item is not _STOP)
            return
        if op == _MATCH:
            matches = self._matches(frame, site)
            if matches and site.target >= 0:
                frame.cells[site.target].cell_contents = frame.handling[-1]
            machine.test(matches)
            return
        if op == _ITERATE:
            frame.iterators[site.node] = iter(run_code(site, frame.cells, frame.function.namespace))
        elif op == _UNBIND:
            _unbind(frame.cells[site.target])
        elif op == _POP:
            frame.handling.pop()
        elif op == _RERAISE:
            self._reraise(frame)
            return
        machine.proceed()

    def _matches(self, frame: Frame, site: LinkedSite) -> bool:
        """Whether `except <types>` takes the exception being handled."""
        if site.code is None:
            return True
        types = run_code(site, frame.cells, frame.function.namespace)
        for cls in types if isinstance(types, tuple) else (types,):
            if not (isinstance(cls, type) and issubclass(cls, BaseException)):
                raise TypeError(
                    "catching classes that do not inherit from BaseException is not allowed"
                )
        return isinstance(frame.handling[-1], types)

    # Awaiting

    def _await(self, value: Any, node: int) -> None:
        machine = self.machine
        if type(value) is ActionCall:
            machine.wait_effect(self._begin(value), node)
        elif type(value) is HelperCall:
            machine.wait_helper(value.function, self._begin(value))
        elif type(value) is SleepCall:
            machine.wait_sleep(self._begin(value), value.delay_ns, node)
        elif type(value) is GatherCall:
            machine.wait_future(self._gather(value, node))
        else:
            raise TypeError(f"object {type(value).__name__} can't be used in 'await' expression")

    def _begin(self, call: Awaitable) -> int:
        """Take an awaitable, which can be done once, and give it a slot."""
        if call.awaited:
            raise RuntimeError("cannot reuse already awaited coroutine")
        call.awaited = True
        slot = self._next_slot
        self._next_slot = slot + 1
        self.calls[slot] = call
        return slot

    def _gather(self, gather: GatherCall, node: int) -> int:
        """Nested gathers begin first: Python has called them by then."""
        known: dict[int, int] = {}
        for child in gather.children:
            if isinstance(child, GatherCall) and id(child) not in known:
                known[id(child)] = self._gather(child, node)
        children = []
        next_future = self.machine.next_future()
        for child in gather.children:
            if id(child) in known:
                children.append((m.CHILD_FUTURE, known[id(child)], -1))
                continue
            known[id(child)] = next_future
            next_future += 1
            children.append(self._child(child))
        return self.machine.gather(gather.collects, children, node)

    def _child(self, child: Awaitable) -> tuple[int, int, int]:
        slot = self._begin(child)
        if type(child) is ActionCall:
            return (m.CHILD_EFFECT, -1, slot)
        if type(child) is HelperCall:
            return (m.CHILD_HELPER, child.function, slot)
        assert isinstance(child, SleepCall)
        return (m.CHILD_SLEEP, child.delay_ns, slot)

    # Outcomes

    def _receive(self, frame: Frame) -> None:
        """Bind the outcome of what the frame waited for, or raise it."""
        machine = self.machine
        number = machine.future
        state = machine.futures[number].state
        value = self.outcomes.pop(number, None)
        machine.received(number)
        if state == m.RESOLVED:
            self._bind(frame, value)
            machine.proceed()
        elif state == m.ERROR:
            self._raise(frame, value)
        else:
            self._raise(frame, self._cancelled_error())

    def _bind(self, frame: Frame, value: Any) -> None:
        site = frame.function.sites[self.machine.pc]
        if site is not None and site.target >= 0:
            frame.cells[site.target].cell_contents = value

    def _collect(self) -> None:
        outcomes, cancelled = self.outcomes, self._cancelled_error
        outcomes[self.machine.future] = [
            cancelled() if state == m.CANCELLED else outcomes.get(child)
            for child, state in self.machine.members(self.machine.future)
        ]

    # Raising

    def _raise(self, frame: Frame, error: BaseException) -> None:
        """Hand an exception to the machine, with the context Python would give."""
        handled = self._handled(frame)
        if handled is not None and error.__context__ is None and not _in_chain(error, handled):
            error.__context__ = handled
        self.exception = error
        self.machine.raised(isinstance(error, self._cancelled_error))

    def _reraise(self, frame: Frame) -> None:
        error = self._handled(frame)
        if error is None:
            raise RuntimeError("No active exception to reraise")
        self.exception = error
        self.machine.raised(isinstance(error, self._cancelled_error))

    def _handled(self, frame: Frame) -> BaseException | None:
        """The exception being handled, here or in a frame that awaits this one."""
        if frame.handling:
            return frame.handling[-1]
        task = self.machine.task
        if task is None:
            return None
        for caller, _, _ in reversed(task.callers):
            if self.frames[caller].handling:
                return self.frames[caller].handling[-1]
        return None


def _in_chain(error: BaseException, handled: BaseException) -> bool:
    """Whether `error` stands in the chain of contexts of `handled`."""
    seen: set[int] = set()
    link: BaseException | None = handled
    while link is not None and id(link) not in seen:
        if link is error:
            return True
        seen.add(id(link))
        link = link.__context__
    return False


def _unbind(cell: CellType) -> None:
    with contextlib.suppress(ValueError):  # the handler's body may have deleted the name
        del cell.cell_contents


def _trimmed(error: BaseException, variables: tuple[str, ...]) -> BaseException:
    """The exception as the author's own code raised it: without the engine's
    frames, and an unbound local named as Python names it."""
    traceback = error.__traceback__
    for _ in range(2):
        traceback = traceback.tb_next if traceback is not None else None
    if type(error) is NameError and error.name in variables:
        error = UnboundLocalError(
            f"cannot access local variable '{error.name}' where it is not associated with a value",
            name=error.name,
        )
    error.__traceback__ = traceback
    return error
