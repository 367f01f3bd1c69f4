"""Decimals of a run do not depend on the host's context, nor does that on a run."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_UP, Decimal
from uuid import UUID

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle.host import compiled_outcome, plain_outcome, program_of
from waymark.engine.outcomes import StartAction
from waymark.engine.session import Session
from waymark.errors import ValueDecodeError

HEAD = """
import asyncio, decimal
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from waymark import Workflow, action, pure, workflow

THIRD = Decimal(1) / Decimal(3)

@dataclass
class Price:
    amount: Decimal

@action
async def price(text: str) -> Any:
    return Decimal(text)

@action
async def precision() -> int:
    return decimal.getcontext().prec

@pure
def spoil() -> int:
    decimal.getcontext().prec = 3
    return 3

"""


@contextmanager
def strange_host() -> Iterator[None]:
    """A host that rounds otherwise and lets errors pass."""
    with decimal.localcontext() as context:
        context.prec, context.rounding = 5, ROUND_UP
        context.traps[decimal.DivisionByZero] = False
        yield


PROGRAMS = {
    "a decimal is made": "return Decimal(2) / 3, decimal.Decimal(1) / 7",
    "a decimal comes from an action": "return await price('2') / 3",
    "a decimal is a constant": "return THIRD * 2, +THIRD",
    "a decimal is in a model": "return Price(Decimal('2')).amount / 3",
    "after an await": "x = Decimal(2)\nawait precision()\nreturn x / 3, round(x / 3, 9)",
    "in a gather": "return await asyncio.gather(self.third(1), self.third(2))",
    "in __init__": "return self.half",
    "errors are errors": "try:\n    return Decimal(1) / 0\nexcept decimal.DivisionByZero:\n"
    "    return 'caught'",
}
METHODS = """
    def __init__(self) -> None:
        self.half = Decimal(1) / 7

    async def third(self, n: int) -> Any:
        await precision()
        return Decimal(n) / 3
"""


def workflow(text: str) -> str:
    lines = "\n".join("        " + line for line in text.split("\n"))
    return f"@workflow\nclass W(Workflow):\n{METHODS}\n    async def run(self) -> Any:\n{lines}\n"


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_decimals_are_those_of_pythons_own_context(text: str) -> None:
    """What asyncio gives under the context that Python begins with, whatever the host's."""
    definition = definition_of(define(workflow(text), HEAD, name="arithmetic"))
    expected = plain_outcome(definition)
    program = program_of(definition)
    with strange_host():
        compiled, world = compiled_outcome(definition, program=program)
        assert compiled == expected
        for count in range(len(world.entries) + 1):
            assert compiled_outcome(definition, program=program, crash_after=count)[0] == expected


def test_the_hosts_own_context_is_left_alone() -> None:
    """Actions see it, and it is as it was after each step, also after one that failed."""
    definition = definition_of(
        define(
            workflow(
                "y = Decimal(2) / 3\np = await precision()\nspoil()\nreturn p, Decimal(2) / 3"
            ),
            HEAD,
            name="arithmetic",
        )
    )
    program = program_of(definition)
    with strange_host():
        host = decimal.getcontext()
        session = Session(program, UUID(int=7))
        (start,) = session.begin(b"{}", 1_000).commands
        assert isinstance(start, StartAction)
        assert decimal.getcontext() is host
        outcome, _ = compiled_outcome(definition, program=program)
        assert outcome.value[1] == ("int", 5)
        assert decimal.getcontext() is host
        assert host.prec == 5
        with pytest.raises(ValueDecodeError):
            Session(program, UUID(int=7)).begin(b'{"unknown":1}', 1_000)
        assert decimal.getcontext() is host
    assert Decimal(2) / 3 == Decimal("0.6666666666666666666666666667")
