"""Policies: what they mean, what is refused, and attempts outside of a run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.oracle.virtual_loop import run_virtually
from waymark import ActionTimeout, RegistrationError, RetryPolicy, Workflow, action, workflow
from waymark.authoring.registry import registry
from waymark.graph.policies import CallPolicy, call_policy
from waymark.values import plan_for


class Declined(LookupError):
    pass


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "no attempt": ({"attempts": 0}, "attempts=0 would never try; it counts the first one"),
    "half an attempt": ({"attempts": 1.5}, "attempts= takes an int, not a float"),
    "true": ({"attempts": True}, "attempts= takes an int, not a bool"),
    "nothing": ({"exception_types": []}, "can never apply: exception_types is empty"),
    "one type": ({"exception_types": KeyError}, r"write exception_types=\[KeyError\]"),
    "one name": ({"exception_types": "KeyError"}, r"write exception_types=\['KeyError'\]"),
    "a number": ({"exception_types": 3}, "exception_types= takes a list, not an int"),
    "no class": ({"exception_types": [3]}, "exception_types holds 3; use classes of exceptions"),
    "no exception": ({"exception_types": [int]}, "use classes of exceptions, or their names"),
    "an exit": ({"exception_types": [SystemExit]}, "SystemExit is no Exception"),
    "no name": ({"exception_types": [" "]}, "exception_types holds ' '"),
    "backwards": ({"backoff_seconds": -1}, "backoff_seconds=-1 is no length of time"),
    "a word": ({"backoff_seconds": "1"}, "backoff_seconds= takes a number, not a str"),
    "no number": ({"max_backoff_seconds": float("nan")}, "max_backoff_seconds=nan is no number"),
    "shrinking": ({"backoff_multiplier": 0.5}, "makes pauses shorter each time; use 1 or more"),
    "jitter": ({"jitter": 1.1}, "jitter=1.1 is no share of the pause; use 0 to 1"),
}


@pytest.mark.parametrize(("options", "message"), ODD.values(), ids=ODD)
def test_an_impossible_policy_is_refused(options: dict[str, Any], message: str) -> None:
    """When it is made, with what to write instead."""
    with pytest.raises((TypeError, ValueError), match=message):
        RetryPolicy(**options)


def test_pauses_grow_up_to_their_bound() -> None:
    """Each is the multiplier times the one before; jitter only takes away."""
    policy = RetryPolicy(attempts=6, backoff_seconds=0.5, backoff_multiplier=3)
    bounded = replace(policy, max_backoff_seconds=timedelta(seconds=10), jitter=0.5)
    error = ValueError()
    assert [policy.delay_seconds(n, error, 1.0) for n in range(1, 7)] == [
        *(0.5, 1.5, 4.5, 13.5, 40.5),
        None,
    ]
    assert [bounded.delay_seconds(n, error, 0.0) for n in (1, 5)] == [0.5, 10.0]
    assert [bounded.delay_seconds(n, error, 1.0) for n in (1, 5)] == [0.25, 5.0]
    assert RetryPolicy(attempts=10**9).delay_seconds(10**6, error, 0.0) == 60.0


def test_types_cover_their_subclasses_by_class_and_by_name() -> None:
    """A name is the class's own, its qualified one, or the one with its module."""
    for named in (
        *(Declined, LookupError, Exception, BaseException),
        *("Declined", f"{__name__}:Declined", f"{__name__}.Declined", "LookupError"),
    ):
        assert RetryPolicy(exception_types=[named]).covers(Declined())
    assert not RetryPolicy(exception_types=[KeyError, "Decline"]).covers(Declined())
    assert RetryPolicy().covers(Declined())
    for odd in (asyncio.CancelledError(), SystemExit(), KeyboardInterrupt()):
        assert not RetryPolicy(exception_types=[BaseException]).covers(odd)


def test_a_policy_is_plain_data() -> None:
    """Stored, read and compared like any value; one from an edited row is checked."""
    policy = RetryPolicy(exception_types=[Declined, "X"], backoff_seconds=timedelta(minutes=1))
    plan = plan_for(Any, registry.types)
    again = plan.loads(plan.dumps(policy))
    assert again == policy
    assert hash(again) == hash(policy)
    assert again.backoff_seconds == 60.0
    edited = plan.loads(plan.dumps(RetryPolicy(attempts=77)).replace(b"77", b"-7"))
    with pytest.raises(ValueError, match="attempts=-7 would never try"):
        call_policy(edited, None)


def test_a_call_s_policy_stands_over_the_action_s() -> None:
    """Each option by itself."""
    default = call_policy(RetryPolicy(attempts=2), 3)
    assert call_policy(None, None).over(default) == default
    assert call_policy(None, 5).over(default) == CallPolicy(default.retry, 5.0)
    own = RetryPolicy(attempts=9)
    assert call_policy(own, None).over(default) == CallPolicy(own, 3.0)
    assert call_policy(own, None).over(None) == CallPolicy(own, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "@action: timeout=0 leaves no time at all; use more than 0 seconds"),
        ({"timeout": timedelta(-1)}, "leaves no time at all"),
        ({"timeout": "soon"}, "timeout= takes a number, not a str"),
        ({"retry": 3}, "@action: retry= takes a RetryPolicy, not an int"),
    ],
)
def test_a_decorator_refuses_impossible_options(options: Any, message: str) -> None:
    """At registration, saying what to write."""
    with registry.isolated(), pytest.raises(RegistrationError, match=message):

        @action(**options)
        async def act() -> None: ...


calls: list[int] = []


@action(name="policies.act", retry=RetryPolicy(attempts=3), timeout=1)
async def act(failures: int, seconds: float = 0.0) -> int:
    calls.append(failures)
    await asyncio.sleep(seconds)
    if len(calls) <= failures:
        raise Declined(len(calls))
    return len(calls)


@workflow(name="policies.W")
class W(Workflow):
    async def run(self) -> None: ...


def attempted(*args: Any, retry: Any = None, timeout: Any = None) -> Any:
    calls.clear()

    async def main() -> Any:
        return await W().run_action(act(*args), retry=retry, timeout=timeout)

    return run_virtually(main())


def test_outside_of_a_run_the_same_attempts_are_made() -> None:
    """By the action's policy or the call's; a plain call is the plain function."""
    assert attempted(2) == 3
    with pytest.raises(Declined, match="2"):
        attempted(5, retry=RetryPolicy(attempts=2))
    with pytest.raises(
        ActionTimeout, match=r"attempt 3 of policies.act took longer than 1 seconds"
    ):
        attempted(0, 2.0)
    assert attempted(0, 2.0, timeout=3) == 1
    calls.clear()
    with pytest.raises(Declined, match="1"):
        run_virtually(act(2))


def test_only_a_call_of_an_action_can_be_tried() -> None:
    """And each only once."""

    async def other() -> None: ...

    async def main() -> None:
        coroutine = other()
        with pytest.raises(TypeError, match="takes the call of an action"):
            W().run_action(coroutine)
        coroutine.close()
        call = act(0)
        await call
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await W().run_action(call)

    run_virtually(main())
