"""How a batch becomes columns, and how the server's answer is read."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.store.rows import batch, entry, owned_run, success
from waymark.errors import WaymarkBug
from waymark.store.postgres.columns import to_columns
from waymark.store.records import EntryKind, RunState


def test_a_run_is_named_once_however_many_entries_it_has() -> None:
    """A fan-out costs one check, also when runs alternate."""
    worker, wide, other = uuid4(), uuid4(), uuid4()
    entries = [entry(run, seq) for seq in range(1, 4) for run in (wide, other)]
    columns = to_columns(batch(worker, entries=entries))
    assert columns.named == [wide, other]
    assert columns.places == [1, 2, 1, 2, 1, 2]


def test_places_count_new_settled_then_others() -> None:
    """Entries point into one list of the batch's runs."""
    worker = uuid4()
    new, settled, other = owned_run(worker), uuid4(), uuid4()
    rows = [entry(other, 1), entry(settled, 1), entry(new.id, 1)]
    columns = to_columns(batch(worker, runs=[new], entries=rows, ends=[success(settled)]))
    assert columns.named == [new.id, settled, other]
    assert columns.places == [3, 2, 1]


def test_members_of_enumerations_travel_as_numbers() -> None:
    """States and kinds may be given by name; what is sent are digits."""
    worker = uuid4()
    run = owned_run(worker)._replace(state=RunState.RUNNING)
    rows = [entry(run.id, seq)._replace(kind=kind) for seq, kind in enumerate(EntryKind, 1)]
    columns = to_columns(batch(worker, runs=[run], entries=rows))
    texts = [argument for argument in columns.arguments if isinstance(argument, str)]
    assert "{1,2,3,4,5,6,7,8,9}" in texts
    assert not any("RunState" in text or "EntryKind" in text for text in texts)


def test_what_is_not_a_number_is_never_sent_as_one() -> None:
    """Integers go as text, so nothing but an integer may become part of it."""
    with pytest.raises(TypeError):
        to_columns(batch(uuid4(), entries=[entry(uuid4(), 1)._replace(effect="1}',evil")]))


def test_the_answer_names_who_was_left_out() -> None:
    """None means all were ours; otherwise each run of the batch has its flag."""
    worker, mine, theirs = uuid4(), uuid4(), uuid4()
    columns = to_columns(batch(worker, entries=[entry(mine, 1), entry(theirs, 1)]))
    assert columns.refused(2, None) == frozenset()
    assert columns.refused(1, [True, False]) == {theirs}


@pytest.mark.parametrize(("written", "ours"), [(1, None), (3, None), (2, [True, False])])
def test_a_wrong_count_is_our_bug(written: int, ours: list[bool] | None) -> None:
    """The server must have written exactly what it said it would."""
    columns = to_columns(batch(uuid4(), entries=[entry(uuid4(), 1), entry(uuid4(), 1)]))
    with pytest.raises(WaymarkBug, match="journal entries"):
        columns.refused(written, ours)
