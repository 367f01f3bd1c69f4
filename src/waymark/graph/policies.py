"""How often a call is tried: plain data, the same in a body, a row and a decorator.

The engine only carries a policy from the call to whoever makes the attempts (the
runtime, or `Workflow.run_action` outside of a run). These decide by `delay_seconds`
after each failure. An attempt counts when its failure is recorded; one that a crash
or a stop took away does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Final, NamedTuple, cast

#: What is no `Exception` (a cancellation, an exit) is never tried again.
_EVERY: Final = "builtins:Exception"


#: What `run_action` says of anything else.
NO_CALL: Final = (
    "run_action takes the call of an action that is not awaited yet:"
    " `await self.run_action(act(x), retry=...)`"
)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When a failed call is tried again.

    `attempts` counts the first. `exception_types` are classes or names of classes
    (`"ValueError"`, `"app.errors:Declined"`); subclasses are meant, too. The first
    pause lasts `backoff_seconds` (a number or a timedelta), each further one
    `backoff_multiplier` times as long, at most `max_backoff_seconds`; up to the share
    `jitter` (0 to 1) is taken off at random. `RetryPolicy(attempts=1)` switches off
    the retries that an action has by default. Raises TypeError, and ValueError for what
    can never apply.
    """

    attempts: int = 3
    exception_types: Sequence[type[BaseException] | str] = (_EVERY,)
    backoff_seconds: float | timedelta = 1.0
    backoff_multiplier: float = 2.0
    max_backoff_seconds: float | timedelta = 60.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        kept = vars(self)
        kept["backoff_seconds"] = _length(self.backoff_seconds, "backoff_seconds")
        kept["max_backoff_seconds"] = _length(self.max_backoff_seconds, "max_backoff_seconds")
        kept["exception_types"] = _names(self.exception_types)
        _check_attempts(self.attempts)
        multiplier = _number(self.backoff_multiplier, "backoff_multiplier")
        if multiplier < 1:
            raise ValueError(
                f"backoff_multiplier={multiplier!r} makes pauses shorter each time; use 1 or more"
            )
        jitter = _number(self.jitter, "jitter")
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter={jitter!r} is no share of the pause; use 0 to 1")
        self._check_use()

    def _check_use(self) -> None:
        """Refuse what is said in vain."""
        said = [name for name, unsaid in _UNSAID.items() if getattr(self, name) != unsaid]
        if self.attempts == 1 and said != ["attempts"]:
            raise ValueError(
                f"this policy can never apply: attempts=1 makes no second attempt, and {said[-1]}="
                " is about one; leave it out, or give more attempts"
            )
        if cast("float", self.backoff_seconds) > cast("float", self.max_backoff_seconds):
            raise ValueError(
                f"backoff_seconds={self.backoff_seconds:g} can never apply: no pause is longer than"
                f" max_backoff_seconds={self.max_backoff_seconds:g}; raise that as well"
            )

    def delay_seconds(self, attempt: int, error: BaseException, chance: float) -> float | None:
        """How long to pause after this attempt (the first is 1) failed with `error`;
        None when it was the last. `chance` (0 to 1) decides the jitter."""
        if attempt >= self.attempts or not self.covers(error):
            return None
        assert isinstance(self.backoff_seconds, float)
        assert isinstance(self.max_backoff_seconds, float)
        try:
            delay = self.backoff_seconds * self.backoff_multiplier ** (attempt - 1)
        except OverflowError:
            delay = math.inf
        return min(delay, self.max_backoff_seconds) * (1 - self.jitter * chance)

    def covers(self, error: BaseException) -> bool:
        """Whether `exception_types` names the error's class or one of its bases."""
        return isinstance(error, Exception) and any(
            not known.isdisjoint(self.exception_types)
            for known in map(_spellings, type(error).__mro__)
        )


#: What each field of a policy is when nothing is said of it.
_UNSAID: Final = {each.name: each.default for each in fields(RetryPolicy)}


