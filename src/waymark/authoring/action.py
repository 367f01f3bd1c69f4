"""`@action`: a unit of work that may be slow, fail, or touch the world."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from waymark.errors import RegistrationError
from waymark.graph.policies import CallPolicy, RetryPolicy, call_policy

from .annotations import defining_namespace, reached, resolve, signature_of
from .injection import InjectionPlan, plan_injection
from .naming import checked_name, checked_queue, registered_name
from .registry import registry

if TYPE_CHECKING:
    from waymark.values import Arguments, Plan, TypeRegistry

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_NO_OVERRIDES: dict[Callable[..., Any], Callable[..., Any]] = {}


class Action(Generic[P, R_co]):
    """A registered action. Called outside a workflow it is the plain function.

    `signature` is what callers in a workflow see: without injected parameters.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        aliases: tuple[str, ...] = (),
        namespace: Mapping[str, Any] | None = None,
        policy: CallPolicy | None = None,
        queue: str | None = None,
    ) -> None:
        self.function = function
        self.name = name
        self.aliases = aliases
        #: How often and how long a call is tried unless it says otherwise; None is once.
        self.policy = policy
        #: Where it is executed: by processes that serve this queue; None by any.
        self.queue = queue
        #: Whether the function's result is awaited; False for one that runs in a thread.
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        self._namespace: Mapping[str, Any] = namespace or {}
        self._resolved: _Resolved | None = None
        functools.update_wrapper(self, function)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function here and now: nothing is recorded or injected. A sync
        one runs in this thread."""
        result = self.function(*args, **kwargs)
        return cast(R_co, await result if self.is_async else result)

    @property
    def hints(self) -> Mapping[str, Any]:
        """Resolved annotations, `Annotated` kept; what cannot be resolved is `Any`."""
        return self._resolve().hints

    @property
    def signature(self) -> inspect.Signature:
        """The parameters a workflow passes, injected ones left out."""
        return self._resolve().signature

    @property
    def injection(self) -> InjectionPlan | None:
        """How dependencies are provided; None when there are none."""
        resolved = self._resolved or self._resolve()
        if resolved.injection is None or not registry.overrides:
            return resolved.injection
        return plan_injection(
            self.name,
            self.function,
            resolved.hints,
            self._namespace,
            registry.overrides,
            final=True,
        )

    @cached_property
    def arguments(self) -> Arguments:
        """The recorded form of a call's arguments."""
        from waymark.values import Arguments

        self.teach(registry.types)
        return Arguments.for_signature(
            self.signature, self.hints, registry.types, self.function.__qualname__
        )

    @cached_property
    def result_plan(self) -> Plan[Any]:
        """The recorded form of the result."""
        from waymark.values import plan_for

        self.teach(registry.types)
        return plan_for(self.hints.get("return", Any), registry.types)

    def link(self, *, final: bool = True) -> bool:
        """Settle what the decorator left open. False when, not `final`, an
        annotation cannot be resolved yet. Raises InjectionError."""
        if self._resolved is None:
            try:
                self._resolved = _resolve_action(self, self._namespace, final=final)
            except (NameError, AttributeError):
                return False
        return True

    def teach(self, types: TypeRegistry) -> None:
        """Add every class that calls of this action can bring into a run."""
        self.link()
        resolved = self._resolve()
        for name, hint in resolved.hints.items():
            if name == "return" or name in resolved.signature.parameters:
                types.add(hint)
        for unannotated in reached(self.function):
            types.add(unannotated)

    def _resolve(self) -> _Resolved:
        """What is known by now, kept only once nothing is missing."""
        self.link(final=False)
        return self._resolved or _resolve_action(self, self._namespace, final=True)

    def __repr__(self) -> str:
        return f"<action {self.name}>"


class _Resolved:
    """Everything about an action that its annotations decide."""

    __slots__ = ("hints", "injection", "signature")

    def __init__(
        self,
        hints: Mapping[str, Any],
        signature: inspect.Signature,
        injection: InjectionPlan | None,
    ) -> None:
        self.hints = hints
        self.signature = signature
        self.injection = injection


