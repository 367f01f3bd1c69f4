"""What an action's dependencies come to: a plan, made once, carried out per attempt.

A plan is a flat list of steps, each naming the slots of earlier values it
takes; the order is that of a depth-first walk, so what a provider needs stands
before it. Where nothing has to be cleaned up there is no exit stack either.
A step that came from a shared dependency stands once: each provider is called
once per attempt.

Clean-up follows contextlib: last opened first, the action's exception thrown
into each generator. One difference: a generator that swallows the exception
does not turn a failed attempt into one that returned None.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Hashable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from waymark.errors import InjectionError

from .annotations import annotated_function, resolve, signature_of
from .dependencies import Dependency, dependency_of, request_part


class ProviderKind(Enum):
    """How a provider gives its value."""

    PLAIN = "plain"
    COROUTINE = "coroutine"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a provider. `needs` pairs a parameter with the slot of its
    value; the step's own value goes into the next slot. The provider of a
    generator kind returns a context manager."""

    provider: Callable[..., Any]
    kind: ProviderKind
    needs: tuple[tuple[str, int], ...]
    limit: Callable[[], AbstractAsyncContextManager[Any]] | None

    @property
    def closes(self) -> bool:
        """Whether something has to happen when the attempt has ended."""
        return self.kind in (ProviderKind.GENERATOR, ProviderKind.ASYNC_GENERATOR)


