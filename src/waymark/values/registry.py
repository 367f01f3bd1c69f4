"""The types that registered code can reach: the only ones that data may name.

`resolve` never imports and never calls anything. It finds, in this order: what
was added; built-in classes; value types and exceptions of the standard library
and of Waymark; subclasses of what was added; and exceptions of packages that
registered functions use. All of these exist already in this process.
"""

from __future__ import annotations

import builtins
import calendar
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, cast

from .. import errors
from .codec import kind_of
from .forms import Forms
from .hints import hints_of
from .objects import ref_of
from .standin import StandIns

#: Bound of the memory of names that were not found.
_MISSING_MAX: Final = 1000

_VALUE_MODULES: Final = frozenset(
    {
        "collections",
        "datetime",
        "decimal",
        "fractions",
        "ipaddress",
        "pathlib",
        "re",
        "uuid",
        "zoneinfo",
    }
)


#: Built-in classes that data may name: exceptions and kinds of data.
_DATA: Final[tuple[type[Any], ...]] = (
    *(bool, int, float, complex, str, bytes, bytearray, object, range, slice),
    *(list, tuple, dict, set, frozenset, type(None)),
)
_BUILTINS: Final[dict[str, type]] = {
    **{cls.__name__: cls for cls in _DATA},
    **{
        name: found
        for name, found in vars(builtins).items()
        if isinstance(found, type) and issubclass(found, BaseException)
    },
}


class TypeRegistry:
    """Classes and functions by `module:qualname`. Added to, never taken from; a
    class defined again under the same name takes the older one's place."""

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._packages: set[str] = set()
        self._walked: set[int] = set()
        # Keeps walked objects alive, so that no id is used twice.
        self._kept: list[object] = []
        self._missing: dict[str, int] = {}
        #: Names in annotations that mean nothing at run time, with what they annotate.
        self.meaningless: dict[str, str] = {}
        self._stand_ins = StandIns(self.resolve)
        self.forms = Forms(self)
        #: Plans by annotation (see `values.plan`).
        self.plans: dict[object, Any] = {}
        for name in ("Day", "Month"):  # what `calendar` gives since 3.12
            self.add(getattr(calendar, name, None))

    def add(self, annotation: object) -> None:
        """Registers every class that an annotation, class or function reaches:
        arguments of generics, bases, fields, and what a function's hints and
        code name."""
        pending = [annotation]
        while pending:
            value = pending.pop()
            if id(value) in self._walked:
                continue
            self._walked.add(id(value))
            self._kept.append(value)
            pending.extend(self._reached(value))

    def _reached(self, value: Any) -> Iterable[object]:
        if isinstance(value, FunctionType):
            return self._reached_by_function(value)
        if typing.get_origin(value) is not None:
            return self._reached_by_generic(value)
        if isinstance(value, type):
            return self._reached_by_class(cast("type[Any]", value))
        if isinstance(value, typing.NewType):
            return (value.__supertype__,)
        if isinstance(value, typing.TypeVar):
            return (value.__bound__, *value.__constraints__)
        if type(value).__name__ == "TypeAliasType":
            return (value.__value__,)
        kind = kind_of(value)
        return value if kind in (list, tuple) else ()

    def _reached_by_generic(self, value: Any) -> Iterable[object]:
        origin, arguments = typing.get_origin(value), typing.get_args(value)
        if origin is typing.Literal:
            return [argument.__class__ for argument in arguments]
        if origin is typing.Annotated:
            return arguments[:1]
        return [origin, *arguments]

    def _reached_by_class(self, cls: type) -> Iterable[object]:
        if cls.__module__ in ("builtins", "typing", "abc", "collections.abc"):
            return ()
        self._classes[ref_of(cls)] = cls
        self._missing.clear()
        model_fields: Mapping[str, Any] = getattr(cls, "__pydantic_fields__", {})
        fields = [field.annotation for field in model_fields.values()]
        # Bases of exceptions are what `except` asks for; other bases open nothing.
        bases = cls.__bases__ if issubclass(cls, BaseException) else ()
        return [*bases, *hints_of(cls).values(), *fields]

    def _reached_by_function(self, function: FunctionType) -> Iterable[object]:
        self._functions[ref_of(function)] = function
        yield from hints_of(function).values()
        names = set(_names_in(function.__code__))
        for name, value in function.__globals__.items():
            package = value if isinstance(value, ModuleType) else None
            module = package.__name__ if package else getattr(value, "__module__", None)
            if isinstance(module, str):
                self._packages.add(module.partition(".")[0])
            if name in names and isinstance(value, type):
                yield value

    def knows(self, cls: type) -> bool:
        """Whether values of exactly this class may be stored. A subclass of
        something that was added is added here."""
        if ref_of(cls) in self._classes:
            return True
        if any(self._classes.get(ref_of(base)) is base for base in cls.__mro__):
            self.add(cls)
            return True
        return False

    def function(self, ref: str) -> Callable[..., Any] | None:
        """A function that was added, by `module:qualname`."""
        return self._functions.get(ref)

    def resolve(self, ref: str) -> type | None:
        """The class of this name, if registered code can reach it."""
        found = self._classes.get(ref)
        if found is not None or self._missing.get(ref) == len(sys.modules):
            return found
        found = _ready_made(ref) or self._subclass(ref) or self._exception(ref)
        if found is None:
            if len(self._missing) >= _MISSING_MAX:
                self._missing.clear()
            self._missing[ref] = len(sys.modules)
        return found

    def stand_in(self, ref: str, mro: list[str]) -> type[BaseException]:
        """A class for an exception whose own class cannot be found."""
        return self._stand_ins.get(ref, mro)

    def _subclass(self, ref: str) -> type | None:
        seen: set[type] = set()
        pending = list(self._classes.values())
        while pending:
            cls = pending.pop()
            if cls in seen:
                continue
            seen.add(cls)
            if ref_of(cls) == ref:
                self.add(cls)
                return cls
            pending.extend(type.__subclasses__(cls))
        return None

    def _exception(self, ref: str) -> type | None:
        module = ref.partition(":")[0]
        return _exception_in(ref) if module.partition(".")[0] in self._packages else None


def _ready_made(ref: str) -> type | None:
    """Built-in classes, value types and exceptions of the standard library."""
    module, _, name = ref.partition(":")
    if module == "builtins":
        return _BUILTINS.get(name)
    if module == errors.__name__:
        found = vars(errors).get(name)
        return found if isinstance(found, type) else None
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    if module in _VALUE_MODULES and module in sys.modules:
        found = vars(sys.modules[module]).get(name)
        return found if isinstance(found, type) and ref_of(found) == ref else None
    return _exception_in(ref)


def _exception_in(ref: str) -> type | None:
    """An exception class of a module that is loaded already."""
    module, _, name = ref.partition(":")
    loaded = sys.modules.get(module)
    found = vars(loaded).get(name) if loaded is not None else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _names_in(code: CodeType) -> Iterator[str]:
    """The global and attribute names in a function's code and inner functions."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
