"""The machine's state as plain data: integers in lists, and back, each checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from waymark.engine.futures import Call, Future, Gather, Plain, Task
from waymark.engine.machine import Machine
from waymark.values.codec import Failure, Refusal, Tree
from waymark.values.items import checked

if TYPE_CHECKING:
    from waymark.engine.program import Program

_KINDS: Mapping[str, type[Future]] = {
    "plain": Plain,
    "task": Task,
    "call": Call,
    "gather": Gather,
}
_NAMES: Mapping[type[Future], str] = {cls: name for name, cls in _KINDS.items()}

#: Numbers and truths of futures, and those of the machine.
_FUTURE_SCALARS: Mapping[str, type] = {
    **dict.fromkeys(("state", "message", "number", "frame", "ordinal", "pc", "waiting"), int),
    **dict.fromkeys(("woken", "why", "effect", "timer", "cancels", "delay_ns", "outcome"), int),
    "missing": int,
    **dict.fromkeys(("exposed", "must_cancel", "fresh", "collects", "cancel_requested"), bool),
}
_MACHINE_SCALARS: Mapping[str, type] = {
    **dict.fromkeys(("now_ns", "frames", "tasks", "next_future", "next_effect"), int),
    **dict.fromkeys(("next_timer", "main_state"), int),
    "ended": bool,
}

#: What is empty between two inputs, and is not written.
_AT_REST = ("task", "_first", "_turn", "_stopping", "ready", "requests", "commands")


def machine_tree(machine: Machine, program: Program) -> Tree:
    """What a machine between two inputs knows. Raises Refusal."""
    kept = vars(machine)
    if any(kept.get(name) for name in _AT_REST):
        raise Refusal("a run in the middle of an input")
    return {
        **{name: kept[name] for name in _MACHINE_SCALARS if name in kept},
        "futures": [
            [number, _future_tree(future, program)] for number, future in machine.futures.items()
        ],
        "effects": [[*pair] for pair in machine.effects.items()],
        "timers": [[timer, *known] for timer, known in machine.timers.items()],
        "alarms": None if machine.alarms is None else [[*each] for each in machine.alarms.items()],
        "children": None if machine.children is None else sorted(machine.children),
        "winding": None if not kept.get("_winding") else sorted(kept["_winding"]),
    }


def _future_tree(future: Future, program: Program) -> Tree:
    kept = vars(future)
    tree: dict[str, Any] = {name: kept[name] for name in _FUTURE_SCALARS if name in kept}
    tree["kind"] = _NAMES[type(future)]
    tree["waiters"] = [[*waiter] for waiter in future.waiters]
    if isinstance(future, Gather):
        tree["children"] = list(future.children)
    if isinstance(future, Task):
        tree["function"] = _index(program, future.function)
        tree["callers"] = [
            [frame, _index(program, function), pc] for frame, function, pc in future.callers or ()
        ]
    return tree


def _index(program: Program, function: object) -> int:
    return next(i for i, known in enumerate(program.flat) if known is function)


def machine_of(tree: Tree, program: Program) -> Machine:
    """The machine again. Raises Failure."""
    machine = Machine(program.flat)
    for name, cls in _MACHINE_SCALARS.items():
        if name in tree:
            setattr(machine, name, checked(tree[name], cls))
    for number, part in tree["futures"]:
        machine.futures[_number(number)] = _future(part, program)
    machine.effects = {_number(effect): _number(key) for effect, key in tree["effects"]}
    machine.timers = {
        _number(timer): (_number(key), _number(at)) for timer, key, at in tree["timers"]
    }
    if tree["alarms"] is not None:
        machine.alarms = {_number(timer): _number(called) for timer, called in tree["alarms"]}
    if tree["children"] is not None:
        machine.children = set(map(_number, tree["children"]))
    if tree["winding"] is not None:
        vars(machine)["_winding"] = set(map(_number, tree["winding"]))
    return machine


def _future(tree: Tree, program: Program) -> Future:
    cls = _KINDS[tree["kind"]]
    future = object.__new__(cls)
    for name, value in tree.items():
        if name in _FUTURE_SCALARS:
            setattr(future, name, checked(value, _FUTURE_SCALARS[name]))
    future.waiters = tuple((_number(item), _number(target)) for item, target in tree["waiters"])
    if isinstance(future, Gather):
        future.children = list(map(_number, tree["children"]))
    if isinstance(future, Task):
        future.function = program.flat[_place(tree["function"], len(program.flat))]
        _place(future.pc, len(future.function.ops))
        callers = [_caller(program, *each) for each in tree["callers"]]
        future.callers = callers or None
    _check(future)
    return future


def _caller(program: Program, frame: Any, index: Any, pc: Any) -> Any:
    function = program.flat[_place(index, len(program.flat))]
    return _number(frame), function, _place(pc, len(function.ops))


_NEEDED: Mapping[type[Future], tuple[str, ...]] = {
    Plain: ("state",),
    Task: ("state", "number", "frame", "ordinal"),
    Call: ("state", "delay_ns"),
    Gather: ("state", "missing", "collects"),
}


def _check(future: Future) -> None:
    missing = [name for name in _NEEDED[type(future)] if name not in vars(future)]
    if missing:
        raise Failure(f"a {type(future).__name__} without {missing[0]}")
    _place(future.state, 4)


def _number(value: object) -> int:
    if type(value) is not int:
        raise Failure(f"{type(value).__name__} in place of a number")
    return value


def _place(value: object, count: int) -> int:
    number = _number(value)
    if not 0 <= number < count:
        raise Failure(f"there is no {number} among {count}")
    return number
