"""What a stored graph is bound to in this process, passed in as an argument.

The engine imports nothing that a row names. Whatever code in a graph may reach
beyond the allowed builtins comes through one of these doors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from waymark.values import RecordedArguments, TypeRegistry


class LinkedArguments(Protocol):
    """RecordedArguments form of one action's call arguments."""

    def record(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], path: str = ...
    ) -> RecordedArguments: ...

    def unpack(
        self, data: bytes, path: str = ..., *, run: bool = ...
    ) -> tuple[tuple[Any, ...], dict[str, Any]]: ...


class LinkedPlan(Protocol):
    """How one annotation's values are read and written. Those of a type in `direct`
    come back as they are."""

    @property
    def direct(self) -> frozenset[type]: ...

    def dumps(self, value: Any, path: str = ..., references: Any = ...) -> bytes: ...

    def loads(self, data: bytes, references: Any = ..., *, run: bool = ...) -> Any: ...


class LinkedAction(Protocol):
    """What the engine needs to know of a registered action."""

    @property
    def name(self) -> str: ...

    @property
    def arguments(self) -> LinkedArguments: ...

    @property
    def result_plan(self) -> LinkedPlan: ...


class LinkedWorkflow(Protocol):
    """What the engine needs to know of a registered workflow: how its input and
    its result are kept."""

    @property
    def name(self) -> str: ...

    @property
    def arguments(self) -> LinkedArguments: ...

    @property
    def result_plan(self) -> LinkedPlan: ...


@dataclass(frozen=True, slots=True)
class Links:
    """The process's side of a graph.

    `actions`, `workflows` and `pure` look up by registered name, `modules` holds the standard
    library modules that pure code may name, by dotted name (`asyncio` among
    them: the engine takes its exception classes from there).
    """

    actions: Callable[[str], LinkedAction | None]
    workflows: Callable[[str], LinkedWorkflow | None]
    types: TypeRegistry
    modules: Mapping[str, ModuleType]
    pure: Callable[[str], Callable[..., Any] | None]