def _resolve_action(
    action: Action[..., Any], namespace: Mapping[str, Any], *, final: bool
) -> _Resolved:
    meaningless: set[str] = set()
    hints = resolve(action.function, namespace, final=final, meaningless=meaningless)
    registry.types.meaningless.update(dict.fromkeys(meaningless, action.name))
    injection = plan_injection(
        action.name, action.function, hints, namespace, _NO_OVERRIDES, final=final
    )
    signature = signature_of(action.function)
    injected = {name for name, _ in injection.given} if injection is not None else set[str]()
    parameters = [each for each in signature.parameters.values() if each.name not in injected]
    return _Resolved(hints, signature.replace(parameters=parameters), injection)


class ActionDecorator(Protocol):
    """What `action(name=...)` returns."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Action[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Action[P, R]: ...


@overload
def action(function: Callable[P, Coroutine[Any, Any, R]], /) -> Action[P, R]: ...
@overload
def action(function: Callable[P, R], /) -> Action[P, R]: ...
@overload
def action(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    total_timeout: float | timedelta | None = None,
    heartbeat_timeout: float | timedelta | None = None,
    queue: str | None = None,
) -> ActionDecorator: ...
def action(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    total_timeout: float | timedelta | None = None,
    heartbeat_timeout: float | timedelta | None = None,
    queue: str | None = None,
) -> Any:
    """Register a function as an action, so that workflows can await it.

    The name is `module:qualname` unless `name` gives another; `aliases` are
    names it had before, under which runs in flight still find it. A sync
    function runs in a thread of its own. In a run a call is tried as `retry` says,
    without it once, and each attempt may take `timeout` (seconds or a timedelta)
    from when the function begins, all of them with their pauses `total_timeout`;
    `run_action` decides otherwise for one call. An attempt that does not call
    `waymark.context().heartbeat()` for `heartbeat_timeout` is given up as well. With
    `queue` only processes that serve it execute the action (`start(queues=...)`).
    Raises RegistrationError, DuplicateNameError, and InjectionError for a dependency
    that needs a request.
    """
    frame = inspect.currentframe()
    policy = _policy(retry, timeout, total_timeout, heartbeat_timeout)
    if queue is not None:
        checked_queue(queue)
    if function is not None:
        return _register(function, name, aliases, policy, queue, frame.f_back if frame else None)

    def decorate(function: Callable[..., Any], /) -> Action[..., Any]:
        inner = inspect.currentframe()
        return _register(function, name, aliases, policy, queue, inner.f_back if inner else None)

    return decorate


def _policy(*options: object) -> CallPolicy | None:
    if all(option is None for option in options):
        return None
    try:
        return call_policy(*options)
    except (TypeError, ValueError) as error:
        raise RegistrationError(f"@action: {error}") from None


def _register(
    function: Callable[..., Any],
    name: str | None,
    aliases: Sequence[str],
    policy: CallPolicy | None,
    queue: str | None,
    frame: FrameType | None,
) -> Action[..., Any]:
    _refuse_impossible(function)
    if isinstance(aliases, str):
        raise RegistrationError(f"aliases={aliases!r} is one text; write aliases=({aliases!r},)")
    made: Action[..., Any] = Action(
        function,
        registered_name(function) if name is None else checked_name(name, "action"),
        tuple(checked_name(alias, "action") for alias in aliases),
        defining_namespace(function, frame),
        policy,
        queue,
    )
    made.link(final=False)
    registry.add_action(made)
    return made


def _refuse_impossible(function: object) -> None:
    if isinstance(function, Action):
        raise RegistrationError(f"{function!r} is an action already; decorate it once")
    if not isinstance(function, FunctionType):
        raise RegistrationError(
            f"@action takes a function, not {function!r}; write a `def` or `async def` at module"
            " level that calls it"
        )
    name = function.__qualname__
    if name.endswith("<lambda>"):
        raise RegistrationError(
            "@action takes a function with a name, under which recorded runs find it again;"
            " a lambda has none: use `def`"
        )
    holder = name.rpartition(".")[0]
    if holder and not holder.endswith("<locals>"):
        raise RegistrationError(
            f"{name} is a method; an action stands by itself, since a run may go on in another"
            " process, without the object. Move it to module level and pass what it needs."
        )
    authored = inspect.unwrap(function)
    if inspect.isgeneratorfunction(authored) or inspect.isasyncgenfunction(authored):
        raise RegistrationError(
            f"{name} is a generator, and an action has one result; collect the items and return"
            " a list"
        )
