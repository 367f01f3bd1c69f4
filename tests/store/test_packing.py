"""The forms of the packer: one specification, the same bytes, and who chooses.

The Rust form takes part where it is installed, as in `nox -s accel`, which insists on it.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from tests.store.rows import batch, entry, live_worker, owned_run, success
from tests.vectors import PATH, integer_columns, integer_vectors
from waymark.errors import SettingsError, WaymarkBug
from waymark.store.open import open_store
from waymark.store.packing import (
    CROSSING_MIN,
    PYTHON,
    VARIABLE,
    Packer,
    chosen_packer,
    python_texts,
    rust_packer,
)
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.columns import to_columns

INSTALLED = chosen_packer({})
PACKERS = [PYTHON] if INSTALLED is PYTHON else [PYTHON, INSTALLED]
both = pytest.mark.parametrize("packer", PACKERS, ids=[packer.name for packer in PACKERS])


class Colour(IntEnum):
    RED = 12


def test_who_insists_on_rust_has_it() -> None:
    """So that a run of the tests that is meant to compare both does."""
    if os.environ.get(VARIABLE) == "rust":
        assert [packer.name for packer in PACKERS] == ["python", "rust"]


def test_the_vectors_are_what_the_python_form_gives() -> None:
    """`python -m tests.vectors` writes them anew."""
    assert PATH.read_text(encoding="ascii") == integer_vectors()


@both
def test_the_vectors_hold(packer: Packer) -> None:
    """Alone, and all in one batch; a batch that is small does not cross."""
    columns = integer_columns()
    texts = [line.partition("\t")[2] for line in integer_vectors().splitlines()]
    assert packer.texts(columns) == texts
    assert [packer.texts([column])[0] for column in columns] == texts


@both
def test_a_batch_of_nothing_has_no_texts(packer: Packer) -> None:
    """Neither no columns, nor columns without rows."""
    assert packer.texts([]) == []
    assert packer.texts([(), [], ()]) == ["{}", "{}", "{}"]


@both
def test_members_of_enumerations_are_numbers(packer: Packer) -> None:
    """Rows may hold them, and bools too."""
    columns: list[list[int]] = [[Colour.RED] * 200, [True, False] * 100, [*range(200)]]
    assert packer.texts(columns)[0] == f"{{{','.join(['12'] * 200)}}}"
    assert packer.texts(columns)[1] == f"{{{','.join(['1', '0'] * 100)}}}"


@both
@pytest.mark.parametrize("odd", ["1}',evil", 1.0, None, b"1"])
def test_what_is_no_integer_is_refused(packer: Packer, odd: Any) -> None:
    """Nothing but digits may become part of a text."""
    with pytest.raises(TypeError):
        packer.texts([[*range(300), odd]])


@both
def test_what_no_column_has_room_for_is_passed_on(packer: Packer) -> None:
    """PostgreSQL says which value it refuses."""
    assert packer.texts([[*range(200), 2**63]])[0].endswith(",9223372036854775808}")


@both
def test_random_batches_have_the_same_texts(packer: Packer) -> None:
    """Lengths around the size from which a batch crosses, and far beyond it."""
    chance = random.Random(5)
    for _ in range(300):
        columns: list[Sequence[int]] = [
            [chance.randrange(-(2**63), 2**63) >> chance.randrange(64) for _ in range(length)]
            for length in (chance.randrange(CROSSING_MIN) for _ in range(chance.randrange(20)))
        ]
        assert packer.texts(columns) == python_texts(columns)
    wide = [range(-50_000, 50_000), [7] * 100_000]
    assert packer.texts(wide) == python_texts(wide)


@both
def test_batches_are_laid_out_alike(packer: Packer) -> None:
    """Every argument of `flush`, with new runs, entries and ends."""
    worker = uuid4()
    runs = [owned_run(worker) for _ in range(40)]
    entries = [entry(run.id, seq) for run in runs for seq in range(1, 4)]
    whole = batch(worker, runs=runs, entries=entries, ends=[success(run.id) for run in runs[:20]])
    assert to_columns(whole, packer.texts) == to_columns(whole)


@pytest.mark.anyio
@pytest.mark.parametrize("heir", PACKERS, ids=[packer.name for packer in PACKERS])
@both
async def test_what_one_form_wrote_the_other_goes_on_with(
    database_url: str, schema: str, packer: Packer, heir: Packer
) -> None:
    """A process with the accelerator and one without share the runs."""
    first = PostgresStore(database_url, schema=schema, packer=packer)
    second = PostgresStore(database_url, schema=schema, packer=heir)
    try:
        await first.open()
        await second.open()
        worker, other = await live_worker(first), await live_worker(second)
        runs = [owned_run(worker) for _ in range(60)]
        assert not await first.flush(0, batch(worker, runs=runs))
        entries = [entry(run.id, 1) for run in runs]
        assert not await first.flush(0, batch(worker, entries=entries))
        await first.remove_worker(worker)
        claimed = await second.claim(other, [runs[0].graph], ["default"], 100)
        assert len(claimed) == 60
        found = await second.read_journal([run.id for run in runs])
        assert found == {row.run_id: [row] for row in entries}
        ends = [success(run.id, epoch=run.epoch) for run in claimed]
        again = [entry(run.id, 2, epoch=run.epoch) for run in claimed]
        assert not await second.flush(0, batch(other, entries=again, ends=ends))
    finally:
        await first.close()
        await second.close()


# Who chooses


def test_python_is_used_where_it_is_asked_for() -> None:
    """Also where the other is installed."""
    assert chosen_packer({VARIABLE: "python"}) is PYTHON


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the store."""
    monkeypatch.setenv(VARIABLE, "rusty")
    with pytest.raises(SettingsError, match=r"must be python or rust, not 'rusty'; leave it out"):
        open_store("memory://")


