"""The second wall: reads and calls on values, decided by the value's type.

The checker (`graph.check`) has refused what can be seen in the text. What a dot
means depends on the value at run time, so a loader puts a guard there:

-   an attribute or method of a built-in or standard type must be listed in
    `graph.operations`;
-   a field of a user's model, dataclass, named tuple, enum or exception is read
    as it is;
-   a property or method of a user's class runs user code: it goes through the
    tape;
-   anything else, in every guise, is refused. Types of the interpreter and of the
    standard library that are not listed (generators, frames, functions) are
    such, whatever their attributes are called.

Calls are guarded where the text does not say what is called: a class makes its
instances through the tape, and only functions of the graph itself, of the
catalogue, or marked pure may be called or handed to what calls them.

Guards run on every dot of a body, so their verdicts are cached by type and name.
"""

from __future__ import annotations

import copy
import enum
import importlib
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast

from waymark.errors import ImpureCallError
from waymark.graph.attribute_names import is_plain_template
from waymark.graph.operations import ATTRIBUTES, METHODS, operation_at, type_key
from waymark.values import OrderedFrozenSet, OrderedSet, refuse_change

from . import reach
from .awaitables import ActionCall, ChildWorkflow, HelperCall, SleepCall
from .concurrency.operations import MADE_BY_ENGINE
from .instance import Instance
from .reach import SET_OPERATIONS, set_operation
from .refusals import property_set, refusal, unknown
from .tape import Tape
from .taped import TapedBuiltin, TapedMethod

_PLAIN, _TAPED_METHOD, _TAPED_READ, _TAPED_BUILTIN, _TEMPLATE = range(5)

_ENUM_DATA = frozenset({"name", "value"})
_CLASS_DATA = frozenset({"__name__", "__qualname__"})
_TUPLE_METHODS = frozenset({"_replace", "_asdict", "_fields"})
_FUNCTIONS = (types.FunctionType, staticmethod, classmethod)
_AWAITABLES = (ActionCall, HelperCall, SleepCall)
_SLOT_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_FORMAT = str.__dict__["format"]

#: Modules that C code of the library imports by itself (`strftime` wants `time`, and
#: `Page[int]` from 3.12 on `typing`), through the builtins of the code that called it.
_INNER_IMPORTS = frozenset(
    {"_strptime", "copyreg", "datetime", "decimal", "io", "re", "time", "typing", "warnings"}
)


def _import(name: str, *_: Any) -> types.ModuleType:
    if name not in _INNER_IMPORTS:
        raise ImportError(f"code of a workflow cannot import {name}")
    return importlib.import_module(name)


#: `__builtins__` of all code of graphs: what is made with it came from a graph.
#: No text can name what is in it, since no name begins with `__`.
NO_BUILTINS: dict[str, Any] = {"__import__": _import}

_ENGINE = __name__.rpartition(".")[0]
#: Our own classes: `RetryPolicy`, and what no value of a run is.
_OURS = (_ENGINE, operation_at.__module__.rpartition(".")[0])
_VALUES = OrderedSet.__module__.rpartition(".")[0]
_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE


def _is_user_class(cls: type[Any]) -> bool:
    """Whether a class's own code is the user's (so: neither built in nor of the
    standard library)."""
    if cls.__flags__ & _IMMUTABLE:
        return False
    root = cls.__module__.partition(".")[0]
    return root not in sys.stdlib_module_names and not cls.__module__.startswith(_OURS)


def _opens(base: type[Any], name: str) -> bool:
    """Whether what a class defines is the user's code, or part of what models are for."""
    return _is_user_class(base) and reach.is_open(base, name)


def _is_note(cls: type[Any], name: str) -> bool:
    """Whether a field is one that Python's own exception does not know, and keeps."""
    ours = cls.__module__.startswith(_OURS)
    return issubclass(cls, BaseException) and not ours and _find(cls, name) is None


def _is_engines(cls: type[Any]) -> bool:
    """Whether instances are tasks, locks and the like: what is not listed of them
    leads to the engine."""
    return cls.__module__.startswith(f"{_ENGINE}.concurrency.")


