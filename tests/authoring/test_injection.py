"""Dependencies of actions: what is called, in which order, and what is refused."""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import pytest

from waymark.authoring import INJECTED, Action, Depends, action
from waymark.authoring.registry import registry
from waymark.errors import InjectionError

pytestmark = pytest.mark.anyio


async def attempt(made: Action[..., Any], *args: Any, **kwargs: Any) -> Any:
    """One attempt, as the executor makes it."""
    plan = made.injection
    assert plan is not None
    return await plan.call(made.function, args, kwargs)


class Trace(list[str]):
    """What happened, in order."""


trace = Trace()


@pytest.fixture(autouse=True)
def empty_trace() -> None:
    trace.clear()


def get_settings() -> str:
    trace.append("settings")
    return "settings"


async def get_pool(settings: Annotated[str, Depends(get_settings)]) -> str:
    await asyncio.sleep(0)
    trace.append("pool")
    return f"pool({settings})"


def get_session(pool: Annotated[str, Depends(get_pool)]) -> Iterator[str]:
    trace.append("open session")
    try:
        yield f"session({pool})"
    except ValueError as error:
        trace.append(f"rollback {error}")
        raise
    finally:
        trace.append("close session")


async def get_unit(
    session: Annotated[str, Depends(get_session)], pool: str = Depends(get_pool)
) -> AsyncIterator[str]:
    trace.append("open unit")
    try:
        yield f"unit({session}, {pool})"
    finally:
        await asyncio.sleep(0)
        trace.append("close unit")


def test_without_dependencies_there_is_no_plan() -> None:
    """The common action pays nothing for injection."""

    @action
    async def plain(number: int, text: str = "x") -> None: ...

    assert plain.injection is None


async def test_nested_sync_and_async_dependencies_are_provided() -> None:
    """A provider's own parameters are injected first; both kinds may be mixed."""

    @action
    async def act(number: int, pool: Annotated[str, Depends(get_pool)] = INJECTED) -> str:
        return f"{number} {pool}"

    assert await attempt(act, 1) == "1 pool(settings)"
    assert await attempt(act, number=2) == "2 pool(settings)"


async def test_the_marker_may_be_the_default() -> None:
    """`x: T = Depends(f)` says the same as `Annotated[T, Depends(f)]`."""

    @action
    async def act(pool: str = Depends(get_pool)) -> str:
        return pool

    assert await attempt(act) == "pool(settings)"


async def test_each_dependency_is_called_once_per_attempt() -> None:
    """Shared by several parameters and providers, it is still one value; the next
    attempt gets its own."""

    @action
    async def act(
        pool: Annotated[str, Depends(get_pool)] = INJECTED,
        settings: Annotated[str, Depends(get_settings)] = INJECTED,
        again: Annotated[str, Depends(get_pool)] = INJECTED,
    ) -> bool:
        return pool is again

    assert await attempt(act)
    assert trace == ["settings", "pool"]
    await attempt(act)
    assert trace == ["settings", "pool"] * 2


async def test_without_cache_a_dependency_is_called_for_each_parameter() -> None:
    """`use_cache=False` asks for a value of one's own."""

    @action
    async def act(
        one: Annotated[str, Depends(get_settings)] = INJECTED,
        two: Annotated[str, Depends(get_settings, use_cache=False)] = INJECTED,
        three: Annotated[str, Depends(get_settings)] = INJECTED,
    ) -> None: ...

    await attempt(act)
    assert trace == ["settings", "settings"]


async def test_generators_are_closed_in_reverse_order_after_the_attempt() -> None:
    """What was opened last is closed first, when the action has returned."""

    @action
    async def act(unit: Annotated[str, Depends(get_unit)] = INJECTED) -> str:
        trace.append("act")
        return unit

    assert await attempt(act) == "unit(session(pool(settings)), pool(settings))"
    assert trace == [
        "settings",
        "pool",
        "open session",
        "open unit",
        "act",
        "close unit",
        "close session",
    ]


async def test_the_actions_exception_is_thrown_into_the_generators() -> None:
    """A session provider can roll back; the action's exception goes on as it was."""
    raised = ValueError("no stock")

    @action
    async def act(unit: Annotated[str, Depends(get_unit)] = INJECTED) -> None:
        raise raised

    with pytest.raises(ValueError, match="no stock") as caught:
        await attempt(act)
    assert caught.value is raised
    assert trace[-3:] == ["close unit", "rollback no stock", "close session"]


