"""A run that needs no machine leaves the same journal as one that has it from the start.

Entries, commands at recovery and digests of both are equal, and each recovers what the
other has recorded.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.cases import Case
from tests.oracle.corpus import CASES
from tests.oracle.host import ENGINES, RUN_ID, compiled_outcome, program_of
from tests.oracle.test_corpus import CASES as PROGRAMS
from waymark.authoring.workflow import WorkflowDefinition
from waymark.engine.outcomes import Entry, Finish
from waymark.engine.session import Session
from waymark.engine.straight import Straight, advance
from waymark.store.records import EntryKind


class Machined(Session):
    """Has its machine from the first step."""


def advance_or_not(straight: Straight, session: Session, feeding: bool) -> int:
    if isinstance(session, Machined):
        return session.evaluator.machine.poll()
    return advance(straight, session, feeding)


@pytest.fixture(autouse=True)
def _machined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "machined", Machined)
    monkeypatch.setattr("waymark.engine.session.advance", advance_or_not)


def comparable(entries: list[Entry]) -> list[Any]:
    """Without what differs each time where something is drawn."""
    if any(entry.kind == EntryKind.TAPE for entry in entries):
        return [entry._replace(payload=b"", digest=0) for entry in entries]
    return list(entries)


def commands(kind: type[Session], host: Any, entries: list[Entry]) -> list[Any]:
    """What a session does after it was fed the first entries of a host's journal."""
    session = kind(host.program, RUN_ID)
    advance = session.recover(host.input, host.began_ns, entries, 10**18)
    return [*advance.entries, *advance.commands]


def compare(definition: WorkflowDefinition, *args: Any) -> None:
    program = program_of(definition)
    plain, straight = compiled_outcome(definition, *args, program=program)
    same, machined = compiled_outcome(definition, *args, program=program, engine="machined")
    assert plain == same
    assert len(straight.hosts) == len(machined.hosts)
    for one, other in zip(straight.hosts, machined.hosts, strict=True):
        assert comparable(one.entries) == comparable(other.entries)
        assert isinstance(one.finish, Finish)
        assert isinstance(other.finish, Finish)
        assert one.finish.digest == other.finish.digest
        for length in range(len(one.entries)):
            entries = one.entries[:length]
            if length and one.entries[length].kind in (EntryKind.TAPE, EntryKind.CANCELLED):
                continue  # Part of the same flush as the entry before.
            found = commands(Session, one, entries), commands(Machined, one, entries)
            if not any(entry.kind == EntryKind.TAPE for entry in one.entries):
                assert found[0] == found[1]


@pytest.mark.parametrize("case", CASES[::4], ids=str)
def test_work_leaves_the_same_journal(case: Case) -> None:
    compare(case.program.__waymark__, *case.arguments)


@pytest.mark.parametrize(("cls", "args"), PROGRAMS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_corners_leave_the_same_journal(cls: Any, args: tuple[Any, ...]) -> None:
    compare(cls.__waymark__, *args)


def test_one_action_needs_no_machine() -> None:
    from tests.oracle.programs import Pagination

    _, world = compiled_outcome(Pagination.__waymark__)
    session = world.main.session
    assert session is not None
    assert session._evaluator is None
