"""Events that others have sent to the run, until it waits for them.

There is one mailbox for each name of an event. What comes is kept in the order in
which it came, and given to who waits for it in the order in which they began to wait:
`self.wait_for_event` is what `asyncio.Queue.get` would be on a queue of that name
(`compiler/prelude.py` has the definition).
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from waymark.values import conform, fits

from .stores import Store

if TYPE_CHECKING:
    from waymark.engine.tape import Tape

    from .loop import RunLoop


class Mailbox(Store):
    """The events of one name that nobody has taken yet: each its value, and why that could
    not be read, None where it could."""


def mailbox(loop: RunLoop, name: object) -> Mailbox:
    """The mailbox of a name."""
    if not isinstance(name, str):
        raise TypeError(f"wait_for_event takes the name of an event, not {name!r}")
    found = loop.mailboxes.get(name)
    if found is None:
        found = loop.mailboxes[name] = Mailbox(loop)
    return found


def take_event(tape: Tape, box: Mailbox, expected: object) -> Any:
    """What the oldest event says, as what is expected. Where that takes the author's
    validators, their result is recorded."""
    value, problem = box.items.popleft()
    if problem is not None:
        raise ValueError(problem)
    if expected is None or fits(value, expected):
        return value
    return tape.call(partial(conform, expected=expected), (value,), {})


def event_seconds(timeout: object) -> float | None:
    """A time limit in seconds, None for none."""
    if isinstance(timeout, timedelta):
        return timeout.total_seconds()
    if timeout is None or (isinstance(timeout, int | float) and not isinstance(timeout, bool)):
        return timeout
    raise TypeError(f"timeout={timeout!r} is no length of time; give seconds or a timedelta")
