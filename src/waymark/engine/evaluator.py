"""The value part of the engine: runs code, binds outcomes, holds what is held.

It answers the machine's requests (see the table in `machine`) and knows nothing
of order or time. A frame is a list of cells, one for each variable of its
function; code reaches them as closures do. Outcomes of futures wait in
`outcomes` by the machine's keys until somebody receives them.

What code raises is a value like any other here: it waits in `exception` until
the machine has found who catches it. Only the errors that concern the run and
not the program (a journal that does not fit) leave as exceptions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import CellType, TracebackType
from typing import Any

from waymark.errors import RecoveryMismatch, WaymarkBug

from . import futures as m
from . import groups, primitives
from .awaitables import ActionCall, HelperCall, Ready, SleepCall, take
from .concurrency.future import Future
from .concurrency.loop import RunLoop
from .flat import Op
from .frame import Frame
from .machine import Machine, MachineError
from .pieces import UncompilableCode
from .program import Program, run_code
from .sites import LinkedSite
from .straight import Straight
from .wording import not_awaitable

_AWAIT, _EVALUATE, _RETURN, _TEST = int(Op.AWAIT), int(Op.EVALUATE), int(Op.RETURN), int(Op.TEST)
_ITERATE, _NEXT, _MATCH = int(Op.ITERATE), int(Op.NEXT), int(Op.MATCH)
_UNBIND, _POP, _RERAISE = int(Op.UNBIND), int(Op.POP_EXCEPTION), int(Op.RERAISE)
_LEAVE = int(Op.LEAVE)
_STAR, _STAR_MATCH, _STAR_RAISED = int(Op.STAR), int(Op.STAR_MATCH), int(Op.STAR_RAISED)

#: The operations up to this one are given the value of their code.
_LAST_VALUE = _RETURN

_NOT_RUN = object()


class Evaluator:
    """Values of one run. `evaluate`, `receive` and `serve` answer the machine's
    EVALUATE, RECEIVE and all other requests, and return the next request."""

    __slots__ = (
        "_cancelled_error",
        "_loop",
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
        #: What futures and direct waits came to, by key.
        self.outcomes: dict[int, Any] = {}
        #: Actions that the machine has or has not begun, by the key that waits.
        self.calls: dict[int, ActionCall] = {}
        self.exception: BaseException | None = None
        self._cancelled_error = program.cancelled_error
        self._loop: RunLoop | None = None

    @property
    def loop(self) -> RunLoop:
        """The run's event loop, made when it is first needed."""
        if self._loop is None:
            self._loop = RunLoop(self)
        return self._loop

    @property
    def loop_if_any(self) -> RunLoop | None:
        """The run's event loop, unless none was needed so far."""
        return self._loop

    def adopt(self, machine: Machine) -> None:
        """Go on with a machine that was read from a snapshot."""
        self.machine = machine
        if self._loop is not None:
            self._loop.machine = machine

    def take_over(self, straight: Straight) -> None:
        """Go on where a run stands that needed no machine so far."""
        self.frames[0] = straight.frame
        primitives.take_over(
            self.machine, straight.now_ns, straight.pc, straight.effects, straight.pending
        )

    # Requests

    def serve(self, request: int) -> int:
        """Do what the machine asks, and answer where it waits for an answer."""
        machine = self.machine
        if request == m.RESULT:
            return self._return_to_caller()
        if request == m.DONE:
            return self._end_task()
        if request == m.CATCH:
            frame = self.frames[machine.frame]
            frame.handling = (*frame.handling[: machine.child], self._take_exception())
        elif request == m.DROP:
            del self.frames[machine.frame]
            if isinstance(self.exception, StopIteration):
                self.exception = _stopped(self.exception)
        elif request == m.FAILED:
            self._end(machine.future, machine.child, self._take_exception())
        elif request == m.THROW:
            return self._interrupt()
        elif request == m.CALLBACK:
            self.loop.call_back(machine.child)
        elif request == m.CUT:
            del self.frames[machine.callee]
            message = self.loop.message(machine.child)
            self.loop.end_task(machine.future, m.CANCELLED, None, message)
        elif request in (m.COLLECT, m.FIRST, m.FORGET, m.ENDED):
            self.loop.keep(request, machine.frame, machine.future, machine.child)
        else:
            raise WaymarkBug(f"unknown request {request}")
        return machine.poll()

    def _return_to_caller(self) -> int:
        result = self.frames.pop(self.machine.callee).result
        self._bind(self.frames[self.machine.frame], result)
        return self.machine.proceed()

    def _end_task(self) -> int:
        machine = self.machine
        self._end(machine.future, m.RESOLVED, self.frames.pop(machine.callee).result)
        return machine.poll()

    def _end(self, number: int, state: int, value: Any) -> None:
        """Keep what a task came to, for its object or for the gather it belongs to."""
        if self._loop is not None and number in self._loop.objects:
            self._loop.end_task(number, state, value)
        else:
            self.outcomes[number] = value

    def _interrupt(self) -> int:
        """Answer THROW. A CancelledError that the task was about to get comes first."""
        machine = self.machine
        error: BaseException | None = None
        if machine.future >= 0:
            awaited = self.loop.awaited.pop(machine.current().number)
            if awaited.state != m.RESOLVED:
                error = awaited.failure()
        else:
            self.outcomes.pop(machine.future, None)
        if not isinstance(error, self._cancelled_error):
            error = self._cancelled()
        return self._raise(self.frames[machine.frame], error)

    def _cancelled(self) -> BaseException:
        """The CancelledError of a request whose message the machine's child names."""
        if self.machine.child < 0:
            return self._cancelled_error()
        return self.loop.cancelled_error(self.loop.message(self.machine.child))

    def _take_exception(self) -> BaseException:
        error, self.exception = self.exception, None
        if error is None:
            raise WaymarkBug("an exception was expected")
        return error

    # Evaluating

    def evaluate(self, frame: Frame, site: LinkedSite) -> int:
        """Answer EVALUATE for the site at the machine's pc."""
        if frame.nested or frame.handling:
            return self._evaluate_while_handling(frame, site)
        return self._evaluate(frame, site)

    def _evaluate_while_handling(self, frame: Frame, site: LinkedSite) -> int:
        """An exception that is being handled is so for the code, too: Python then
        gives what the code raises its context."""
        handled = self._handled(frame)
        if handled is None:
            return self._evaluate(frame, site)
        kept = handled.__traceback__, handled.__context__
        try:
            raise handled
        except BaseException:  # noqa: BLE001 - raised on the line above
            handled.__traceback__, handled.__context__ = kept
            return self._evaluate(frame, site)

    def _evaluate(self, frame: Frame, site: LinkedSite, value: Any = _NOT_RUN) -> int:
        machine = self.machine
        op = site.op
        try:
            if value is _NOT_RUN and op <= _LAST_VALUE:
                value = run_code(site, frame)
            if op == _AWAIT:
                return self._await(value, frame, site.node)
            if op == _RETURN:
                frame.result = value
                return self._leave() if site.leaves else machine.proceed()
            if op == _EVALUATE:
                return machine.proceed()
            if op == _TEST:
                return machine.test(bool(value))
            if op == _NEXT:
                return machine.test(frame.next_item(site))
            return self._evaluate_rare(frame, site)
        except (RecoveryMismatch, UncompilableCode, WaymarkBug, MachineError):
            raise
        except BaseException as error:  # noqa: BLE001 - what code raises is a value here
            return self.failed(frame, error)

    def evaluated(self, frame: Frame, site: LinkedSite, value: Any) -> int:
        """Answer EVALUATE for a site whose code has given `value` already."""
        return self._evaluate(frame, site, value)

    def failed(self, frame: Frame, error: BaseException) -> int:
        """Answer EVALUATE for a site whose code has raised."""
        self.exception = _trimmed(error, frame.function.variables)
        return self.machine.raised(isinstance(error, self._cancelled_error))

    def _leave(self) -> int:
        request = self.machine.leave()
        if request == m.DONE:
            return self._end_task()
        return self._return_to_caller() if request == m.RESULT else self.serve(request)

    def _evaluate_rare(self, frame: Frame, site: LinkedSite) -> int:
        machine, op = self.machine, site.op
        if op == _LEAVE:
            return self._leave()
        if op == _MATCH:
            matches = self._matches(frame, site)
            if matches and site.target >= 0:
                frame.cells[site.target].cell_contents = frame.handling[-1]
            return machine.test(matches)
        if op == _RERAISE:
            return self._reraise(frame)
        if op >= _STAR:
            return self._star(frame, site)
        if op == _ITERATE:
            frame.iterate(site, run_code(site, frame))
        elif op == _UNBIND:
            _unbind(frame.cells[site.target])
        elif op == _POP:
            frame.handling = frame.handling[:-1]
        return machine.proceed()

    def _matches(self, frame: Frame, site: LinkedSite) -> bool:
        """Whether `except <types>` takes the exception being handled."""
        if site.piece is None:
            return True
        return isinstance(frame.handling[-1], groups.classes_of(run_code(site, frame)))

    def _star(self, frame: Frame, site: LinkedSite) -> int:
        """A step of an `except*`, whose state is the value of the site's target."""
        machine, op, cell = self.machine, site.op, frame.cells[site.target]
        if op == _STAR:
            cell.cell_contents = groups.begin(frame.handling[-1])
            return machine.proceed()
        if op == _STAR_MATCH:
            taken = groups.take(cell.cell_contents, run_code(site, frame))
            if taken is not None:
                frame.handling = (*frame.handling[:-1], taken)
            return machine.test(taken is not None)
        if op == _STAR_RAISED:
            cell.cell_contents[2].append(frame.handling[-1])
            frame.handling = frame.handling[:-1]
            return machine.proceed()
        error = groups.remaining(cell.cell_contents)
        cell.cell_contents = None
        if error is None:
            frame.handling = frame.handling[:-1]
            return machine.test(False)
        self.exception = error
        return machine.raised(isinstance(error, self._cancelled_error))

    # Awaiting

    def _await(self, value: Any, frame: Frame, node: int) -> int:
        machine = self.machine
        if isinstance(value, ActionCall):
            take(value)
            value.node = node
            self.calls[~machine.next_effect] = value
            return machine.wait_effect()
        if isinstance(value, HelperCall):
            take(value)
            function = value.function if value.function >= 0 else self.loop.function(value)
            number = machine.wait_helper(function)
            linked = self.program.functions[function]
            self.frames[number] = Frame(linked, value.values, True, value.captured)
            return m.EVALUATE
        if isinstance(value, SleepCall):
            take(value)
            self.outcomes[~machine.current().number] = value.result
            return machine.wait_sleep(value.delay_ns)
        if isinstance(value, Future):
            return self._await_future(value, frame)
        if isinstance(value, Ready):
            self._bind(frame, value.value)
            return machine.proceed()
        raise not_awaitable(value)

    def _await_future(self, future: Future, frame: Frame) -> int:
        """One that is over gives up no turn."""
        if future.over():
            return self._take_outcome(future, frame)
        number = self.machine.current().number
        if future.number == number:
            raise RuntimeError(f"Task cannot await on itself: {future!r}")
        self.loop.awaited[number] = future
        return self.machine.wait_future(future.number)

    # Outcomes

    def receive(self, frame: Frame) -> int:
        """Answer RECEIVE: bind the outcome of what the frame waited for, or raise it."""
        machine = self.machine
        key = machine.future
        if key >= 0:
            return self._take_outcome(self.loop.awaited.pop(machine.current().number), frame)
        value = self.outcomes.pop(key, None)
        if machine.received(key) == m.RESOLVED:
            self._bind(frame, value)
            return machine.proceed()
        # An action's body stands in the chain of calls, a gather's children do not.
        return self._raise(frame, value, _first_in_chain(value))

    def _take_outcome(self, future: Future, frame: Frame) -> int:
        if future.state == m.RESOLVED:
            self._bind(frame, future.value)
            return self.machine.proceed()
        return self._raise(frame, future.failure())

    def _bind(self, frame: Frame, value: Any) -> None:
        target = frame.function.sites[self.machine.pc].target
        if target >= 0:
            frame.cells[target].cell_contents = value

    # Raising

    def _raise(self, frame: Frame, error: BaseException, inner: BaseException | None = None) -> int:
        """Hand an exception to the machine. `inner`, in the chain of its contexts,
        was raised first: it gets the context that Python would give it here."""
        handled = self._handled(frame)
        if handled is not None:
            _set_context(inner or error, handled)
        self.exception = error
        return self.machine.raised(isinstance(error, self._cancelled_error))

    def _reraise(self, frame: Frame) -> int:
        error = self._handled(frame)
        if error is None:
            raise RuntimeError("No active exception to reraise")
        self.exception = error
        return self.machine.raised(isinstance(error, self._cancelled_error))

    def _handled(self, frame: Frame) -> BaseException | None:
        """The exception being handled, here or in a frame that awaits this one."""
        if frame.handling:
            return frame.handling[-1]
        task = self.machine.task
        if task is None:
            return None
        for caller, _, _ in reversed(task.callers or ()):
            if self.frames[caller].handling:
                return self.frames[caller].handling[-1]
        return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, its context, that one's context and so on, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__context__


