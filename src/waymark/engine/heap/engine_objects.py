"""Forms of the engine's own objects: futures, tasks, locks, calls, by their attributes.

Each class has a table of what it keeps, with what each attribute may be. An object whose
attributes do not fit is refused when it is read: a snapshot that was edited gives no
object that the engine could not have made of this type.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from waymark.engine.awaitables import (
    Ready,
    SleepCall,
)
from waymark.engine.concurrency import groups, locks, mailboxes, timeouts, waiting
from waymark.engine.concurrency.future import Future, GatheringFuture, Task
from waymark.engine.concurrency.loop import Handle, RunLoop
from waymark.engine.groups import Suppress
from waymark.values.codec import Codec, Decoding, Encoding, Failure, Form, Refusal, Tree, kind_of
from waymark.values.items import checked

from .codec import heap_decoding

#: Whether an attribute may have a value.
Fits: TypeAlias = Callable[[Any], bool]


def a(*types: type) -> Fits:
    """Exactly of one of these types: a bool is no number."""
    return lambda value: type(value) in types


def kind_of_or_none(cls: type) -> Fits:
    return lambda value: value is None or isinstance(value, cls)


def is_a(cls: type) -> Fits:
    return lambda value: isinstance(value, cls)


def list_of(cls: type | tuple[type, ...]) -> Fits:
    return lambda value: kind_of(value) is list and all(isinstance(each, cls) for each in value)


def _anything(value: Any) -> bool:
    return True


def _tasks(value: Any) -> bool:
    return kind_of(value) is dict and all(
        type(number) is int and isinstance(task, Task) for number, task in value.items()
    )


def _events(value: Any) -> bool:
    """What a mailbox holds: pairs of a value and why it cannot be read, if so."""
    return kind_of(value) is deque and all(
        type(pair) is tuple and len(pair) == 2 and isinstance(pair[1], str | None) for pair in value
    )


_INT, _BOOL, _TEXT = a(int), a(bool), a(str)
_FUTURES = list_of(Future)
_ERROR = kind_of_or_none(BaseException)
_LOOP = is_a(RunLoop)
_HANDLE = kind_of_or_none(Handle)
_NUMBER_OR_NONE = a(int, float, type(None))

_FUTURE: Mapping[str, Fits] = {
    "loop": _LOOP,
    "number": _INT,
    "state": lambda value: type(value) is int and 0 <= value <= 3,
    "value": _anything,
    "error": _ERROR,
    "message": _anything,
}
_LINE: Mapping[str, Fits] = {"waiters": _FUTURES}

_TABLE: Mapping[type, Mapping[str, Fits]] = {
    Future: _FUTURE,
    Task: {**_FUTURE, "name": _TEXT, "coroutine": _anything, "cancels": _INT},
    GatheringFuture: {
        **_FUTURE,
        "children": lambda value: value is None or list_of((Future, int))(value),
    },
    groups.TaskGroup: {
        "loop": kind_of_or_none(RunLoop),
        "parent": kind_of_or_none(Task),
        "tasks": _tasks,
        "errors": list_of(BaseException),
        "base_error": _ERROR,
        "emptied": kind_of_or_none(Future),
        "leaving": _BOOL,
        "aborting": _BOOL,
        "parent_cancel_requested": _BOOL,
    },
    locks.Lock: {**_LINE, "taken": _BOOL},
    locks.Semaphore: {**_LINE, "value": _INT},
    locks.BoundedSemaphore: {**_LINE, "value": _INT, "bound": _INT},
    locks.Event: {**_LINE, "happened": _BOOL},
    locks.Condition: {**_LINE, "lock": is_a(locks.Lock)},
    timeouts.Timeout: {
        "loop": _LOOP,
        "deadline": _NUMBER_OR_NONE,
        "state": _TEXT,
        "task": kind_of_or_none(Task),
        "cancels_before": _INT,
        "handle": _HANDLE,
    },
    waiting.Watch: {
        "loop": _LOOP,
        "futures": _FUTURES,
        "mode": _TEXT,
        "left": _INT,
        "waiter": is_a(Future),
        "handle": _HANDLE,
        "callbacks": list_of(int),
    },
    mailboxes.Mailbox: {"loop": _LOOP, "items": _events, "getters": _FUTURES},
    waiting.FuturesCompleted: {"completed": is_a(waiting.AsCompleted)},
    waiting.Shield: {
        "loop": _LOOP,
        "inner": is_a(Future),
        "outer": is_a(Future),
        "callback": _INT,
    },
    Handle: {"loop": _LOOP, "callback": _INT, "timer": _INT},
    SleepCall: {"delay_ns": _INT, "result": _anything, "awaited": _BOOL},
    Ready: {"value": _anything},
    Suppress: {"types": a(tuple)},
}


class AttributesForm:
    """One class of the table."""

    shapes, tracked = (dict,), True

    def __init__(self, cls: type, fits: Mapping[str, Fits], anything: Codec) -> None:
        self.tag = f"~{cls.__name__}"
        self._cls = cls
        self._fits = fits
        self._anything = anything

    def write(self, value: Any, out: Encoding) -> Tree:
        kept = getattr(value, "__dict__", None)
        if kept is not None and not self._fits.keys() >= kept.keys():
            raise Refusal(f"a {self._cls.__name__} with more than its own attributes")
        names = self._fits if kept is None else kept
        return {name: self._anything.encode(getattr(value, name), out) for name in names}

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        made = cast("Any", object.__new__(self._cls))
        if number is not None:
            source.shared[number] = made
        for name, item in checked(tree, dict).items():
            value = self._anything.decode(item, source)
            fits = self._fits.get(name)
            if fits is None or not fits(value):
                raise Failure(f"a {self._cls.__name__} whose {name} is {type(value).__name__}")
            object.__setattr__(made, name, value)
        missing = [name for name in self._fits if not hasattr(made, name)]
        if missing:
            raise Failure(f"a {self._cls.__name__} without {missing[0]}")
        return made


class LoopForm:
    """The run's event loop: there is one."""

    tag, shapes, tracked = "~loop", (list,), False

    def write(self, value: RunLoop, out: Encoding) -> Tree:
        return []

    def read(self, tree: Tree, source: Decoding, number: int | None) -> RunLoop:
        return heap_decoding(source).loop()


