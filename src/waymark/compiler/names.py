"""What a name that is no variable stands for: closure, module, builtins.

The live function decides, not the text: whatever the name means when the graph
is linked becomes an entry of the function's table, by reference for code and
classes, by value for data.
"""

from __future__ import annotations

import difflib
import enum
import inspect
import typing
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard, cast

from waymark.authoring.action import Action
from waymark.authoring.naming import registered_name
from waymark.authoring.pure import pure_ref
from waymark.authoring.registry import registry
from waymark.authoring.workflow import Workflow, WorkflowDefinition
from waymark.errors import ValueEncodeError
from waymark.graph.advice import kind_of_workflow, stdlib_not_allowed
from waymark.graph.model import Name
from waymark.graph.operations import STDLIB_MODULES

from .catalogued import catalogue_path, library_path
from .origin import is_library


@dataclass(frozen=True, slots=True)
class Refusal:
    """A name that may not be used: code, fact and fix of the diagnostic."""

    code: str
    fact: str
    fix: str


@dataclass(frozen=True, slots=True)
class HelperRef:
    """A function that is compiled with the graph. `function` is a FunctionType
    (which type checkers would take for a method of this class)."""

    function: Any


MISSING = object()


class Namespace:
    """The scopes around one live function."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.cells: dict[str, Any] = {}
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                self.cells[name] = cell.cell_contents
            except ValueError:
                # A local of the function around that is not assigned yet.
                self.cells[name] = MISSING

    def look_up(self, name: str) -> Any:
        """The live value of a name, MISSING where there is none yet."""
        if name in self.cells:
            return self.cells[name]
        return self.function.__globals__.get(name, MISSING)

    def similar(self, name: str, variables: Iterable[str]) -> str | None:
        """A name in reach that the author may have meant."""
        known = [*variables, *self.cells, *self.function.__globals__]
        found = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        return found[0] if found else None


def classify(value: Any, spelled: str, workflow: type) -> Name | HelperRef | Refusal:
    """What a live value becomes in the table of a function of `workflow`. `spelled` is how
    the author wrote it. Modules are handled by the caller."""
    if isinstance(value, Action):
        return Name("action", ref=value.name)
    if isinstance(value, type):
        return _class(value, spelled)
    pure = pure_ref(value)
    if pure is not None:
        return Name("pure", ref=pure)
    path = catalogue_path(value) if callable(value) else None
    if path is not None:
        return Name("stdlib", ref=path)
    if isinstance(value, FunctionType):
        return function_refusal(value, spelled, workflow) or HelperRef(value)
    if callable(value) and not _is_data(value):
        return _callable(value, spelled)
    return constant(value, spelled)


def stdlib_module(value: ModuleType) -> str | None:
    """The module's name where pure code may use some of it."""
    return value.__name__ if value.__name__ in STDLIB_MODULES else None


def _class(cls: type, spelled: str) -> Name | Refusal:
    path = catalogue_path(cls)
    if path is not None:
        return Name("stdlib", ref=path)
    if _is_workflow(cls):
        return _workflow(cls, spelled)
    if storable(cls):
        registry.types.add(cls)
        return Name("class", ref=registered_name(cls))
    library = library_path(cls)
    if library is not None:
        return Refusal(*stdlib_not_allowed(library))
    return Refusal(
        "WM218",
        f"`{spelled}` is a class whose instances cannot be stored",
        "make it a dataclass or a pydantic model, or use it inside an @action",
    )


def _is_workflow(cls: type) -> bool:
    """Asked here, so that type checkers keep `cls` as it is for what follows."""
    return issubclass(cls, Workflow)


def _workflow(cls: type, spelled: str) -> Name | Refusal:
    if cls is Workflow:
        return Refusal(*kind_of_workflow(spelled))
    definition = cls.__dict__.get("__waymark__")
    if isinstance(definition, WorkflowDefinition):
        return Name("workflow", ref=definition.name)
    return Refusal(
        "WM371",
        f"`{spelled}` is no registered workflow, so it cannot run as a child",
        f"put @workflow above `class {cls.__name__}` (a subclass of a workflow needs its own)",
    )


#: Whose subclasses are stored as what they hold.
_DATA_CLASSES: frozenset[type] = frozenset(
    {BaseException, enum.Enum, str, int, float, bytes, list, dict, set, frozenset}
)


def storable(cls: type[Any]) -> bool:
    """Whether instances are exceptions or plain data by their definition."""
    bases = frozenset(cls.__mro__)
    return (
        bool(bases & _DATA_CLASSES)
        or (tuple in bases and hasattr(cls, "_fields"))
        or is_dataclass(cls)
        or hasattr(cls, "__pydantic_fields__")
        or typing.is_typeddict(cls)
    )


