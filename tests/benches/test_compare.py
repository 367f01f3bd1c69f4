"""The comparison with other libraries: what is pinned, and that no lost work becomes a figure."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest

from benches.compare import shape
from benches.compare.environment import FOLDER, LIBRARIES, Library, Unavailable, python_for

ADAPTER_LINES_MAX = 120


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_every_version_is_pinned(library: Library) -> None:
    """Whoever repeats the table installs what it was measured with."""
    lines = library.requirements.read_text().splitlines()

    assert all("==" in line for line in lines if not line.startswith("#"))
    assert library.version


@pytest.mark.parametrize("path", sorted((FOLDER / "peers").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_an_adapter_is_small_and_says_how_it_runs(path: Path) -> None:
    """A maintainer of the library can check it in a minute."""
    text = path.read_text()
    names = {
        target.id
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    assert len(text.splitlines()) <= ADAPTER_LINES_MAX
    assert names >= {"SETTINGS", "CHAIN", "JOIN"}


@pytest.mark.asyncio
async def test_more_finished_than_submitted_is_wrong() -> None:
    async def finished() -> int:
        return 11

    with pytest.raises(shape.Wrong, match="11 units are finished, 10 were submitted"):
        await shape.settled(finished, 10)


@pytest.mark.asyncio
async def test_lost_work_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that never end fail the measurement; they do not shorten it."""
    monkeypatch.setattr(shape, "SECONDS_MAX", 0.05)

    async def finished() -> int:
        return 9

    with pytest.raises(shape.Wrong, match="never had 10 finished units"):
        await shape.settled(finished, 10)
    tally = shape.Tally()
    tally.add()
    with pytest.raises(shape.Wrong, match="1 actions ran of 2"):
        await tally.reach(2)


@pytest.mark.asyncio
async def test_a_worker_that_dies_is_told() -> None:
    async def worker() -> None:
        raise ValueError("no such table")

    async def use() -> None:
        async with shape.beside(worker()) as task:
            await asyncio.wait([task])

    with pytest.raises(ValueError, match="no such table"):
        await use()


def test_a_python_that_cannot_be_had_is_told() -> None:
    library = Library("dbos", "dbos", python=(4, 0))

    with pytest.raises(Unavailable, match=r"dbos needs Python 4.0; tried .*Name another"):
        python_for(library, None)
