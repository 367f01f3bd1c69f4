"""The second wall: reads and calls on values, decided by the value's type.

The checker (`graph.check`) has refused what can be seen in the text. What a dot
means depends on the value at run time, so a loader puts a guard there:

-   an attribute or method of a built-in or standard type must be listed in
    `graph.operations`;
-   a field of a user's model, dataclass, named tuple, enum or exception is read
    as it is;
-   a property or method of a user's class runs user code: it goes through the
    tape;
-   anything else, in every guise, is refused.

Guards run on every dot of a body, so their verdicts are cached by type and name.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from waymark.errors import ImpureCallError
from waymark.graph.operations import ATTRIBUTES, METHODS, operation_at, type_key
from waymark.values import OrderedFrozenSet, OrderedSet

from .awaitables import ActionCall, GatherCall, HelperCall, SleepCall
from .tape import Tape

_PLAIN, _TAPED_METHOD, _TAPED_READ, _TAPED_BUILTIN = range(4)

_ENUM_DATA = frozenset({"name", "value"})
_CLASS_DATA = frozenset({"__name__", "__qualname__"})
_TUPLE_METHODS = frozenset({"_replace", "_asdict", "_fields"})
_FUNCTIONS = (types.FunctionType, staticmethod, classmethod)
_AWAITABLES = (ActionCall, GatherCall, HelperCall, SleepCall)
_SLOT_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def _is_user_class(cls: type) -> bool:
    """Whether a class's own code is the user's (so: neither built in nor of the
    standard library's listed types)."""
    return type_key(cls) not in METHODS and type_key(cls) not in ATTRIBUTES


class Guards:
    """The guards of one program, over its tape."""

    __slots__ = ("_class_verdicts", "_tape", "_verdicts")

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._verdicts: dict[tuple[type, str], int] = {}
        self._class_verdicts: dict[tuple[type, str], int] = {}

    # Reading

    def get(self, value: Any, name: str) -> Any:
        """`value.name`."""
        if isinstance(value, type):
            return self._get_from_class(value, name)
        cls = type(value)
        verdict = self._verdicts.get((cls, name))
        if verdict is None:
            verdict = self._verdicts[cls, name] = self._judge(value, cls, name)
        if verdict == _PLAIN:
            return getattr(value, name)
        if verdict == _TAPED_READ:
            return self._tape.call_foreign(getattr, (value, name), {})
        if verdict == _TAPED_BUILTIN:
            return partial(self._call_builtin, getattr(value, name))
        return partial(self._call_method, getattr(value, name), value)

    def _call_method(self, method: Callable[..., Any], owner: Any, /, *a: Any, **k: Any) -> Any:
        return self._tape.call_foreign(method, a, k, receiver=owner)

    def _call_builtin(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._tape.call(method, args, kwargs)

    def _judge(self, value: Any, cls: type, name: str) -> int:
        if isinstance(value, (types.ModuleType, *_AWAITABLES)):
            raise _refusal(cls, name)
        found = _find(cls, name)
        for base in cls.__mro__:
            key = type_key(base)
            kind = METHODS.get(key, {}).get(name)
            if kind is not None:
                return _PLAIN if kind == "compute" else _TAPED_BUILTIN
            if name in ATTRIBUTES.get(key, ()):
                return _PLAIN
            if name in base.__dict__ and not _is_user_class(base):
                raise _refusal(cls, name)
        if name.startswith("_") and not (name in _TUPLE_METHODS and isinstance(value, tuple)):
            raise _refusal(cls, name)
        return self._judge_user(value, cls, name, found)

    def _judge_user(self, value: Any, cls: type, name: str, found: Any) -> int:
        """An attribute that no listed type defines."""
        if isinstance(value, enum.Enum) and name in _ENUM_DATA:
            return _PLAIN
        if found is None:
            return _PLAIN  # an instance's own field, or Python's AttributeError
        if isinstance(value, tuple) and (
            name in _TUPLE_METHODS or name in getattr(cls, "_fields", ())
        ):
            return _PLAIN
        if isinstance(found, _FUNCTIONS):
            return _TAPED_METHOD
        if isinstance(found, _SLOT_DESCRIPTORS) or not hasattr(type(found), "__get__"):
            return _PLAIN
        if isinstance(found, type):
            return _PLAIN
        if callable(found):
            return _TAPED_METHOD
        return _TAPED_READ

    def _get_from_class(self, cls: type, name: str) -> Any:
        verdict = self._class_verdicts.get((cls, name))
        if verdict is None:
            verdict = self._class_verdicts[cls, name] = self._judge_class(cls, name)
        if verdict == _TAPED_METHOD:
            return partial(self._call_method, getattr(cls, name), None)
        if verdict == _TAPED_BUILTIN:
            return partial(self._call_builtin, getattr(cls, name))
        return getattr(cls, name)

    def _judge_class(self, cls: type, name: str) -> int:
        if name in _CLASS_DATA:
            return _PLAIN
        operation = operation_at(f"{type_key(cls)}.{name}")
        if operation is not None:
            return _TAPED_BUILTIN if operation.kind == "recorded" else _PLAIN
        if name.startswith("_") or not _is_user_class(cls):
            raise _refusal(cls, name)
        found = _find(cls, name)
        if isinstance(found, _FUNCTIONS):
            return _TAPED_METHOD
        if isinstance(getattr(cls, name, None), types.BuiltinFunctionType | types.MethodType):
            return _TAPED_METHOD
        return _PLAIN

    # Calling and changing

    def make(self, cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`Class(...)`: constructing a user's class runs its code."""
        if isinstance(cls, type) and _is_user_class(cls):
            if issubclass(cls, enum.Enum):
                return cls(*args, **kwargs)
            return self._tape.call_foreign(cls, args, kwargs)
        return cls(*args, **kwargs)

    def owner(self, value: Any, name: str) -> Any:
        """The target of `value.name = ...`: only values of the run have fields
        to set, and setting one must not run a user's code."""
        cls = type(value)
        if isinstance(value, type | types.ModuleType | types.FunctionType) or name.startswith("_"):
            raise _refusal(cls, name)
        if not _is_user_class(cls) or isinstance(_find(cls, name), property):
            raise _refusal(cls, name)
        return value

    def recorded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A library function whose results are taped."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._tape.call(function, args, kwargs)

        return call

    def foreign(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A user's function marked pure."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._tape.call_foreign(function, args, kwargs)

        return call

    def clock(self, name: str) -> Callable[[], float]:
        """`time.monotonic` and kin read the run's own clock."""
        if name.endswith("_ns"):
            return lambda: self._tape.clock_ns
        return lambda: self._tape.clock_ns / 1e9


def plain_type(value: Any) -> type:
    """`type(value)`, which says the plain type of the run's own kinds."""
    cls = type(value)
    plain = getattr(cls, "__waymark_plain__", None)
    return plain if isinstance(plain, type) else cls


def make_set(items: Iterable[Any] = ()) -> OrderedSet[Any]:
    """A set of the run: iterates in insertion order."""
    return OrderedSet(items)


def make_frozenset(items: Iterable[Any] = ()) -> OrderedFrozenSet[Any]:
    """A frozen set of the run."""
    return OrderedFrozenSet(items)


def _find(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def _refusal(cls: type, name: str) -> ImpureCallError:
    return ImpureCallError(
        f"`{cls.__qualname__}.{name}` may touch the world; a workflow body cannot use it. "
        "Move it into an @action and await it"
    )
