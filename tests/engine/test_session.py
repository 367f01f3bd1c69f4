"""One run between its host and its journal."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.oracle.host import program_of
from tests.oracle.programs import Pagination
from waymark.authoring.workflow import definition_of
from waymark.engine.outcomes import Finish, Recorded, StartAction
from waymark.engine.session import Session
from waymark.errors import RecoveryMismatch, ValueDecodeError

RUN_ID = UUID(int=7)
LAST_PAGE = b'{"items": [1], "next": null}'


def begun() -> tuple[Session, StartAction]:
    session = Session(program_of(definition_of(Pagination)), RUN_ID)
    (command,) = session.begin(b"{}", 1_000).commands
    assert isinstance(command, StartAction)
    return session, command


def test_an_unreadable_outcome_changes_nothing() -> None:
    """The same effect can still be settled, and has one recorded outcome."""
    session, command = begun()
    with pytest.raises(ValueDecodeError):
        session.settle(command.effect, True, b"not JSON", 2_000)
    assert session.seq == 0
    entries, commands = session.settle(command.effect, True, LAST_PAGE, 3_000)
    assert [(entry.seq, entry.effect) for entry in entries] == [(1, command.effect)]
    assert isinstance(commands[0], Finish)


def test_a_second_outcome_is_not_recorded() -> None:
    """Recorded once: late and repeated outcomes make no entry and no command."""
    session, command = begun()
    session.settle(command.effect, True, b'{"items": [], "next": 1}', 2_000)
    assert session.settle(command.effect, True, LAST_PAGE, 3_000) == ((), ())
    assert session.seq == 1


def entry(command: StartAction, **changes: int) -> Recorded:
    recorded = Recorded(1, 1, command.effect, command.node, command.digest, 2_000, LAST_PAGE)
    return recorded._replace(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"seq": 2}, {"effect": 5}, {"node": 99}, {"digest": 1}, {"kind": 4}, {"kind": 5}],
    ids=str,
)
def test_a_journal_that_does_not_fit_is_refused(changes: dict[str, int]) -> None:
    """Another node, other arguments, a gap: never continued on a guess."""
    _, command = begun()
    session = Session(program_of(definition_of(Pagination)), RUN_ID)
    with pytest.raises(RecoveryMismatch):
        session.recover(b"{}", 1_000, [entry(command, **changes)], 4_000)


def test_a_journal_that_fits_is_gone_on_with() -> None:
    """The counterpart of the test above, with nothing changed."""
    _, command = begun()
    session = Session(program_of(definition_of(Pagination)), RUN_ID)
    advance = session.recover(b"{}", 1_000, [entry(command)], 4_000)
    assert session.finished
    assert [made.kind for made in advance.entries] == [6]