async def test_a_generator_that_swallows_the_exception_does_not_hide_it() -> None:
    """A provider that catches and goes on must not turn a failure into success."""

    def careless() -> Iterator[str]:
        try:
            yield "x"
        except ValueError:
            trace.append("swallowed")

    @action
    async def act(given: Annotated[str, Depends(careless)] = INJECTED) -> None:
        raise ValueError("no stock")

    with pytest.raises(ValueError, match="no stock"):
        await attempt(act)
    assert trace == ["swallowed"]


async def test_a_failing_provider_closes_what_was_open() -> None:
    """The action is not called; what came before is cleaned up, and even a
    generator that swallows does not make the attempt succeed."""

    def careless() -> Iterator[str]:
        try:
            yield "x"
        except OSError:
            trace.append("swallowed")

    def refuse(given: Annotated[str, Depends(careless)]) -> str:
        raise OSError("no route")

    @action
    async def act(given: Annotated[str, Depends(refuse)] = INJECTED) -> None:
        trace.append("act")

    with pytest.raises(OSError, match="no route"):
        await attempt(act)
    assert trace == ["swallowed"]


async def test_a_failing_clean_up_fails_the_attempt() -> None:
    """A commit after the `yield` is part of the attempt."""

    async def commits() -> AsyncIterator[str]:
        yield "x"
        raise OSError("commit failed")

    @action
    async def act(given: Annotated[str, Depends(commits)] = INJECTED) -> int:
        return 1

    with pytest.raises(OSError, match="commit failed"):
        await attempt(act)


async def test_cancelling_an_attempt_closes_its_dependencies() -> None:
    """An interrupted attempt gives back what it holds, and stays cancelled."""
    started = asyncio.Event()

    @action
    async def act(unit: Annotated[str, Depends(get_unit)] = INJECTED) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(attempt(act))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert trace[-2:] == ["close unit", "close session"]


async def test_an_injected_parameter_may_stand_before_authored_ones() -> None:
    """Recorded positional arguments find their own parameters."""

    @action
    async def act(
        pool: Annotated[str, Depends(get_pool)],
        number: int,
        settings: Annotated[str, Depends(get_settings)],
        *rest: int,
        flag: bool = False,
    ) -> tuple[Any, ...]:
        return (pool, number, settings, rest, flag)

    assert await attempt(act, 1, 2, 3, flag=True) == (
        "pool(settings)",
        1,
        "settings",
        (2, 3),
        True,
    )
    assert await attempt(act, number=1) == ("pool(settings)", 1, "settings", (), False)


async def test_classes_partials_and_objects_can_provide() -> None:
    """Any callable may be a dependency; `Depends()` alone calls the annotated class."""

    class Service:
        def __init__(self, pool: Annotated[str, Depends(get_pool)], size: int = 3) -> None:
            self.text = f"{pool} {size}"

    class Factory:
        async def __call__(self, settings: Annotated[str, Depends(get_settings)]) -> str:
            return f"made with {settings}"

    async def sized(size: int, pool: Annotated[str, Depends(get_pool)]) -> str:
        return f"{size} {pool}"

    @action
    async def act(
        service: Annotated[Service, Depends()] = INJECTED,
        made: Annotated[str, Depends(Factory())] = INJECTED,
        part: Annotated[str, Depends(functools.partial(sized, 7))] = INJECTED,
    ) -> tuple[str, str, str]:
        return (service.text, made, part)

    assert await attempt(act) == ("pool(settings) 3", "made with settings", "7 pool(settings)")


async def test_a_context_manager_function_is_entered() -> None:
    """A provider already decorated by contextlib gives what it yields."""

    @contextmanager
    def lock() -> Iterator[str]:
        yield "lock"
        trace.append("unlock")

    @asynccontextmanager
    async def client() -> AsyncIterator[str]:
        yield "client"
        trace.append("disconnect")

    @action
    async def act(
        one: Annotated[str, Depends(lock)] = INJECTED,
        two: Annotated[str, Depends(client)] = INJECTED,
    ) -> tuple[str, str]:
        return (one, two)

    assert await attempt(act) == ("lock", "client")
    assert trace == ["disconnect", "unlock"]


