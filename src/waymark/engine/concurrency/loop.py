"""A run's event loop: its futures, tasks and callbacks as values.

The machine orders them by their numbers; here is what the numbers stand for. A
loop is made when a run first needs one, and then belongs to its evaluator.

A callback is an object with `called(argument)`, known to the machine by a number:
the end of a future, a timer or a turn of the queue calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from waymark.engine import futures as m
from waymark.engine import primitives
from waymark.engine.awaitables import SLEEP_SECONDS_MAX, ActionCall, Coroutine, HelperCall
from waymark.engine.frame import Frame
from waymark.errors import GraphError

from .future import Future, GatheringFuture, Task
from .mailboxes import Mailbox, mailbox

if TYPE_CHECKING:
    from waymark.engine.evaluator import Evaluator
    from waymark.engine.messages import Event

_EFFECT_CHILD = (m.CHILD_EFFECT, -1)
_NOT_AWAITABLE = "An asyncio.Future, a coroutine or an awaitable is required"


class Callback(Protocol):
    """What the machine may call back."""

    def called(self, argument: Any) -> None: ...


class Handle:
    """A callback that is due, until it is called or cancelled."""

    __slots__ = ("callback", "loop", "timer")

    def __init__(self, loop: RunLoop, callback: int, timer: int) -> None:
        self.loop = loop
        self.callback = callback
        self.timer = timer

    def cancel(self) -> None:
        """It is not called any more."""
        if self.loop.callbacks.pop(self.callback, None) is not None and self.timer >= 0:
            primitives.drop_timer(self.loop.machine, self.timer)


class RunLoop:
    """The loop of one run. `objects` are the futures that are pending, `awaited`
    what a task waits for, by its number."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.machine = evaluator.machine
        self.objects: dict[int, Future] = {}
        self.awaited: dict[int, Future] = {}
        self.callbacks: dict[int, tuple[Callback, Any]] = {}
        self.next_callback = 0
        #: Of events from outside, by their name.
        self.mailboxes: dict[str, Mailbox] = {}
        #: What `cancel` was told, by the number that the machine has for it.
        self.messages: list[Any] = []
        # What was said to children of gathers that ended before they could hear it.
        self.unheard: dict[int, Any] = {}

    def __repr__(self) -> str:
        return "<loop of this run>"

    # What the author calls

    def time(self) -> float:
        """Seconds since the run began, by the run's own clock."""
        return self.evaluator.program.tape.clock_ns / 1e9

    def create_future(self) -> Future:
        """A future that somebody will end by hand."""
        number = primitives.new_future(self.machine)
        future = self.objects[number] = Future(self, number)
        return future

    def create_task(self, coro: Any, *, name: object = None) -> Task:
        """Begin a task. Its first turn comes later."""
        if not isinstance(coro, Coroutine):
            raise TypeError(f"a coroutine was expected, got {coro!r}")
        machine = self.machine
        kind, argument = self._child(coro, machine.next_future, machine.frames, self._node())
        number = primitives.spawn(machine, kind, argument)
        known_as = f"Task-{machine.tasks}" if name is None else str(name)
        task = self.objects[number] = Task(self, number, known_as, coro)
        return task

    # What asyncio's functions are made of

    def current_task(self) -> Task:
        """The task that is being evaluated."""
        number = self.machine.current().number
        found = self.objects.get(number)
        if not isinstance(found, Task):
            name = f"Task-{primitives.ordinal(self.machine, number)}"
            found = self.objects[number] = Task(self, number, name, None)
        return found

    def ensure_future(self, awaitable: Any) -> Future:
        """A future as it is, a coroutine as a task."""
        if isinstance(awaitable, Future):
            return awaitable
        if not isinstance(awaitable, Coroutine):
            raise TypeError(_NOT_AWAITABLE)
        return self.create_task(awaitable)

    def gather(self, children: tuple[Any, ...], collects: bool) -> GatheringFuture:
        """Begin a gather; equal children are awaited once. A child that is no
        awaitable is an error once those before it have begun."""
        machine, node = self.machine, self._node()
        calls = self.evaluator.calls
        begun: list[tuple[int, int]] = []
        known: dict[int, Future | int] = {}
        owned = True
        number, frame = machine.next_future, machine.frames
        for position, child in enumerate(children):
            if id(child) in known:
                owned = False
            elif isinstance(child, ActionCall) and not child.awaited:
                child.awaited, child.node = True, node
                calls[number] = child
                begun.append(_EFFECT_CHILD)
                known[id(child)] = number
                number += 1
            elif isinstance(child, Coroutine):
                begun.append(self._child(child, number, frame, node))
                frame += begun[-1][0] == m.CHILD_HELPER
                known[id(child)] = number
                number += 1
            elif isinstance(child, Future):
                owned = False
                known[id(child)] = child
                state = child.over()
                begun.append(
                    (m.CHILD_OVER + state, ~position) if state else (m.CHILD_FUTURE, child.number)
                )
            else:
                primitives.begin_gather(machine, True, begun)
                raise TypeError(_NOT_AWAITABLE)
        future = GatheringFuture(self, number)
        if not owned:
            future.children = [known[id(child)] for child in children]
        self.objects[number] = future
        primitives.begin_gather(machine, collects, begun)
        return future

    def _child(self, call: Coroutine, number: int, frame: int, node: int) -> tuple[int, int]:
        """A coroutine as the machine takes it for the task `number`; what goes with
        it is laid ready."""
        evaluator = self.evaluator
        if call.awaited:
            evaluator.outcomes[number] = RuntimeError("cannot reuse already awaited coroutine")
            return m.CHILD_FAILED, -1
        call.awaited = True
        if isinstance(call, ActionCall):
            call.node = node
            evaluator.calls[number] = call
            return _EFFECT_CHILD
        if isinstance(call, HelperCall):
            function = self.function(call)
            linked = evaluator.program.functions[function]
            evaluator.frames[frame] = Frame(linked, call.values, captured=call.captured)
            return m.CHILD_HELPER, function
        evaluator.outcomes[number] = call.result
        return m.CHILD_SLEEP, call.delay_ns

    def function(self, call: HelperCall) -> int:
        """The function of the graph that a helper's call is of."""
        if call.function < 0:
            found = self.evaluator.program.definitions.get(call.name)
            if found is None:
                raise GraphError(f"the graph has no definition of {call.name}")
            call.function = found
        return call.function

    def _node(self) -> int:
        """The node that is being evaluated."""
        machine = self.machine
        return self.evaluator.frames[machine.frame].function.sites[machine.pc].node

    # Callbacks

    def when_over(self, future: Future, callback: Callback) -> int:
        """Call back with the future once it is over: after that, or after now."""
        number = self._new_callback(callback, future)
        if future.over():
            primitives.call_soon(self.machine, number)
        else:
            primitives.add_callback(self.machine, future.number, number)
        return number

    def not_when_over(self, future: Future, callback: int) -> None:
        """Undo `when_over`, unless the call is due already."""
        if not future.over() and self.callbacks.pop(callback, None) is not None:
            primitives.remove_callback(self.machine, future.number, callback)

    def call_soon(self, callback: Callback) -> Handle:
        """Call back with a turn of the queue."""
        number = self._new_callback(callback, None)
        primitives.call_soon(self.machine, number)
        return Handle(self, number, -1)

    def call_at(self, when: float, callback: Callback) -> Handle:
        """Call back when the run's clock shows `when`."""
        number = self._new_callback(callback, None)
        began_ns = self.machine.now_ns - self.evaluator.program.tape.clock_ns
        seconds = min(SLEEP_SECONDS_MAX, when)
        deadline_ns = max(began_ns + round(seconds * 1e9), self.machine.now_ns)
        return Handle(self, number, primitives.call_at(self.machine, deadline_ns, number))

    def post(self, event: Event) -> None:
        """An event has come: who waits for one of its name goes on."""
        mailbox(self, event.name).put((event.value, event.problem))

    def _new_callback(self, callback: Callback, argument: Any) -> int:
        number = self.next_callback
        self.next_callback = number + 1
        self.callbacks[number] = (callback, argument)
        return number

    def call_back(self, number: int) -> None:
        """The machine says that a callback's turn has come."""
        found = self.callbacks.pop(number, None)
        if found is not None:
            callback, argument = found
            callback.called(argument)

    # What the machine tells of the end of futures

    def catch_up(self) -> None:
        """Take in what sync calls have ended since the machine was last asked."""
        requests = self.machine.requests
        while requests:
            self.keep(*requests.pop(0))

    def keep(self, request: int, state: int, number: int, child: int) -> None:
        """Answer FORGET, ENDED, COLLECT and FIRST."""
        if request == m.COLLECT:
            gather = self.objects.pop(number, None)
            results = self._collected(number, gather)
            if gather is not None:
                gather.take_end(m.RESOLVED, results)
        elif request == m.FIRST:
            self._first(number, child, state)
        elif request == m.ENDED:
            self._ended(number, state, self.message(child))
        else:
            self.evaluator.outcomes.pop(number, None)
            self.unheard.pop(number, None)

    def _ended(self, number: int, state: int, message: Any) -> None:
        value = self.evaluator.outcomes.pop(number, None)
        future = self.objects.get(number)
        raised = isinstance(value, self.evaluator.program.cancelled_error)
        if state == m.CANCELLED and not raised and (future is None or isinstance(future, Task)):
            # An action or a sleep: the error was raised inside it.
            value, message = self.cancelled_error(message), None
        self.end_task(number, state, value, message)

    def end_task(self, number: int, state: int, value: Any, message: Any = None) -> None:
        """A future of the machine is over. A child of a gather stays for that."""
        future = self.objects.pop(number, None)
        if future is not None:
            future.take_end(state, value, message)
        if future is None or not primitives.is_exposed(self.machine, number):
            if state == m.CANCELLED and value is None:
                value = self.cancelled_error(message)
                if message is not None:
                    self.unheard[number] = message
            self.evaluator.outcomes[number] = value
        if future is None:
            return
        cancels = primitives.release(self.machine, number)
        if isinstance(future, Task):
            future.cancels = cancels

    def _collected(self, number: int, gather: Future | None) -> list[Any]:
        """The results of a gather's children, in order."""
        outcomes = self.evaluator.outcomes
        children = gather.children if isinstance(gather, GatheringFuture) else None
        members = primitives.collected(self.machine, number)
        if children is None and all(state != m.CANCELLED for _, state in members):
            return [outcomes.pop(child, None) for child, _ in members]
        own = {
            child: self.cancelled_error(self.unheard.pop(child, ""))
            if state == m.CANCELLED
            else outcomes.get(child)
            for child, state in members
        }
        for child in own:
            outcomes.pop(child, None)
        if children is None:
            return list(own.values())
        return [
            own[child] if isinstance(child, int) else self._gathered(child) for child in children
        ]

    def _gathered(self, future: Future) -> Any:
        if future.state == m.CANCELLED:
            return self.cancelled_error("" if future.message is None else future.message)
        return future.value if future.state == m.RESOLVED else future.error

    def _first(self, number: int, child: int, state: int) -> None:
        """A gather ends with the error of one child."""
        gather = self.objects.pop(number, None)
        if not isinstance(gather, GatheringFuture):
            return
        future: Future | int = child
        for position, known in enumerate(gather.children or ()):
            if isinstance(known, Future) and child in (known.number, ~position):
                future = known
        if child == number:
            # It was cancelled as a whole: its last child lends it its own message.
            future = gather.children[-1] if gather.children else number - 1
        error: BaseException | None
        if isinstance(future, Future):
            # One that ended with an error, as gathers do, was not cancelled itself.
            silent = state == m.CANCELLED and future.state == m.ERROR
            error = None if silent else future.failure()
        else:
            error = cast("BaseException | None", self.evaluator.outcomes.get(future))
        if state == m.CANCELLED and not isinstance(error, self.evaluator.program.cancelled_error):
            error = self.cancelled_error(None)
        gather.take_end(m.ERROR, error)

    # Cancellation

    def keep_message(self, message: Any) -> int:
        """The number by which the machine passes a message on."""
        if message is None:
            return -1
        self.messages.append(message)
        return len(self.messages) - 1

    def message(self, number: int) -> Any:
        """What a number of the machine stands for."""
        return None if number < 0 else self.messages[number]

    def cancelled_error(self, message: Any) -> BaseException:
        """A new CancelledError, which says what the request said."""
        error = self.evaluator.program.cancelled_error
        return error() if message is None else error(message)

    def invalid_state(self, text: str) -> BaseException:
        """A new InvalidStateError."""
        return self.evaluator.program.invalid_state_error(text)