class CallPolicy(NamedTuple):
    """What one call was given: None where the action's own default holds. Seconds for
    one attempt, for all of them with their pauses, and from one heartbeat to the next."""

    retry: RetryPolicy | None
    timeout_seconds: float | None
    total_seconds: float | None = None
    heartbeat_seconds: float | None = None

    def over(self, default: CallPolicy | None) -> CallPolicy:
        """This policy, with what it leaves open from the default."""
        if default is None:
            return self
        said = zip(self, default, strict=True)
        return CallPolicy._make(theirs if own is None else own for own, theirs in said)

    @property
    def limited(self) -> bool:
        """Whether time can be up for an attempt."""
        return self[1:] != (None, None, None)


def call_policy(
    retry: object, timeout: object, total_timeout: object = None, heartbeat_timeout: object = None
) -> CallPolicy:
    """A policy from what a user wrote for these options. Raises TypeError and
    ValueError."""
    if retry is not None:
        if not isinstance(retry, RetryPolicy):
            raise TypeError(f"retry= takes a RetryPolicy, not {_kind(retry)}")
        retry = replace(retry)  # Checked again: it may have been read from a row.
    seconds = _limit(timeout, "timeout")
    total = _limit(total_timeout, "total_timeout")
    heartbeat = _limit(heartbeat_timeout, "heartbeat_timeout")
    _check_order("timeout", seconds, "total_timeout", total)
    _check_order("heartbeat_timeout", heartbeat, "timeout", seconds)
    _check_order("heartbeat_timeout", heartbeat, "total_timeout", total)
    return CallPolicy(retry, seconds, total, heartbeat)


def _limit(value: object, option: str) -> float | None:
    """A limit in seconds, more than none."""
    seconds = None if value is None else _seconds(value, option)
    if seconds is not None and seconds <= 0:
        raise ValueError(f"{option}={value!r} leaves no time at all; use more than 0 seconds")
    return seconds


def _check_order(inner: str, least: float | None, outer: str, most: float | None) -> None:
    if least is not None and most is not None and least > most:
        raise ValueError(
            f"{inner}={least:g} can never apply: {outer}={most:g} ends sooner; leave one out"
        )


def _length(value: object, option: str) -> float:
    """A pause in seconds, never negative."""
    seconds = _seconds(value, option)
    if seconds < 0:
        raise ValueError(f"{option}={value!r} is no length of time; use 0 or more seconds")
    return seconds


def _seconds(value: object, option: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(_number(value, option))


def _number(value: object, option: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option}= takes a number, not {_kind(value)}")
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"{option}={value!r} is no number to count with")
    return value


def _check_attempts(attempts: object) -> None:
    if isinstance(attempts, bool) or not isinstance(attempts, int):
        raise TypeError(f"attempts= takes an int, not {_kind(attempts)}")
    if attempts < 1:
        raise ValueError(f"attempts={attempts} would never try; it counts the first one")


def _names(types: object) -> tuple[str, ...]:
    """The classes by name: `module:qualname` for a class, as written for a text."""
    if isinstance(types, str | type):
        raise TypeError(
            f"exception_types={types!r} is a single one; write exception_types=[{_short(types)}]"
        )
    if not isinstance(types, list | tuple | set | frozenset):
        raise TypeError(f"exception_types= takes a list, not {_kind(types)}")
    names = list(map(_name, cast("Iterable[object]", types)))
    if not names:
        raise ValueError(
            "this policy can never apply: exception_types is empty, so no failure is retried"
        )
    return tuple(names if isinstance(types, list | tuple) else sorted(names))


def _name(item: object) -> str:
    if isinstance(item, type) and (issubclass(item, Exception) or item is BaseException):
        return f"{item.__module__}:{item.__qualname__}"
    if isinstance(item, type) and issubclass(item, BaseException):
        raise ValueError(
            f"this policy can never apply: {item.__qualname__} is no Exception, and nothing else"
            " is retried"
        )
    if isinstance(item, str) and item.strip():
        return item
    raise TypeError(
        f"exception_types holds {item!r}; use classes of exceptions, or their names as text"
    )


def _short(item: object) -> str:
    return item.__name__ if isinstance(item, type) else repr(item)


def _spellings(cls: type) -> frozenset[str]:
    """The names by which a policy may mean a class."""
    module, name = cls.__module__, cls.__qualname__
    return frozenset({cls.__name__, name, f"{module}:{name}", f"{module}.{name}"})


def _kind(value: object) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