def function_refusal(function: FunctionType, spelled: str, workflow: type) -> Refusal | None:
    """Why a function cannot be compiled with the graph, if that shows before its
    body is looked at."""
    library = library_path(function)
    if library is not None:
        return Refusal(*stdlib_not_allowed(_better(library, spelled)))
    installed = is_library(function, workflow)
    if installed and inspect.iscoroutinefunction(function):
        return Refusal(
            "WM301",
            f"`{spelled}` is a coroutine of a library, which leaves no record",
            _action_fix(spelled),
        )
    if installed:
        return Refusal(
            "WM204",
            f"`{spelled}` is a library's, and may touch the world",
            "call it in a function of your own that is marked @waymark.pure if it only"
            " computes, else in an @action",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return Refusal(
            "WM221",
            f"`{spelled}` is a generator, whose place in its body cannot be kept",
            "collect the values in a list and return that",
        )
    return None


def _better(library: str, spelled: str) -> str:
    """What the author wrote, where it is a path of its own (`os.path.join`)."""
    return spelled if "." in spelled and not spelled.startswith("asyncio") else library


def _callable(value: Any, spelled: str) -> Refusal:
    library = library_path(value)
    if library is not None:
        return Refusal(*stdlib_not_allowed(_better(library, spelled)))
    if isinstance(value, MethodType):
        return Refusal(
            "WM208",
            f"`{spelled}` belongs to a live object, {_kind(value.__self__)}",
            _action_fix(spelled),
        )
    if hasattr(value, "cache_info"):
        return Refusal(
            "WM208",
            f"`{spelled}` is a cached function, whose cache belongs to this process",
            "take the cache off (another process, which may go on with the run, has another),"
            " or call it in an @action",
        )
    return Refusal("WM208", f"`{spelled}` is a live object, {_kind(value)}", _action_fix(spelled))


def _action_fix(spelled: str) -> str:
    name = spelled.rpartition(".")[2]
    name = name if name.isidentifier() else "call_it"
    return (
        f"call it in an @action and await that:\n    @action\n    async def {name}_action(...): ..."
    )


def _kind(value: object) -> str:
    name = type(value).__qualname__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return f"{article} `{name}`"


# Constants

#: A constant is stored with every version of the graph that names it.
CONSTANT_BYTES_MAX = 1_000_000


def _is_data(value: Any) -> bool:
    """Whether a value is callable only by accident (a model with `__call__`)."""
    return isinstance(value, (enum.Enum, tuple)) or is_dataclass(value)


def constant(value: Any, spelled: str, code: str = "WM402") -> Name | Refusal:
    """Data by value. Classes inside it become known to the registry."""
    if not _only_data(value, 0):
        return Refusal(
            "WM208" if code == "WM402" else code,
            f"`{spelled}` is a live object, {_kind(value)}, and belongs to this process",
            "make it inside an @action" if code == "WM403" else "use it inside an @action",
        )
    from waymark.values import plan_for

    _teach(value, 0)
    try:
        data = plan_for(Any, registry.types).dumps(value, path=spelled)
    except ValueEncodeError as error:
        return Refusal(
            code,
            f"`{error.path}` cannot be part of the graph: {error.problem.partition(';')[0]}",
            "build it from plain data inside the body",
        )
    if len(data) > CONSTANT_BYTES_MAX:
        return Refusal(
            code,
            f"`{spelled}` takes {len(data):,} bytes; a graph holds constants up to"
            f" {CONSTANT_BYTES_MAX:,}",
            "read it in an @action",
        )
    return Name("constant", value=data.decode())


_DEPTH_MAX = 20
_PLAIN_MODULES = frozenset(
    {"builtins", "datetime", "decimal", "fractions", "uuid", "collections", "pathlib", "zoneinfo"}
    | {"re", "ipaddress", "pathlib._local", "zoneinfo._zoneinfo"}
)


def _contents(value: Any) -> list[Any] | None:
    """What a container holds, None for anything else."""
    if _is_dict(value):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(cast("Iterable[Any]", value))
    return None


def _is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _class_of(value: Any) -> type[Any]:
    """The class itself where `value` is one."""
    return cast("type[Any]", value if isinstance(value, type) else type(value))


def _only_data(value: Any, depth: int) -> bool:
    if depth > _DEPTH_MAX:
        return True
    items = _contents(value)
    if items is not None:
        return all(_only_data(item, depth + 1) for item in items)
    cls = _class_of(value)
    if cls is value:
        return storable(cls) or catalogue_path(cls) is not None
    return (
        storable(cls) or value is None or (cls.__module__ in _PLAIN_MODULES and not callable(value))
    )


def _teach(value: Any, depth: int) -> None:
    if depth > _DEPTH_MAX:
        return
    for item in _contents(value) or ():
        _teach(item, depth + 1)
    cls = _class_of(value)
    if cls.__module__ != "builtins" and storable(cls):
        registry.types.add(cls)