class AsCompletedForm:
    """`as_completed`: what it still waits for is known by identity, so its tables are
    made anew."""

    tag, shapes, tracked = "~AsCompleted", (dict,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: waiting.AsCompleted, out: Encoding) -> Tree:
        encode = self._anything.encode
        pending = [
            [encode(future, out), value.callbacks[key]] for key, future in value.todo.items()
        ]
        return {
            "loop": encode(value.loop, out),
            "done": [encode(future, out) for future in value.items],
            "getters": [encode(future, out) for future in value.getters],
            "todo": pending,
            "left": value.left,
            "handle": encode(value.handle, out),
        }

    def read(self, tree: Tree, source: Decoding, number: int | None) -> waiting.AsCompleted:
        made = object.__new__(waiting.AsCompleted)
        if number is not None:
            source.shared[number] = made
        decode = self._anything.decode
        made.loop = decode(tree["loop"], source)
        made.items = deque(decode(part, source) for part in checked(tree["done"], list))
        made.getters = [decode(part, source) for part in checked(tree["getters"], list)]
        pending = [(decode(part, source), callback) for part, callback in tree["todo"]]
        made.todo = {id(future): future for future, _ in pending}
        made.callbacks = {id(future): checked(callback, int) for future, callback in pending}
        made.left = checked(tree["left"], int)
        made.handle = decode(tree["handle"], source)
        fine = (
            _LOOP(made.loop)
            and list_of((Future, type(None)))([*made.items])
            and _FUTURES([*made.getters, *made.todo.values()])
            and _HANDLE(made.handle)
        )
        if not fine:
            raise Failure("an AsCompleted of what are no futures")
        return made


#: What the machine may call back.
CALLBACKS: tuple[type, ...] = (
    groups.TaskGroup,
    timeouts.Timeout,
    waiting.Watch,
    waiting.AsCompleted,
    waiting.Shield,
)


def engine_forms(anything: Codec) -> dict[type, Form]:
    """The forms of the engine's objects, by exact class."""
    return {
        **{cls: AttributesForm(cls, fits, anything) for cls, fits in _TABLE.items()},
        RunLoop: LoopForm(),
        waiting.AsCompleted: AsCompletedForm(anything),
    }