def test_rust_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to do; without anybody insisting the Python form is used."""
    monkeypatch.setitem(sys.modules, "waymark_accel", None)
    with pytest.raises(SettingsError, match=r"cannot be imported .* install waymark\[accel\]"):
        chosen_packer({VARIABLE: "rust"})
    assert chosen_packer({}) is PYTHON


def test_rust_that_cannot_be_loaded_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wheel for another system must not stop a process that never asked for it."""
    (tmp_path / "waymark_accel.py").write_text("raise OSError('wrong ELF class')")
    monkeypatch.delitem(sys.modules, "waymark_accel", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=r"cannot be imported \(wrong ELF class\)"):
        chosen_packer({VARIABLE: "rust"})
    assert chosen_packer({}) is PYTHON


def library(version: int) -> SimpleNamespace:
    lib = SimpleNamespace(waymark_abi=lambda: version, waymark_texts=lambda *_: 3)
    return SimpleNamespace(lib=lib, ffi=SimpleNamespace(from_buffer=lambda _, buffer: buffer))


@pytest.mark.parametrize(
    ("module", "what"),
    [(library(2), "has interface 2"), (SimpleNamespace(), "a package without its library")],
)
def test_a_library_that_does_not_fit_is_left_aside(
    monkeypatch: pytest.MonkeyPatch, module: SimpleNamespace, what: str
) -> None:
    """An older or newer one may expect other buffers; nobody has to have one."""
    monkeypatch.setitem(sys.modules, "waymark_accel", module)
    with pytest.raises(SettingsError, match=f"{what}.*: install the two in versions of one"):
        chosen_packer({VARIABLE: "rust"})
    assert chosen_packer({}) is PYTHON


def test_a_refusal_of_the_library_is_a_bug_of_ours() -> None:
    """Nothing of such a batch is sent."""
    module = library(1)
    with pytest.raises(WaymarkBug, match="refused a batch of 200 integers: code 3"):
        rust_packer(module.ffi, module.lib).texts([range(200)])