@dataclass(frozen=True, slots=True)
class InjectionPlan:
    """All that one action's injected parameters take.

    `given` pairs each injected parameter with its slot. `inserts` has those
    among them that stand before a positional one, with their position: these
    are put between the positional arguments.
    """

    steps: tuple[Step, ...]
    given: tuple[tuple[str, int], ...]
    inserts: tuple[tuple[int, str], ...]
    closes: bool

    async def call(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Provide everything, await `function(*args, **kwargs, ...)`, clean up.

        `function` returns an awaitable (for a sync action, whatever carries it
        to its thread). Raises what the function, a provider or a clean-up raises.
        """
        if self.closes:
            return await self._call_and_close(function, args, kwargs)
        slots: list[Any] = []
        for step in self.steps:
            value = step.provider(**{name: slots[slot] for name, slot in step.needs})
            slots.append(await value if step.kind is ProviderKind.COROUTINE else value)
        return await self._apply(function, args, kwargs, slots)

    async def _call_and_close(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        failure: BaseException | None = None
        try:
            stack: AsyncExitStack[bool] = AsyncExitStack()
            async with stack:
                try:
                    slots: list[Any] = []
                    for step in self.steps:
                        slots.append(await _provide(step, slots, stack))
                    return await self._apply(function, args, kwargs, slots)
                except BaseException as error:
                    failure = error
                    raise
            # Reached only when a generator caught the failure and went on. That is its affair;
            # the attempt failed all the same, and its outcome must say so.
            assert failure is not None
            raise failure
        finally:
            failure = None  # Else the exception and this frame would hold each other.

    def _apply(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        slots: list[Any],
    ) -> Awaitable[Any]:
        named = {**kwargs}
        for name, slot in self.given:
            named[name] = slots[slot]
        if not self.inserts:
            return function(*args, **named)
        positional = list(args)
        for position, name in self.inserts:
            if position <= len(positional):
                positional.insert(position, named.pop(name))
        return function(*positional, **named)


async def _provide(step: Step, slots: list[Any], stack: AsyncExitStack) -> Any:
    values = {name: slots[slot] for name, slot in step.needs}
    if step.closes:
        if step.limit is not None:
            await stack.enter_async_context(step.limit())
        return await _open(step, values, stack)
    if step.limit is None:
        return await _call(step, values)
    async with step.limit():
        return await _call(step, values)


async def _call(step: Step, values: dict[str, Any]) -> Any:
    value = step.provider(**values)
    return await value if step.kind is ProviderKind.COROUTINE else value


async def _open(step: Step, values: dict[str, Any], stack: AsyncExitStack) -> Any:
    manager = step.provider(**values)
    if step.kind is ProviderKind.GENERATOR:
        return stack.enter_context(manager)
    return await stack.enter_async_context(manager)


def plan_injection(
    name: str,
    function: Callable[..., Any],
    hints: Mapping[str, Any],
    namespace: Mapping[str, Any],
    overrides: Mapping[Callable[..., Any], Callable[..., Any]],
    *,
    final: bool,
) -> InjectionPlan | None:
    """The plan of the action `name`, None when nothing is injected.

    `namespace` holds locals that providers' annotations may name. Raises
    InjectionError for what no background action can have, and NameError or
    AttributeError, unless `final`, for an annotation that cannot be resolved yet.
    """
    planner = _Planner(namespace, overrides, final)
    parameters = list(signature_of(function).parameters.values())
    owner = f"action {name}"
    given: list[tuple[str, int]] = []
    for parameter in parameters:
        marker = dependency_of(parameter, hints.get(parameter.name, Any), owner)
        if marker is not None:
            _check_kind(parameter, owner)
            given.append((parameter.name, planner.slot_of(marker, (owner,))))
    if not given:
        return None
    return InjectionPlan(
        tuple(planner.steps),
        tuple(given),
        _inserts(parameters, {name for name, _ in given}),
        any(step.closes or step.limit is not None for step in planner.steps),
    )


def _check_kind(parameter: inspect.Parameter, owner: str) -> None:
    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        return
    raise InjectionError(
        f"parameter {parameter.name!r} of {owner} is injected, so it must be possible to pass it"
        " by name: no positional-only parameter, no * and no **"
    )


def _inserts(
    parameters: list[inspect.Parameter], injected: set[str]
) -> tuple[tuple[int, str], ...]:
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
    ]
    authored = [
        index for index, parameter in enumerate(positional) if parameter.name not in injected
    ]
    last = max(authored, default=-1)
    return tuple(
        (index, parameter.name)
        for index, parameter in enumerate(positional)
        if parameter.name in injected and index < last
    )


@dataclass(slots=True)
class _Planner:
    """Walks the dependencies of one action, depth first."""

    namespace: Mapping[str, Any]
    overrides: Mapping[Callable[..., Any], Callable[..., Any]]
    final: bool
    steps: list[Step] = field(default_factory=list[Step])
    _slots: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    _open: list[Hashable] = field(default_factory=list[Hashable])

    def slot_of(self, marker: Dependency, chain: tuple[str, ...]) -> int:
        """Where the value of `marker` will be; adds the steps that make it.
        `chain` says in messages who asks."""
        provider = marker.provider
        assert provider is not None, "dependency_of names the provider"
        key: Hashable = id(provider) if type(provider).__hash__ is None else provider
        chain = (*chain, _label(provider))
        if key in self._open:
            raise InjectionError(f"a dependency needs itself: {' -> '.join(chain)}")
        if marker.use_cache and key in self._slots:
            return self._slots[key]
        self._open.append(key)
        used = self.overrides.get(provider, provider) if self.overrides else provider
        needs = self._needs(used, chain)
        self._open.pop()
        kind = _kind_of(used)
        self.steps.append(Step(_opener(used, kind), kind, needs, marker.limit))
        self._slots.setdefault(key, len(self.steps) - 1)
        return len(self.steps) - 1

    def _needs(
        self, provider: Callable[..., Any], chain: tuple[str, ...]
    ) -> tuple[tuple[str, int], ...]:
        try:
            parameters = signature_of(provider).parameters.values()
        except (TypeError, ValueError):
            return ()  # Written in C, without a signature: called with nothing.
        function = annotated_function(provider)
        nested = "<locals>" in getattr(function, "__qualname__", "")
        hints = resolve(function, self.namespace if nested else {}, final=self.final)
        needs: list[tuple[str, int]] = []
        for parameter in parameters:
            hint = hints.get(parameter.name, _written(parameter))
            marker = dependency_of(parameter, hint, chain[-1])
            if marker is not None:
                _check_kind(parameter, chain[-1])
                needs.append((parameter.name, self.slot_of(marker, chain)))
            else:
                _check_providable(parameter, hint, chain)
        return tuple(needs)


def _written(parameter: inspect.Parameter) -> Any:
    """The annotation that a signature of its own making gives (pydantic's)."""
    annotation = parameter.annotation
    return Any if annotation is parameter.empty or isinstance(annotation, str) else annotation


def _check_providable(parameter: inspect.Parameter, hint: Any, chain: tuple[str, ...]) -> None:
    asked = request_part(parameter, hint)
    if asked is None and (
        parameter.default is not parameter.empty
        or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ):
        return
    where = f"{' -> '.join(chain)}, parameter {parameter.name!r}"
    if asked is not None:
        raise InjectionError(
            f"{where}: this needs a web request ({asked}), and an action runs without one, maybe in"
            " another process. Give the action a dependency of its own that needs none, and pass"
            " what it needs of the request as an argument."
        )
    raise InjectionError(
        f"{where}: nothing provides it (in an endpoint it would come from the request). Give it a"
        " default or a Depends, or pass the value to the action as an argument."
    )


def _label(provider: Callable[..., Any]) -> str:
    function = inspect.unwrap(provider)
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}:{name}" if name else repr(provider)


def _kind_of(provider: Callable[..., Any]) -> ProviderKind:
    """Judged by the function that is behind partials, wrappers and `__call__`."""
    if isinstance(inspect.unwrap(provider), type):
        return ProviderKind.PLAIN
    function = annotated_function(provider)
    if inspect.isasyncgenfunction(function):
        return ProviderKind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(function):
        return ProviderKind.GENERATOR
    if inspect.iscoroutinefunction(function):
        return ProviderKind.COROUTINE
    return ProviderKind.PLAIN


def _nothing() -> Generator[None]:
    yield


async def _nothing_async() -> AsyncGenerator[None]:
    yield


#: What functions decorated by contextlib run: they make the context manager themselves.
_MANAGER_CODE = (
    contextmanager(_nothing).__code__,
    asynccontextmanager(_nothing_async).__code__,
)


def _opener(provider: Callable[..., Any], kind: ProviderKind) -> Callable[..., Any]:
    if getattr(provider, "__code__", None) in _MANAGER_CODE:
        return provider
    match kind:
        case ProviderKind.GENERATOR:
            return contextmanager(provider)
        case ProviderKind.ASYNC_GENERATOR:
            return asynccontextmanager(provider)
        case _:
            return provider
