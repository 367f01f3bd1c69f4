"""The smallest host an engine can have, and the comparison with asyncio.

`compiled_outcome` runs a workflow's graph with nothing but a session and tasks
of a virtual-time loop; `plain_outcome` runs the authored body under asyncio.
What a program did (value, exception, order of action calls) must be equal.

With `crash_after=n` the host loses all memory once the journal has n entries,
builds a new session from input and journal, and goes on. Actions that ran then
are begun anew, which may change who is first; with `keep_attempts` they go on
undisturbed, as if another process ran them, and nothing of the outcome may
change.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import warnings
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.oracle.virtual_loop import run_virtually
from waymark.authoring.registry import registry
from waymark.authoring.workflow import WorkflowDefinition
from waymark.engine.links import Links
from waymark.engine.outcomes import (
    Advance,
    CancelEffect,
    DropTimer,
    Entry,
    Finish,
    SetTimer,
    StartAction,
)
from waymark.engine.program import Program, load_program
from waymark.engine.session import Session
from waymark.graph.codec import from_document
from waymark.graph.operations import STDLIB_MODULES
from waymark.graph.validation import validate
from waymark.values import dump_exception, load_exception

RUN_ID = UUID(int=7)
CALLS: list[Any] = []


def record(*call: Any) -> None:
    """Actions of a program note here that they were called."""
    CALLS.append(call)


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
    parts = [type(error).__qualname__, repr(error.args)]
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
            return Outcome.returned(run_virtually(main()))
        except BaseException as error:
            return Outcome.raised(error)


@dataclass
class Host:
    """Runs one session. `entries` is what a store would hold."""

    program: Program
    input: bytes
    crash_after: int = -1
    keep_attempts: bool = False
    entries: list[Entry] = field(default_factory=list)
    session: Session | None = None
    finish: Finish | None = None
    crashes: int = 0
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    timers: dict[int, asyncio.TimerHandle] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def now_ns(self) -> int:
        return 1_000_000_000 + round(asyncio.get_running_loop().time() * 1e9)

    async def run(self) -> Finish:
        self.session = Session(self.program, RUN_ID)
        self.take(self.session.begin(self.input, self.now_ns()))
        await self.done.wait()
        assert self.finish is not None
        return self.finish

    def take(self, advance: Advance) -> None:
        self.entries.extend(advance.entries)
        if self.crash_after >= 0 and len(self.entries) >= self.crash_after and not self.crashes:
            self.crash()
            return
        for command in advance.commands:
            self.obey(command)

    def crash(self) -> None:
        self.crashes += 1
        for timer in self.timers.values():
            timer.cancel()
        self.timers = {}
        if not self.keep_attempts:
            for task in self.tasks.values():
                task.cancel()
            self.tasks = {}
        self.session = Session(self.program, RUN_ID)
        self.take(
            self.session.recover(self.input, 1_000_000_000, list(self.entries), self.now_ns())
        )

    def obey(self, command: Any) -> None:
        match command:
            case StartAction():
                if command.effect not in self.tasks:
                    task = asyncio.get_running_loop().create_task(self.attempt(command))
                    self.tasks[command.effect] = task
            case SetTimer(timer, deadline_ns):
                when = (deadline_ns - 1_000_000_000) / 1e9
                handle = asyncio.get_running_loop().call_at(when, self.fire, timer, deadline_ns)
                self.timers[timer] = handle
            case CancelEffect(effect):
                # Its first step may be due; asyncio would let it take that.
                if task := self.tasks.pop(effect, None):
                    asyncio.get_running_loop().call_soon(task.cancel)
            case DropTimer(timer):
                self.timers.pop(timer).cancel()
            case Finish():
                self.finish = command
                self.done.set()

    def fire(self, timer: int, deadline_ns: int) -> None:
        assert self.session is not None
        self.timers.pop(timer, None)
        self.take(self.session.fire(timer, max(deadline_ns, self.now_ns())))

    async def attempt(self, command: StartAction) -> None:
        begun_by = self.session
        action = registry.action(command.action)
        assert action is not None
        args, kwargs = action.arguments.unpack(command.arguments)
        try:
            value = await action.function(*args, **kwargs)
            ok, payload = True, action.result_plan.dumps(value, "result")
        except asyncio.CancelledError:
            if self.tasks.get(command.effect) is not asyncio.current_task():
                raise
            ok, payload = False, dump_exception(asyncio.CancelledError())
        except Exception as error:
            ok, payload = False, dump_exception(error)
        session = self.session
        assert session is not None
        if session is not begun_by and not self.keep_attempts:
            return
        if self.tasks.pop(command.effect, None) is not None:
            self.take(session.settle(command.effect, ok, payload, self.now_ns()))


def compiled_outcome(
    definition: WorkflowDefinition,
    *args: Any,
    crash_after: int = -1,
    keep_attempts: bool = False,
    program: Program | None = None,
) -> tuple[Outcome, Host]:
    """The same program as a graph."""
    CALLS.clear()
    program = program or program_of(definition)
    host = Host(program, definition.arguments.pack(args, {}), crash_after, keep_attempts)
    finish = run_virtually(host.run())
    if finish.ok:
        value = definition.result_plan.loads(finish.payload)
        return Outcome.returned(value), host
    return Outcome.raised(load_exception(finish.payload, registry.types)), host


def check(definition: WorkflowDefinition, *args: Any, keep_attempts: bool = False) -> int:
    """Compare with asyncio, then once more with a crash after every entry.
    Returns how many crashes were tried."""
    plain = plain_outcome(definition, *args)
    program = program_of(definition)
    compiled, host = compiled_outcome(definition, *args, program=program)
    assert compiled == plain, f"{compiled}\n!=\n{plain}"
    for count in range(len(host.entries) + 1):
        crashed, again = compiled_outcome(
            definition, *args, crash_after=count, keep_attempts=keep_attempts, program=program
        )
        assert again.crashes == 1
        assert (crashed.kind, crashed.value) == (plain.kind, plain.value), (
            f"after entry {count}: {crashed}\n!=\n{plain}"
        )
        effects = [entry.effect for entry in again.entries if entry.kind in (1, 2, 3)]
        assert len(effects) == len(set(effects)), "an action call has two recorded outcomes"
    return len(host.entries) + 1
