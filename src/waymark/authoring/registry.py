"""Everything that decorators registered in this process.

A run names what it needs by text; this is the only place where such text is
looked up, and nothing is ever imported to satisfy it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from waymark.errors import DuplicateNameError
from waymark.graph.policies import RetryPolicy

from .naming import Place, place_of

if TYPE_CHECKING:
    from waymark.values import TypeRegistry

    from .action import Action
    from .workflow import WorkflowDefinition


class Registry:
    """Actions, workflows, pure functions, and the types they reach.

    Registering under a taken name replaces what is there when it is the same
    definition made again (a reloaded module, a notebook cell run twice), and
    raises DuplicateNameError otherwise.
    """

    def __init__(self) -> None:
        #: Grows with each change; a cache compares it.
        self.revision = 0
        #: Providers of dependencies, and what stands in for them (in tests).
        self.overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._actions: dict[str, Action[..., Any]] = {}
        self._workflows: dict[str, WorkflowDefinition] = {}
        self._pure: dict[str, Callable[..., Any]] = {}
        self._unlearned: list[Action[..., Any] | WorkflowDefinition] = []

    def action(self, name: str) -> Action[..., Any] | None:
        """The action of this name, or the one with this alias."""
        return self._actions.get(name)

    def workflow(self, name: str) -> WorkflowDefinition | None:
        return self._workflows.get(name)

    def pure(self, ref: str) -> Callable[..., Any] | None:
        """The `@waymark.pure` function of this `module:qualname`."""
        return self._pure.get(ref)

    def actions(self) -> tuple[Action[..., Any], ...]:
        """Each action once, in order of registration."""
        return tuple(dict.fromkeys(self._actions.values()))

    def action_names(self) -> list[str]:
        """Every name under which a row may mean an action."""
        return list(self._actions)

    def workflows(self) -> tuple[WorkflowDefinition, ...]:
        return tuple(self._workflows.values())

    @cached_property
    def types(self) -> TypeRegistry:
        """The classes that rows may name. An action or workflow adds what it
        reaches when its arguments or result are first asked for, `link` adds the
        rest; not at the decorator, when its module is only half there."""
        from waymark.values import TypeRegistry

        types = TypeRegistry()
        types.add(RetryPolicy)
        return types

    def add_action(self, action: Action[..., Any]) -> None:
        place = place_of(action.function)
        for name in (action.name, *action.aliases):
            taken = self._actions.get(name)
            _refuse_other("action", name, None if taken is None else taken.function, place)
        for name, old in list(self._actions.items()):
            if old.name == action.name:
                del self._actions[name]
        for name in (action.name, *action.aliases):
            self._actions[name] = action
        self._unlearned.append(action)
        self.revision += 1

    def refuse_taken_workflow(self, definition: WorkflowDefinition) -> None:
        """Raise DuplicateNameError when another workflow has this name."""
        taken = self._workflows.get(definition.name)
        place = place_of(definition.cls)
        _refuse_other("workflow", definition.name, None if taken is None else taken.cls, place)

    def add_workflow(self, definition: WorkflowDefinition) -> None:
        self.refuse_taken_workflow(definition)
        self._workflows[definition.name] = definition
        self._unlearned.append(definition)
        self.revision += 1

    def add_pure(self, ref: str, function: Callable[..., Any]) -> None:
        _refuse_other("pure function", ref, self._pure.get(ref), place_of(function))
        self._pure[ref] = function
        self.revision += 1

    def _tables(self) -> tuple[dict[Any, Any], ...]:
        return (self._actions, self._workflows, self._pure, self.overrides)

    @contextmanager
    def isolated(self) -> Generator[None, None, None]:
        """Forget afterwards what is registered or overridden inside (in tests,
        whose nested definitions must not be linked by the next test's start)."""
        before = [dict(table) for table in self._tables()]
        unlearned = list(self._unlearned)
        try:
            yield
        finally:
            for table, content in zip(self._tables(), before, strict=True):
                table.clear()
                table.update(content)
            self._unlearned = unlearned
            self.revision += 1

    def link(self) -> None:
        """Resolve what decorators had to leave open: annotations, dependencies,
        graphs. Raises InjectionError and WorkflowCompileError."""
        for action in self.actions():
            action.link()
        unlearned, self._unlearned = self._unlearned, []
        for registered in unlearned:
            registered.teach(self.types)
        for definition in self.workflows():
            definition.link()


def _refuse_other(
    word: str, name: str, taken: Callable[..., Any] | type | None, place: Place
) -> None:
    if taken is None:
        return
    there = place_of(taken)
    if not place.redefines(there):
        raise DuplicateNameError(
            f"two {word}s have the name {name!r}: {there} and {place}."
            " Rename one, or give it a `name=` of its own."
        )


#: What this process has registered.
registry = Registry()
