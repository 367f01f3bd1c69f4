"""What a failure of asyncpg means for the callers of a store.

Three answers: the database is away, so try again (`StoreUnavailable`); it will
never take this value (`RefusedData`); or something is wrong that neither waiting
nor leaving a run out will mend (`StoreError`, with the server's words).
"""

from __future__ import annotations

import asyncio
import sys

import asyncpg

from waymark.errors import RefusedData, StoreError, StoreUnavailable

#: Classes of SQLSTATE after which the same statement may succeed later: connection,
#: login and name of the database (a password that is being changed, a database that
#: is being restored; `open` is stricter), transaction rollback (deadlock), lack of
#: resources (disk full, too many connections), object not in prerequisite state
#: (locks), operator intervention (shutdown, starting up, cancelled), system errors
#: (input and output).
_PASSING = frozenset({"08", "28", "3D", "40", "53", "55", "57", "58"})

#: Read-only after a failover to a standby, time limits inside transactions, and a
#: prepared statement that is gone or outdated, which a new connection prepares anew.
_PASSING_STATES = frozenset({"25006", "25P03", "25P04", "26000", "0A000"})

#: Data exceptions (asyncpg's own, for arguments that it cannot encode, among them),
#: integrity constraints, limits such as a value over 1 GB.
_REFUSED = frozenset({"22", "23", "54"})

#: What to catch around a call of asyncpg.
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    EOFError,
    UnicodeError,
    OverflowError,
)


class Course:
    """What happens to the present task from here on. A connection that is closed or rolled
    back because its task is cancelled may fail at that, and the task is cancelled all the
    same. A time limit is a cancellation too, but one that is taken back: it has failed."""

    __slots__ = ("_asked", "_outer", "_task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._asked = task.cancelling()
        #: Was being handled before, and is no part of it.
        self._outer = sys.exception()

    def cancellation(self, error: BaseException) -> asyncio.CancelledError | None:
        """The cancellation in whose course `error` was raised, if any."""
        if self._task.cancelling() <= self._asked:
            return None
        behind = error.__context__
        while behind is not None and behind is not self._outer:
            if isinstance(behind, asyncio.CancelledError):
                return behind
            behind = behind.__context__
        return None


def translate(error: BaseException) -> StoreError:
    """The store's own error for one of `FAILURES`."""
    match error:
        case asyncpg.PostgresError():
            return _from_server(error)
        case UnicodeError() | OverflowError():
            return RefusedData(f"a value cannot be sent to the database: {error}")
        case _:
            return StoreUnavailable(_sentence("the connection to the database was lost", error))


def _from_server(error: asyncpg.PostgresError) -> StoreError:
    state = error.sqlstate or ""
    if state[:2] in _PASSING or state in _PASSING_STATES:
        return StoreUnavailable(_sentence("the database is unavailable", error))
    if state[:2] in _REFUSED:
        return RefusedData(_sentence("the database refused a value", error))
    return StoreError(_sentence("the database refused a statement", error))


def _sentence(fact: str, error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return f"{fact}: {text}"
