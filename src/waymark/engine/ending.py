"""How a run's end is recorded: its result, or the exception that left it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waymark.errors import ValueEncodeError
from waymark.values import dump_exception

from .futures import CANCELLED, RESOLVED
from .outcomes import UNREAD, Finish, maker

if TYPE_CHECKING:
    from .program import Program

_finished = maker(Finish)


def finish(program: Program, state: int, outcome: Any, checksum: int) -> Finish:
    """The command that ends a run with this state of its main task."""
    if state == RESOLVED:
        plan = program.definition.result_plan
        try:
            payload = plan.dumps(outcome, "result")
        except ValueEncodeError as error:
            return Finish(False, False, dump_exception(error), checksum)
        value = outcome if type(outcome) in plan.direct else UNREAD
        return _finished((True, False, payload, checksum, value))
    return Finish(
        False,
        state == CANCELLED,
        dump_exception(outcome, types=program.links.types),
        checksum,
    )