def _is_tuple(cls: type[Any]) -> bool:
    """Asked here, so that type checkers keep `cls` as it is: narrowed to a tuple,
    nothing would be known of its items."""
    return issubclass(cls, tuple)


class Guards:
    """The guards of one program, over its tape."""

    __slots__ = ("_class_verdicts", "_tape", "_verdicts", "constants")

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        #: Objects of users' classes within constants, by identity: which constant's.
        self.constants: dict[int, str] = {}
        self._verdicts: dict[tuple[type[Any], str], int] = {}
        self._class_verdicts: dict[tuple[type[Any], str], int] = {}

    # Reading

    def get(self, value: object, name: str) -> Any:
        """`value.name`."""
        if isinstance(value, type):
            return self._get_from_class(value, name)
        cls: type[Any] = type(value)
        verdict = self._verdicts.get((cls, name))
        if verdict is None:
            verdict = self._verdicts[cls, name] = self._judge(cls, name)
        if verdict == _PLAIN:
            return getattr(value, name)
        if verdict == _TAPED_READ:
            return self._tape.call_foreign(getattr, (value, name), {})
        if verdict == _TAPED_BUILTIN:
            return TapedBuiltin(self._tape, getattr(value, name))
        if verdict == _TEMPLATE:
            return _template(cast("str", value)).format
        return TapedMethod(self._tape, getattr(value, name), value)

    def _judge(self, cls: type[Any], name: str) -> int:
        if cls is ChildWorkflow and name == "run":
            return _PLAIN
        if issubclass(cls, (types.ModuleType, ChildWorkflow, *_AWAITABLES)):
            raise refusal(cls, name)
        if issubclass(cls, Instance):
            return _own(cls, name)
        found = _find(cls, name)
        if found is _FORMAT:
            return _TEMPLATE
        if issubclass(cls, enum.Enum) and name in _ENUM_DATA:
            return _PLAIN
        for base in cls.__mro__:
            key = type_key(base)
            kind = METHODS.get(key, {}).get(name)
            if kind is not None:
                return _PLAIN if kind == "compute" else _TAPED_BUILTIN
            if name in ATTRIBUTES.get(key, ()):
                return _PLAIN
            if name in base.__dict__ and not _opens(base, name):
                raise refusal(cls, name)
        if _is_engines(cls) or (
            name.startswith("_") and not (name in _TUPLE_METHODS and _is_tuple(cls))
        ):
            raise refusal(cls, name)
        return self._judge_user(cls, name, found)

    def _judge_user(self, cls: type[Any], name: str, found: object) -> int:
        """An attribute that no listed type defines."""
        if found is None:
            return _PLAIN  # an instance's own field, or Python's AttributeError
        if _is_tuple(cls) and (name in _TUPLE_METHODS or name in getattr(cls, "_fields", ())):
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

    def method(self, value: object, name: str) -> Any:
        """`value.name` where it is a method, so that nothing runs to get it."""
        found = _find(cast("type[Any]", value) if isinstance(value, type) else type(value), name)
        if not isinstance(found, (*_FUNCTIONS, types.MethodDescriptorType)):
            raise refusal(type(value), name)
        return self.get(value, name)

    def _get_from_class(self, cls: type[Any], name: str) -> Any:
        verdict = self._class_verdicts.get((cls, name))
        if verdict is None:
            verdict = self._class_verdicts[cls, name] = self._judge_class(cls, name)
        if verdict == _TAPED_METHOD:
            return TapedMethod(self._tape, getattr(cls, name), None)
        if verdict == _TAPED_BUILTIN:
            return TapedBuiltin(self._tape, getattr(cls, name))
        return getattr(cls, name)

    def _judge_class(self, cls: type[Any], name: str) -> int:
        if name in _CLASS_DATA or (name == "_fields" and _is_tuple(cls)):
            return _PLAIN
        if issubclass(cls, Instance):
            if hasattr(type(cls), name):
                raise refusal(cls, name)  # what classes have because they are classes
            return _own(cls, name)
        operation = operation_at(f"{type_key(cls)}.{name}")
        if operation is not None:
            return _TAPED_BUILTIN if operation.kind == "recorded" else _PLAIN
        if name.startswith("_") or not _is_user_class(cls):
            raise refusal(cls, name)
        found = _find(cls, name)
        if found is None and hasattr(type(cls), name):
            raise refusal(cls, name)  # what classes have because they are classes
        home = next((base for base in cls.__mro__ if name in base.__dict__), cls)
        if not _opens(home, name) and operation_at(f"{type_key(home)}.{name}") is None:
            raise refusal(cls, name)
        if isinstance(found, _FUNCTIONS):
            return _TAPED_METHOD
        if isinstance(getattr(cls, name, None), types.BuiltinFunctionType | types.MethodType):
            return _TAPED_METHOD
        return _PLAIN

    def matches(self, cls: type[Any], name: str) -> bool:
        """Whether a class pattern may read `name` of an instance of `cls`. A
        pattern reads with no guard, so only plain fields pass."""
        try:
            verdict = self._judge(cls, name)
        except ImpureCallError:
            return False
        return verdict == _PLAIN and (_is_user_class(cls) or _find(cls, name) is not None)

    def get_or(self, value: object, name: str, *default: Any) -> Any:
        """`getattr(value, name, default)`."""
        try:
            return self.get(value, name)
        except AttributeError:
            if not default:
                raise
            return default[0]

    def has(self, value: object, name: str) -> bool:
        """`hasattr(value, name)`."""
        try:
            self.get(value, name)
        except AttributeError:
            return False
        return True

    def put(self, value: object, name: str, new: Any) -> None:
        """`setattr(value, name, new)`."""
        setattr(self.owner(value, name), name, new)

    def remove(self, value: object, name: str) -> None:
        """`delattr(value, name)`."""
        delattr(self.owner(value, name), name)

    def attrgetter(self, *names: str) -> Callable[[Any], Any]:
        """`operator.attrgetter`, each step of a dotted name guarded."""

        def one(value: Any, name: str) -> Any:
            for part in name.split("."):
                value = self.get(value, part)
            return value

        def call(value: Any, /) -> Any:
            found = tuple([one(value, name) for name in names])
            return found if len(names) > 1 else found[0]

        return call

    def methodcaller(self, name: str, /, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """`operator.methodcaller`."""

        def call(value: Any, /) -> Any:
            return self.callable(self.get(value, name))(*args, **kwargs)

        return call

    def copy(self, value: object) -> Any:
        """`copy.copy`: of what is built in a copy that shares what it holds; a
        user's class may copy by code of its own."""
        if _is_user_class(type(value)):
            return self._tape.call(copy.copy, (value,), {})
        return copy.copy(value)

    def special(self, path: str, found: Callable[..., Any]) -> Callable[..., Any] | None:
        """What stands for a library function that would reach past the guards."""
        match path:
            case "operator.attrgetter":
                return self.attrgetter
            case "operator.methodcaller":
                return self.methodcaller
            case "copy.copy":
                return self.copy
            case "shlex.split":
                return partial(_split, found)
            case "random.Random":
                return partial(_seeded, cast("type[Any]", found))
            case "operator.and_" | "operator.or_" | "operator.xor" | "operator.sub":
                return partial(set_operation, _SYNTAX[found])
            case _:
                return reach.special(path, found)

    # Calling and changing

    def callable(self, value: object) -> Any:
        """`value` where it is about to be called, or handed to what calls it."""
        if isinstance(value, type):
            cls: type[Any] = value
            if issubclass(cls, (type, Instance, *MADE_BY_ENGINE)):
                raise refusal(cls, "__call__")
            if cls is set or cls is frozenset:
                return OrderedSet if cls is set else OrderedFrozenSet
            if _is_user_class(cls) or issubclass(cls, enum.Enum):
                return partial(self.make, cls)
            return reach.Handing(self, cls) if cls in reach.CALLING_TYPES else cls
        if isinstance(value, types.BuiltinFunctionType):
            return reach.Handing(self, value) if value in reach.CALLING else value
        if isinstance(value, types.FunctionType):
            home = str(value.__globals__.get("__name__", ""))
            if getattr(value, "__builtins__", None) is NO_BUILTINS or home.startswith(_ENGINE):
                return value
            raise unknown(value)
        if isinstance(value, types.MethodType):
            # `lock.release` was reached through a guard, `self.rank` is the graph's.
            if not _is_engines(type(value.__self__)):
                self.callable(value.__func__)
            return value
        if isinstance(value, types.ModuleType):
            raise unknown(value)
        return value

    def callables(self, values: Any) -> Any:
        """`*values` or `**values` that are handed to what calls them."""
        if isinstance(values, Mapping):
            named = cast("Mapping[str, Any]", values)
            return {name: self.callable(value) for name, value in named.items()}
        return [self.callable(value) for value in values]

    def make(self, cls: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`Class(...)`: constructing a user's class runs its code."""
        if isinstance(cls, type) and _is_user_class(cls):
            made: type[Any] = cls
            if not issubclass(made, enum.Enum):
                return self._tape.call_foreign(made, args, kwargs)
        if isinstance(cls, enum.EnumMeta):
            members: Mapping[str, Any] = cls.__members__
            if not members:
                raise refusal(cls, "__call__")  # it would make a class
            return cls(*args, **kwargs)
        return self.callable(cls)(*args, **kwargs)

    def owner(self, value: object, name: str) -> Any:
        """The target of `value.name = ...`: only values of the run have fields
        to set, and setting one must not run a user's code."""
        cls: type[Any] = type(value)
        if issubclass(cls, Instance):
            _own(cls, name)
            return value
        if isinstance(value, type | types.ModuleType | types.FunctionType) or name.startswith("_"):
            raise refusal(cls, name)
        if isinstance(_find(cls, name), property) and _is_user_class(cls):
            raise property_set(cls, name)
        if not (_is_user_class(cls) or _is_note(cls, name)):
            raise refusal(cls, name)
        if id(value) in self.constants:
            refuse_change(self.constants[id(value)])
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


def plain_type(value: object) -> type[Any]:
    """`type(value)`, which says the plain type of the run's own kinds. The class
    of a class makes classes, which no body may."""
    cls: type[Any] = type(value)
    if issubclass(cls, type):
        raise refusal(cls, "__class__")
    while cls.__module__.startswith(_VALUES):
        cls = cls.__bases__[0]
    return cls


class Boxed:
    """A value that a pattern reads by a dotted name."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def make_set(items: Iterable[Any] = ()) -> OrderedSet[Any]:
    """A set of the run: iterates in insertion order."""
    return OrderedSet(items)


def make_frozenset(items: Iterable[Any] = ()) -> OrderedFrozenSet[Any]:
    """A frozen set of the run."""
    return OrderedFrozenSet(items)


_SYNTAX = {function: syntax for syntax, function in SET_OPERATIONS.items()}


def _template(text: str) -> str:
    """`text` where it is about to be a format template: its fields reach attributes
    with no guard."""
    if is_plain_template(text):
        return text
    raise ImpureCallError(
        f"the format template {text!r} reads an attribute or an item; use an f-string, or a "
        "template whose fields are plain names"
    )


def _own(cls: type[Any], name: str) -> int:
    """Whatever hangs on `self` is the graph's own, but for what every object has."""
    if name.startswith("__"):
        raise refusal(cls, name)
    return _PLAIN


def _seeded(generator: type[Any], seed: Any) -> Any:
    """`random.Random(seed)`, repeatable as long as there is a seed."""
    if seed is None:
        raise refusal(generator, "__init__")
    return generator(seed)


def _split(split: Callable[..., Any], s: str | None, *args: Any, **kwargs: Any) -> Any:
    """`shlex.split(s)`, which read the terminal for None before Python 3.12."""
    if s is None:
        raise ValueError("s argument must not be None")
    return split(s, *args, **kwargs)


def _find(cls: type[Any], name: str) -> Any:
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None
