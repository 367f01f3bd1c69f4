"""A run that lives in snapshots does what any run does.

After each input all memory becomes bytes and these become the memory, over another program
of the same graph (`snapshotted`). Outcome, order of calls, journal and digests are those of
an undisturbed run, and what is read is written as the same bytes again.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle import generator, generator_objects, programs, snapshotted
from tests.oracle.cases import Case
from tests.oracle.corpus import CASES
from tests.oracle.host import (
    ENGINES,
    RUN_ID,
    Outcome,
    check,
    compiled_outcome,
    plain_outcome,
    program_of,
)
from tests.oracle.snapshotted import Keeping, Snapshotted, twin
from tests.oracle.test_corners import HEAD, HONOURED, module_of
from tests.oracle.test_corpus import CASES as PROGRAMS
from tests.oracle.test_straight import comparable
from waymark.authoring.workflow import WorkflowDefinition
from waymark.engine.outcomes import Advance, Finish, StartAction
from waymark.engine.session import Session
from waymark.errors import RecoveryMismatch

#: Of the states of all programs that read like real work, so many become bytes. From Python
#: 3.14 on iterators of itertools do not, from 3.15 on generator expressions over a list neither
#: (decision 0011).
SHARE = 0.99 if sys.version_info < (3, 14) else 0.94


@pytest.fixture(autouse=True)
def states(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """The engine, and what it counts during one test."""
    monkeypatch.setitem(ENGINES, "snapshotted", Snapshotted)
    monkeypatch.setitem(ENGINES, "keeping", Keeping)
    counted: Counter[str] = Counter()
    monkeypatch.setattr(snapshotted, "TAKEN", counted)
    yield counted
    snapshotted.forget()


def compare(definition: WorkflowDefinition, *args: Any) -> None:
    program = program_of(definition)
    plain, whole = compiled_outcome(definition, *args, program=program)
    same, swapped = compiled_outcome(definition, *args, program=program, engine="snapshotted")
    assert same == plain
    for one, other in zip(whole.hosts, swapped.hosts, strict=True):
        assert comparable(one.entries) == comparable(other.entries)
        assert isinstance(one.finish, Finish)
        assert isinstance(other.finish, Finish)
        assert one.finish.digest == other.finish.digest


def test_nearly_every_state_of_real_work_can_be_written(states: Counter[str]) -> None:
    for case in CASES:
        compare(case.program.__waymark__, *case.arguments)
    taken, all_states = states["taken"], states.total()
    print(f"{taken} of {all_states} states: {dict(states)}")
    assert taken >= SHARE * all_states


@pytest.mark.parametrize(("cls", "args"), PROGRAMS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_programs_live_in_snapshots(cls: Any, args: tuple[Any, ...]) -> None:
    compare(cls.__waymark__, *args)


@pytest.mark.parametrize("case", CASES[::10], ids=str)
def test_work_crashes_after_each_entry(case: Case) -> None:
    """With a crash after each entry, too, and the journal fed to what is in snapshots."""
    definition = case.program.__waymark__
    check(definition, *case.arguments, keep_attempts=case.races, engine="snapshotted")


@pytest.mark.parametrize(("name", "text"), HONOURED, ids=[name for name, _ in HONOURED])
def test_corners_live_in_snapshots(name: str, text: str) -> None:
    text, _, newest = text.partition("\n===\n")
    definition = definition_of(define(module_of(text), HEAD, name="corner"))
    expected = Outcome(*ast.literal_eval(newest)) if newest else plain_outcome(definition)
    outcome, world = compiled_outcome(definition, engine="snapshotted")
    if len(world.hosts) > 1:
        outcome.calls.sort(key=repr)
        expected.calls.sort(key=repr)
    assert outcome == expected


@pytest.mark.parametrize("kind", [generator, generator_objects], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("first", range(0, 150, 15))
def test_generated_workflows_live_in_snapshots(kind: Any, first: int) -> None:
    for seed in range(first, first + 15):
        text = kind.program(seed)
        definition = definition_of(define(text, head="", name="generated"))
        try:
            compare(definition, [])
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}\n{text}") from error


# Recovery from one


@pytest.mark.parametrize("case", CASES[5::40], ids=str)
def test_recovery_from_any_snapshot_arrives_where_the_journal_does(case: Case) -> None:
    """A snapshot at any entry and the entries after it give what the whole journal
    gives: the same state, the same commands, the same digest at the claim."""
    program = program_of(case.program.__waymark__)
    definition = case.program.__waymark__
    _, world = compiled_outcome(definition, *case.arguments, program=program, engine="keeping")
    host, session = world.main, world.main.session
    assert isinstance(session, Keeping)
    for length in range(len(host.entries) + 1):
        whole = Session(program, RUN_ID)
        try:
            expected = whole.recover(host.input, host.began_ns, host.entries[:length], 10**18)
        except RecoveryMismatch:
            continue  # In the middle of what one input led to.
        for seq, data in session.kept.items():
            if seq <= length:
                short = Session(twin(program), RUN_ID)
                later = host.entries[seq:length]
                found = short.recover(host.input, host.began_ns, later, 10**18, data)
                assert told(found) == told(expected)
                assert whole.finished or short.snapshot() == whole.snapshot()


def told(advance: Advance) -> list[Any]:
    """Entries and commands, without what spares an attempt some decoding."""
    commands = [
        one._replace(plain=None, bound_to=None) if isinstance(one, StartAction) else one
        for one in advance.commands
    ]
    return [*advance.entries, *commands]


OTHER_PROCESS = """
import json, sys
from tests.oracle import programs
from tests.oracle.host import RUN_ID, program_of
from waymark.engine.session import Session
from waymark.errors import RecoveryMismatch
name, data = json.load(sys.stdin)
session = Session(program_of(getattr(programs, name).__waymark__), RUN_ID)
session.adopt(data.encode())
print(session.snapshot().decode())
"""


@pytest.mark.parametrize("name", ["HeldCalls", "NestedGather", "Pagination", "Aliasing", "Helpers"])
def test_another_process_reads_what_this_one_wrote(name: str) -> None:
    """Also under another hash seed."""
    args = next(args for cls, args in PROGRAMS if cls.__name__ == name)
    definition = getattr(programs, name).__waymark__
    session = Session(program_of(definition), RUN_ID)
    session.begin(definition.arguments.pack(args, {}), 10**9)
    data = session.snapshot().decode()
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS],
        input=json.dumps([name, data]),
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == data
