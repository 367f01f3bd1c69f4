"""The engine alone: graph, input and outcomes in, commands out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from benches.workloads import Chain, FanOut, OneAction
from waymark import Workflow
from waymark.authoring.registry import registry
from waymark.engine.outcomes import Entry, Finish, StartAction
from waymark.engine.program import Program
from waymark.engine.session import Session
from waymark.runtime.programs import Programs
from waymark.store.memory import MemoryStore

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

RUN_ID = UUID(int=7)
WIDTH = 1_000


async def program_of(workflow: type[Workflow]) -> Program:
    """A workflow of the benches, compiled and loaded."""
    registry.link()
    (definition,) = (known for known in registry.workflows() if known.cls is workflow)
    return await Programs(MemoryStore()).ensure(definition)


def run_through(session: Session, input: bytes) -> list[Entry]:
    """A whole run whose actions all return 7; the journal that it made."""
    entries, commands = session.begin(input, 1)
    journal = list(entries)
    waiting = list(commands)
    while waiting:
        match waiting.pop():
            case StartAction(effect):
                entries, commands = session.settle(effect, True, b"7", 1)
                journal += entries
                waiting += commands
            case Finish(ok):
                assert ok
    assert session.finished
    return journal


@pytest.mark.parametrize(
    ("workflow", "input"),
    [(OneAction, b'{"value":7}'), (Chain, b'{"value":7}'), (FanOut, b'{"width":%d}' % WIDTH)],
    ids=["one action", "chain of 5", "gather of 1,000"],
)
def test_a_run(benchmark: BenchmarkFixture, workflow: type[Any], input: bytes) -> None:
    program = asyncio.run(program_of(workflow))
    benchmark(lambda: run_through(Session(program, RUN_ID), input))


def test_recovery(benchmark: BenchmarkFixture) -> None:
    """A gather of 1,000 from its journal."""
    program = asyncio.run(program_of(FanOut))
    input = b'{"width":%d}' % WIDTH
    journal = run_through(Session(program, RUN_ID), input)

    def recover() -> Session:
        session = Session(program, RUN_ID)
        session.recover(input, 1, journal, 2)
        return session

    assert benchmark(recover).finished