def _first_in_chain(error: BaseException) -> BaseException:
    return list(_chain(error))[-1]


def _set_context(error: BaseException, handled: BaseException) -> None:
    """What `raise error` does while `handled` is being handled."""
    if error is handled:
        return
    for link in _chain(handled):
        if link.__context__ is error:
            link.__context__ = None
            break
    error.__context__ = handled


def _stopped(error: StopIteration) -> RuntimeError:
    """What a coroutine raises instead of a StopIteration that leaves it."""
    stopped = RuntimeError("coroutine raised StopIteration")
    stopped.__cause__ = stopped.__context__ = error
    return stopped


def _unbind(cell: CellType) -> None:
    with contextlib.suppress(ValueError):  # the handler's body may have deleted the name
        del cell.cell_contents


def _trimmed(error: BaseException, variables: tuple[str, ...]) -> BaseException:
    """The exception as the author's own code raised it: without the engine's
    frames, and an unbound local named as Python names it (which it does not for
    one that an inner scope reads)."""
    traceback = error.__traceback__
    while traceback is not None and _is_engines(traceback):
        traceback = traceback.tb_next
    own = traceback is not None and traceback.tb_next is None
    if own and type(error) is NameError and error.name in variables:
        unbound = UnboundLocalError(
            f"cannot access local variable '{error.name}' where it is not associated with a value"
        )
        unbound.__context__ = error.__context__
        error = unbound
    error.__traceback__ = traceback
    return error


def _is_engines(traceback: TracebackType) -> bool:
    return str(traceback.tb_frame.f_globals.get("__name__", "")).startswith(_ENGINE)


_ENGINE = __name__.rpartition(".")[0]