async def test_overrides_replace_a_provider_with_its_own_dependencies() -> None:
    """In tests another provider stands in; it may have dependencies itself."""

    def fake_pool(settings: Annotated[str, Depends(get_settings)]) -> str:
        return f"fake({settings})"

    @action
    async def act(
        unit: Annotated[str, Depends(get_unit)] = INJECTED,
        pool: Annotated[str, Depends(get_pool)] = INJECTED,
    ) -> str:
        return f"{unit} {pool}"

    registry.overrides[get_pool] = fake_pool
    expected = "unit(session(fake(settings)), fake(settings)) fake(settings)"
    assert await attempt(act) == expected
    assert trace.count("settings") == 1
    registry.overrides.clear()
    assert "fake" not in await attempt(act)


def ask(
    request_id: str,
) -> str:
    return request_id


def asks(inner: Annotated[str, Depends(ask)]) -> str:
    return inner


def test_what_nothing_provides_is_refused_at_registration() -> None:
    """A provider's parameter without Depends or default comes from a request in an
    endpoint; an action has none. The message shows the way to it."""
    with pytest.raises(InjectionError) as caught:

        @action(name="bill")
        async def act(given: Annotated[str, Depends(asks)] = INJECTED) -> None: ...

    assert str(caught.value) == (
        f"action bill -> {__name__}:asks -> {__name__}:ask, parameter 'request_id': nothing"
        " provides it (in an endpoint it would come from the request). Give it a default or a"
        " Depends, or pass the value to the action as an argument."
    )
    assert registry.action("bill") is None


def test_a_dependency_known_only_later_is_checked_when_names_are_linked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An annotation may name a provider further down the module; what cannot be
    provided is then refused at `start()`, not in the middle of a run."""

    async def act(given: Annotated[str, Depends(further_down)] = INJECTED) -> None: ...  # noqa: F821 - the point

    made = action(name="early")(act)
    monkeypatch.setitem(globals(), "further_down", ask)
    with pytest.raises(InjectionError, match=r"action early -> .*ask, parameter 'request_id'"):
        registry.link()
    monkeypatch.setitem(globals(), "further_down", get_settings)
    registry.link()
    assert made.injection is not None


def test_a_dependency_that_needs_itself_is_refused() -> None:
    """A circle is named, not followed."""

    def ring(again: Any) -> str:
        return str(again)

    ring.__annotations__["again"] = Annotated[str, Depends(ring)]
    with pytest.raises(InjectionError, match=r"needs itself: action .*ring -> .*ring"):

        @action
        async def act(given: Annotated[str, Depends(ring)] = INJECTED) -> None: ...


def test_a_marker_on_a_parameter_that_has_no_name_is_refused() -> None:
    """What cannot be passed by name cannot be injected."""
    with pytest.raises(InjectionError, match=r"'given' of action .* possible to pass it by name"):

        @action
        async def act(given: Annotated[str, Depends(get_pool)], /) -> None: ...


def test_two_markers_on_one_parameter_are_refused() -> None:
    """One of two providers would silently lose."""
    with pytest.raises(InjectionError, match="keep one"):

        @action
        async def act(
            given: Annotated[str, Depends(get_pool)] = Depends(get_settings),
        ) -> None: ...


def test_depends_needs_something_to_call() -> None:
    """`Depends(get())` instead of `Depends(get)`, and `Depends()` without a class."""
    with pytest.raises(InjectionError, match="without calling it"):
        Depends("session")  # type: ignore[arg-type]
    with pytest.raises(InjectionError, match=r"Depends\(\) without a provider"):

        @action
        async def act(given: Annotated[Any, Depends()] = INJECTED) -> None: ...


async def test_the_placeholder_says_what_is_missing() -> None:
    """Calling an action directly without the dependency fails with the remedy, at
    the first use of the placeholder."""

    @action
    async def act(session: Annotated[Any, Depends(get_pool)] = INJECTED) -> None:
        await session.execute("select 1")

    with pytest.raises(InjectionError, match=r"`\.execute` was read.*Pass the dependency"):
        await act()
    assert "provided when a workflow runs the action" in repr(INJECTED)
    assert copy.deepcopy(INJECTED) is copy.copy(INJECTED) is INJECTED
    assert not hasattr(INJECTED, "__len__")
