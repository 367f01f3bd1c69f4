"""The smallest host an engine can have, and the comparison with asyncio.

`compiled_outcome` runs a workflow's graph with nothing but a session and tasks
of a virtual-time loop; `plain_outcome` runs the authored body under asyncio.
What a program did (value, exception, order of action calls) must be equal.

With `crash_after=n` the host loses all memory once the journals have n entries,
builds new sessions from inputs and journals, and goes on. A child is a host of its
own in the same `World`, and crashes with it. Actions that ran then
are begun anew, which may change who is first; with `keep_attempts` they go on
undisturbed, as if another process ran them, and nothing of the outcome may
change.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from tests.oracle.posting import SEND, queues
from tests.oracle.virtual_loop import run_virtually
from waymark.authoring.policies import pause, soonest, within
from waymark.authoring.registry import registry
from waymark.authoring.workflow import WorkflowDefinition
from waymark.engine.links import Links
from waymark.engine.outcomes import (
    Advance,
    CancelChild,
    CancelEffect,
    DropTimer,
    Entry,
    Finish,
    SetTimer,
    StartAction,
    StartAttempt,
    StartChild,
)
from waymark.engine.program import Program, load_program
from waymark.engine.session import Session
from waymark.graph.codec import from_document
from waymark.graph.operations import STDLIB_MODULES
from waymark.graph.policies import CallPolicy
from waymark.graph.validation import validate
from waymark.values import dump_exception, load_exception

RUN_ID = UUID(int=7)
#: Every engine that there is, by name. All are held to asyncio.
ENGINES: dict[str, type[Session]] = {"python": Session}
CALLS: list[Any] = []


def record(*call: Any) -> None:
    """Actions of a program note here that they were called, with what they got then."""
    CALLS.append(copy.deepcopy(call))


@dataclass
class Outcome:
    """What a program did, in a form that can be compared."""

    kind: str
    value: Any
    calls: list[Any]

    @classmethod
    def returned(cls, value: Any) -> Outcome:
        return cls("returned", shape(value), list(CALLS))

    @classmethod
    def raised(cls, error: BaseException) -> Outcome:
        return cls("raised", describe(error), list(CALLS))


def shape(value: Any) -> Any:
    """A value with its types, comparable also where it holds exceptions."""
    match value:
        case BaseException():
            return describe(value)
        case list() | tuple():
            return [type(value).__qualname__, *map(shape, value)]
        case dict():
            return ["dict", *((shape(k), shape(v)) for k, v in value.items())]
        case _:
            return (type(value).__qualname__, value)


def describe(error: BaseException) -> Any:
    group = isinstance(error, BaseExceptionGroup)
    parts = [type(error).__qualname__, repr(error.args[:1] if group else error.args)]
    if isinstance(error, BaseExceptionGroup):
        parts.append([describe(inner) for inner in error.exceptions])
    if error.__cause__ is not None:
        parts.append(("cause", describe(error.__cause__)))
    if error.__context__ is not None and not error.__suppress_context__:
        parts.append(("context", describe(error.__context__)))
    return parts


def modules() -> dict[str, Any]:
    return {name: importlib.import_module(name) for name in STDLIB_MODULES}


def program_of(definition: WorkflowDefinition) -> Program:
    """The program as another process would get it: through the stored document."""
    registry.link()
    graph = from_document(definition.document)
    validate(graph)
    links = Links(
        actions=registry.action,
        workflows=registry.workflow,
        types=registry.types,
        modules=modules(),
        pure=registry.pure,
    )
    return load_program(graph, definition.hash, links)


def plain_outcome(definition: WorkflowDefinition, *args: Any) -> Outcome:
    """The oracle: the authored body under asyncio."""
    CALLS.clear()

    async def main() -> Any:
        # A run's input is a copy, so the oracle gets one, too.
        return await definition.authored(definition.cls(), *copy.deepcopy(args))

    with warnings.catch_warnings():
        # A program that fails between two calls may leave one never awaited.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited")
        try:
            with authored_runs(), queues():
                return Outcome.returned(run_virtually(main()))
        except BaseException as error:
            return Outcome.raised(error)


@contextmanager
def authored_runs() -> Iterator[None]:
    """`Other().run(...)` is the coroutine that its author wrote."""
    definitions = registry.workflows()
    durable = [definition.cls.__dict__["run"] for definition in definitions]
    for definition in definitions:
        definition.cls.run = definition.authored  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for definition, run in zip(definitions, durable, strict=True):
            definition.cls.run = run  # type: ignore[attr-defined]


@dataclass
class World:
    """The hosts of a run and of its children, and what they share."""

    crash_after: int = -1
    keep_attempts: bool = False
    engine: str = "python"
    hosts: list[Host] = field(default_factory=list)
    crashes: int = 0

    @property
    def entries(self) -> list[Entry]:
        return [entry for host in self.hosts for entry in host.entries]

    @property
    def main(self) -> Host:
        """The host of the run that is no child."""
        return self.hosts[0]

    def crash(self) -> bool:
        """Whether it is time to crash; then it has happened."""
        due = self.crash_after >= 0 and len(self.entries) >= self.crash_after
        if not due or self.crashes:
            return False
        self.crashes += 1
        for host in self.hosts:
            host.forget()
        for host in list(self.hosts):
            host.recover()
        return True


@dataclass
class Host:
    """Runs one session. `entries` is what a store would hold."""

    program: Program
    input: bytes
    world: World = field(default_factory=World)
    entries: list[Entry] = field(default_factory=list)
    children: dict[int, Host] = field(default_factory=dict)
    told: Callable[[Finish], None] = lambda finish: None
    began_ns: int = 0
    session: Session | None = None
    finish: Finish | None = None
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    timers: dict[int, asyncio.TimerHandle] = field(default_factory=dict)
    #: By effect: when its first attempt began.
    began: dict[int, int] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def now_ns(self) -> int:
        return 1_000_000_000 + round(asyncio.get_running_loop().time() * 1e9)

    async def run(self) -> Finish:
        self.begin()
        await self.done.wait()
        assert self.finish is not None
        return self.finish

    def begin(self) -> None:
        self.world.hosts.append(self)
        self.began_ns = self.now_ns()
        self.session = ENGINES[self.world.engine](self.program, RUN_ID)
        self.take(self.session.begin(self.input, self.began_ns))

    def take(self, advance: Advance) -> None:
        self.entries.extend(advance.entries)
        if self.world.crash():
            return
        for command in advance.commands:
            self.obey(command)

    def forget(self) -> None:
        """Lose what is in memory. What a run ended with is in the store."""
        for timer in self.timers.values():
            timer.cancel()
        self.timers = {}
        if not self.world.keep_attempts:
            for task in self.tasks.values():
                task.cancel()
            self.tasks = {}

    def recover(self) -> None:
        if self.finish is not None:
            return
        self.session = ENGINES[self.world.engine](self.program, RUN_ID)
        self.take(
            self.session.recover(self.input, self.began_ns, list(self.entries), self.now_ns())
        )

    def obey(self, command: Any) -> None:
        match command:
            case StartAction():
                if command.effect not in self.tasks:
                    task = asyncio.get_running_loop().create_task(self.attempt(command))
                    self.tasks[command.effect] = task
            case StartChild():
                loop = asyncio.get_running_loop()
                loop.call_soon(self.start_child, command, self.session)
            case StartAttempt():
                self.start_attempt(command)
            case CancelChild(effect, time):
                loop = asyncio.get_running_loop()
                loop.call_soon(self.cancel_child, effect, time, self.session)
            case SetTimer(timer, deadline_ns):
                when = (deadline_ns - 1_000_000_000) / 1e9
                handle = asyncio.get_running_loop().call_at(when, self.fire, timer, deadline_ns)
                self.timers[timer] = handle
            case CancelEffect(effect):
                # Its first step may be due; asyncio would let it take that.
                if timer := self.timers.pop(~effect, None):
                    timer.cancel()
                if task := self.tasks.pop(effect, None):
                    asyncio.get_running_loop().call_soon(task.cancel)
            case DropTimer(timer):
                self.timers.pop(timer).cancel()
            case Finish():
                if self.finish is None:
                    self.finish = command
                    self.done.set()
                    self.told(command)

    def start_attempt(self, command: StartAttempt) -> None:
        loop = asyncio.get_running_loop()
        self.timers.pop(~command.effect, None)
        delay = (command.not_before_ns - self.now_ns()) / 1e9
        if delay > 0:
            timer = loop.call_later(delay, self.start_attempt, command)
            self.timers[~command.effect] = timer
        elif command.effect not in self.tasks:
            self.tasks[command.effect] = loop.create_task(self.attempt(command))

    def start_child(self, command: StartChild, session: Session) -> None:
        if session is not self.session:
            return  # The crash came first, and recovery asks again.
        child = self.children.get(command.effect)
        assert child is None or command.again, "a child is started twice"
        if child is None:
            definition = registry.workflow(command.workflow)
            assert definition is not None
            child = Host(program_of(definition), command.arguments, self.world)
            self.children[command.effect] = child
            child.told = partial(self.child_ended, command.effect)
            child.begin()
        elif child.finish is not None:
            self.child_ended(command.effect, child.finish)

    def cancel_child(self, effect: int, time: int, session: Session) -> None:
        child = self.children.get(effect)
        if session is self.session and child is not None and child.finish is None:
            assert child.session is not None
            child.take(child.session.hear(f"{effect} {time}", 8, "", b"", self.now_ns()))

    def child_ended(self, effect: int, finish: Finish) -> None:
        session = self.session
        assert session is not None
        self.take(session.settle(effect, finish.ok, finish.payload, self.now_ns()))

    def fire(self, timer: int, deadline_ns: int) -> None:
        assert self.session is not None
        self.timers.pop(timer, None)
        self.take(self.session.fire(timer, max(deadline_ns, self.now_ns())))

    def tell(self, key: str, name: str, payload: bytes) -> None:
        assert self.session is not None
        self.take(self.session.hear(key, 9, name, payload, self.now_ns()))

    async def attempt(self, command: StartAction | StartAttempt) -> None:
        begun_by = self.session
        action = registry.action(command.action)
        assert action is not None
        args, kwargs = action.arguments.unpack(command.arguments)
        number, policy = 1, action.policy or CallPolicy(None, None)
        if isinstance(command, StartAttempt):
            number, policy = command.attempt, (command.policy or policy).over(policy)
        SEND.set(partial(self.tell, str(command.effect)))
        delay, began_ns = None, self.began.setdefault(command.effect, self.now_ns())

        def elapsed() -> float:
            return (self.now_ns() - began_ns) / 1e9

        try:
            call = action.function(*args, **kwargs)
            value = await within(call, *soonest(policy, action.name, number, elapsed()))
            ok, payload = True, action.result_plan.dumps(value, "result")
        except asyncio.CancelledError:
            if self.tasks.get(command.effect) is not asyncio.current_task():
                raise
            ok, payload = False, dump_exception(asyncio.CancelledError())
        except Exception as error:
            ok, payload = False, dump_exception(error)
            delay = pause(policy, number, error, elapsed())
        session = self.session
        assert session is not None
        if session is not begun_by and not self.world.keep_attempts:
            return
        if self.tasks.pop(command.effect, None) is None:
            return
        if delay is not None:
            again_ns = self.now_ns() + round(delay * 1e9)
            self.take(
                session.attempt_failed(command.effect, number, again_ns, payload, self.now_ns())
            )
        else:
            self.take(session.settle(command.effect, ok, payload, self.now_ns()))


def compiled_outcome(
    definition: WorkflowDefinition,
    *args: Any,
    crash_after: int = -1,
    keep_attempts: bool = False,
    engine: str = "python",
    program: Program | None = None,
) -> tuple[Outcome, World]:
    """The same program as a graph."""
    CALLS.clear()
    program = program or program_of(definition)
    world = World(crash_after, keep_attempts, engine)
    host = Host(program, definition.arguments.pack(args, {}), world)
    finish = run_virtually(host.run())
    if finish.ok:
        value = definition.result_plan.loads(finish.payload)
        return Outcome.returned(value), world
    return Outcome.raised(load_exception(finish.payload, registry.types)), world


def check(
    definition: WorkflowDefinition,
    *args: Any,
    keep_attempts: bool = False,
    engine: str = "python",
    plain: Outcome | None = None,
) -> int:
    """Compare with asyncio, then once more with a crash after every entry.
    Returns how many crashes were tried. `plain` is what is expected where this
    Python's asyncio is not the one that counts."""
    plain = plain or plain_outcome(definition, *args)
    program = program_of(definition)
    compiled, world = compiled_outcome(definition, *args, engine=engine, program=program)
    if len(world.hosts) > 1:
        # Runs that go on at once are not in step with each other.
        compiled.calls.sort(key=repr)
        plain.calls.sort(key=repr)
    assert compiled == plain, f"{compiled}\n!=\n{plain}"
    for count in range(len(world.entries) + 1):
        crashed, again = compiled_outcome(
            definition,
            *args,
            crash_after=count,
            keep_attempts=keep_attempts,
            engine=engine,
            program=program,
        )
        assert again.crashes == 1
        assert (crashed.kind, crashed.value) == (plain.kind, plain.value), (
            f"after entry {count}: {crashed}\n!=\n{plain}"
        )
        for host in again.hosts:
            effects = [entry.effect for entry in host.entries if entry.kind in (1, 2, 3)]
            assert len(effects) == len(set(effects)), "an action call has two recorded outcomes"
    return len(world.entries) + 1
