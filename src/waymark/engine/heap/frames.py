"""Frames, and what the evaluator and the run's event loop hold, as plain structures around
values, and back, each checked."""

from __future__ import annotations

from types import CellType
from typing import TYPE_CHECKING, Any, TypeVar

from waymark.engine.awaitables import ActionCall
from waymark.engine.concurrency import waiting
from waymark.engine.concurrency.future import Future
from waymark.engine.concurrency.mailboxes import Mailbox
from waymark.engine.evaluator import Evaluator
from waymark.engine.flat import Op
from waymark.engine.frame import Frame
from waymark.engine.futures import Task
from waymark.engine.straight import Straight
from waymark.values.codec import Failure, Refusal
from waymark.values.items import checked

from .control import machine_tree
from .engine_objects import CALLBACKS
from .iterators import ITERATORS

if TYPE_CHECKING:
    from waymark.engine.concurrency.loop import RunLoop
    from waymark.engine.program import Program

T = TypeVar("T")

_ITERATORS = ITERATORS | {waiting.AsCompleted, waiting.FuturesCompleted}


def frame_parts(frame: Frame, program: Program) -> list[Any]:
    """What a frame holds."""
    index = next(i for i, known in enumerate(program.functions) if known is frame.function)
    iterators = [[*pair] for pair in (frame.iterators or {}).items()]
    for _, iterator in iterators:
        if type(iterator) not in _ITERATORS:
            raise Refusal(f"a loop over a {type(iterator).__name__}")
    return [index, frame.nested, frame.cells, [*frame.handling], iterators, frame.result]


def frame_of(parts: Any, program: Program) -> Frame:
    """The frame again. Raises Failure."""
    index, nested, cells, handling, iterators, result = checked(parts, list)
    if type(index) is not int or not 0 <= index < len(program.functions):
        raise Failure(f"the graph has no function {index!r}")
    function, kept = program.functions[index], program.graph.functions[index]
    if len(checked(cells, list)) != len(function.variables) + len(kept.captured):
        raise Failure(f"a frame of {function.name} with other variables")
    if not all(type(cell) is CellType for cell in cells):
        raise Failure(f"variables of {function.name} that are none")
    if not all(isinstance(error, BaseException) for error in handling):
        raise Failure("the handling of what is no exception")
    frame = Frame(function, (), checked(nested, bool))
    frame.cells, frame.handling, frame.result = cells, tuple(handling), result
    for node, iterator in iterators:
        if type(node) is not int or type(iterator) not in _ITERATORS:
            raise Failure(f"a loop over a {type(iterator).__name__}")
    frame.iterators = dict(iterators) or None
    return frame


# A run without a machine


def straight_parts(straight: Straight, program: Program) -> dict[str, Any]:
    """What a run without a machine holds."""
    return {
        "pc": straight.pc,
        "effects": straight.effects,
        "pending": straight.pending,
        "now_ns": straight.now_ns,
        "frame": frame_parts(straight.frame, program),
    }


def straight_of(parts: Any, program: Program) -> Straight:
    """The same again. Raises Failure."""
    frame = frame_of(parts["frame"], program)
    made = Straight(frame, checked(parts["now_ns"], int))
    pc, pending = _int(parts["pc"]), _int(parts["pending"])
    made.pc, made.pending, made.effects = pc, pending, _int(parts["effects"])
    ops = program.flat[0].ops
    waits = 0 <= pc < len(ops) and ops[pc] == Op.AWAIT and pending >= 0
    if not waits or frame.function is not program.functions[0]:
        raise Failure("a run that stands where none waits")
    return made


# A run with one


def evaluator_parts(evaluator: Evaluator) -> dict[str, Any]:
    """What an evaluator between two inputs holds, with its machine and its loop."""
    program, loop = evaluator.program, evaluator.loop_if_any
    if evaluator.exception is not None:
        raise Refusal("a run in the middle of an input")
    return {
        "machine": machine_tree(evaluator.machine, program),
        "frames": [
            [number, frame_parts(frame, program)] for number, frame in evaluator.frames.items()
        ],
        "outcomes": [[*pair] for pair in evaluator.outcomes.items()],
        "calls": [[*pair] for pair in evaluator.calls.items()],
        "loop": None if loop is None else _loop_parts(loop),
    }


def _loop_parts(loop: RunLoop) -> dict[str, Any]:
    return {
        "objects": [[*pair] for pair in loop.objects.items()],
        "awaited": [[*pair] for pair in loop.awaited.items()],
        "callbacks": [[number, *called] for number, called in loop.callbacks.items()],
        "next_callback": loop.next_callback,
        "messages": loop.messages,
        "unheard": [[*pair] for pair in loop.unheard.items()],
        "mailboxes": [[*pair] for pair in loop.mailboxes.items()],
    }


def fill_evaluator(evaluator: Evaluator, parts: Any) -> None:
    """Give a new evaluator, whose machine is read, the values that belong to it."""
    program = evaluator.program
    evaluator.frames.update((_int(n), frame_of(part, program)) for n, part in parts["frames"])
    evaluator.outcomes.update((_int(key), value) for key, value in parts["outcomes"])
    evaluator.calls.update((_int(key), _a(ActionCall, call)) for key, call in parts["calls"])
    if parts["loop"] is not None:
        _fill_loop(evaluator.loop, parts["loop"])
    for future in evaluator.machine.futures.values():
        if isinstance(future, Task) and not future.state:
            _check_frames(evaluator, future)


def _fill_loop(loop: RunLoop, parts: Any) -> None:
    loop.objects.update((_int(number), _a(Future, each)) for number, each in parts["objects"])
    loop.awaited.update((_int(number), _a(Future, each)) for number, each in parts["awaited"])
    loop.callbacks.update(
        (_int(number), (callback, argument)) for number, callback, argument in parts["callbacks"]
    )
    loop.next_callback = _int(parts["next_callback"])
    loop.messages = checked(parts["messages"], list)
    loop.unheard.update((_int(number), message) for number, message in parts["unheard"])
    loop.mailboxes.update(
        (checked(name, str), _a(Mailbox, box)) for name, box in parts["mailboxes"]
    )
    if not all(isinstance(called, CALLBACKS) for called, _ in loop.callbacks.values()):
        raise Failure("callbacks that are none")


def _check_frames(evaluator: Evaluator, task: Task) -> None:
    """Each frame of a task is one of the function that the machine believes it to be."""
    below = [(frame, function) for frame, function, _ in task.callers or ()]
    for number, function in [*below, (task.frame, task.function)]:
        frame = evaluator.frames.get(number)
        if frame is None or frame.function.flat is not function:
            raise Failure(f"task {task.number} has no frame {number}")


def _a(cls: type[T], value: object) -> T:
    if not isinstance(value, cls):
        raise Failure(f"{type(value).__name__} in place of {cls.__name__}")
    return value


def _int(value: object) -> int:
    if type(value) is not int:
        raise Failure(f"{type(value).__name__} in place of a number")
    return value
