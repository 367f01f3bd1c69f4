"""One run between its host and its journal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest

from tests.oracle.host import program_of
from tests.oracle.programs import Pagination
from tests.runtime.families import Holding
from tests.runtime.workflows import double
from waymark.authoring import Workflow, action, workflow
from waymark.authoring.workflow import definition_of
from waymark.engine.effects import signed_crc
from waymark.engine.outcomes import CancelChild, Finish, Recorded, StartAction, StartChild
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


@dataclass
class Invoice:
    """`currency` came with a deploy."""

    number: int
    currency: str = "EUR"


@action
async def issue(number: int) -> Invoice:
    return Invoice(number)


@action
async def charge(invoices: list[Invoice]) -> str:
    return f"charged {invoices[0].number} {invoices[0].currency}"


@workflow
class Charging(Workflow):
    async def run(self) -> str:
        return await charge([await issue(7)])


def test_a_class_may_get_a_field_while_runs_are_in_flight() -> None:
    """Its instances are written otherwise than they were, and the run goes on; a call at
    another node is no call of it."""
    program = program_of(definition_of(Charging))
    session = Session(program, RUN_ID)
    (command,) = session.begin(b"{}", 1_000).commands
    assert isinstance(command, StartAction)
    issued = Recorded(1, 1, command.effect, command.node, command.digest, 2_000, b'{"number":7}')
    (command,) = session.settle(command.effect, True, issued.payload, 2_000).commands
    assert isinstance(command, StartAction)
    before = signed_crc(b'{"invoices":[{"number":7}]}')
    assert before != command.digest
    charged = Recorded(2, 1, command.effect, command.node, before, 3_000, b'"charged"')
    heir = Session(program, RUN_ID)
    heir.recover(b"{}", 1_000, [issued, charged], 4_000)
    assert heir.finished
    with pytest.raises(RecoveryMismatch, match="arguments other than"):
        Session(program, RUN_ID).recover(b"{}", 1_000, [issued, charged._replace(node=99)], 4_000)


@workflow
class Insisting(Workflow):
    """Asks its child twice to cancel itself."""

    async def run(self) -> str:
        child = asyncio.create_task(Holding().run("a"))
        await double(1)
        child.cancel()
        await double(2)
        child.cancel()
        try:
            return await child
        except asyncio.CancelledError:
            return "cancelled"


def test_a_snapshot_knows_how_often_a_child_was_asked_to_cancel_itself() -> None:
    """Each request has its number; the child hears one that it has heard no second time."""
    session, restored = (Session(program_of(definition_of(Insisting)), RUN_ID) for _ in range(2))
    session.begin(b"{}", 1_000)
    (first,) = [each for each in session.outstanding() if isinstance(each, StartAction)]
    session.settle(first.effect, True, b"2", 2_000)
    (child,) = [each for each in session.outstanding() if isinstance(each, StartChild)]
    restored.adopt(session.snapshot())
    assert CancelChild(child.effect, 1) in restored.outstanding()
    (second,) = [each for each in restored.outstanding() if isinstance(each, StartAction)]
    _, commands = restored.settle(second.effect, True, b"4", 3_000)
    assert [each for each in commands if isinstance(each, CancelChild)] == [
        CancelChild(child.effect, 2)
    ]
