"""Constants are the same for every run, also after a recovery, whatever bodies try."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from tests.runtime.serving import result, run, serving, submit, until
from waymark import FrozenConstantError, ImpureCallError, Workflow, action, workflow
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store

pytestmark = pytest.mark.anyio


@dataclass
class Limits:
    tries: int = 3
    names: list[str] = field(default_factory=lambda: ["a"])

    def raise_them(self) -> None:
        self.tries += 1


class Model(BaseModel):
    limits: Limits = Limits()
    names: list[str] = ["m"]


LIMITS = Limits()
MODEL = Model()
TABLE = {"one": Limits(), "two": MODEL}

#: Until it is set, `hold` waits.
gates: list[asyncio.Event] = []


@action
async def echo(value: Any) -> Any:
    return value


@action
async def hold(number: int) -> int:
    if number == 30:
        await gates[-1].wait()
    return number


@workflow
class Field(Workflow):
    async def run(self) -> None:
        limits = LIMITS
        limits.tries += 1
        await echo(limits.tries)


@workflow
class Nested(Workflow):
    async def run(self) -> None:
        MODEL.limits.names.append("b")
        await echo(1)


@workflow
class InTable(Workflow):
    async def run(self) -> None:
        model: Any = TABLE["two"]
        setattr(model, "names", [])  # noqa: B010  # a door of its own
        await echo(1)


@workflow
class Default(Workflow):
    async def run(self, limits: Limits = Limits(tries=5)) -> None:  # its point
        del limits.names
        await echo(1)


@workflow
class OfTheClass(Workflow):
    OWN = Limits(tries=7)

    async def run(self) -> None:
        for self.OWN.tries in range(3):
            await echo(1)


@workflow
class ByMethod(Workflow):
    async def run(self) -> None:
        LIMITS.raise_them()
        await echo(1)


@workflow
class Copies(Workflow):
    """What the message advises."""

    async def run(self) -> list[Any]:
        limits, model, table = copy.deepcopy(LIMITS), copy.deepcopy(MODEL), copy.deepcopy(TABLE)
        limits.tries += 1
        limits.names.append("x")
        model.limits.tries += 1
        model.names.append("y")
        table["one"] = limits
        table["three"] = model
        return [await echo(limits), await echo(model), len(table), LIMITS, MODEL]


@workflow
class Long(Workflow):
    async def run(self) -> list[Any]:
        limits, names, inner = LIMITS, MODEL.names, MODEL.limits.names
        for number in range(35):
            await hold(number)
        return [limits is LIMITS, names is MODEL.names, inner is MODEL.limits.names, limits, names]


@pytest.mark.parametrize("changing", [Field, Nested, InTable, Default, OfTheClass])
async def test_what_an_object_holds_cannot_be_changed(changing: type) -> None:
    """Twice, since what a first run changed a second would see."""
    async with serving(MemoryStore()) as runtime:
        for _ in range(2):
            with pytest.raises(FrozenConstantError, match=r"copy\.deepcopy\(\w+\)"):
                await run(runtime, changing)


async def test_a_method_that_changes_its_object_is_refused(
    new_store: Callable[[], Store],
) -> None:
    async with serving(new_store()) as runtime:
        with pytest.raises(ImpureCallError, match="changed its arguments"):
            await run(runtime, ByMethod)


async def test_a_copy_is_the_run_s_own() -> None:
    async with serving(MemoryStore()) as runtime:
        for _ in range(2):
            limits, model, length, *constants = await run(runtime, Copies)
            assert limits == Limits(tries=4, names=["a", "x"])
            assert model == Model(limits=Limits(tries=4), names=["m", "y"])
            assert length == 3
            assert constants == [Limits(), Model()]


async def test_a_snapshot_refers_to_what_constants_hold() -> None:
    """The lists within them are the program's, and no state of the run."""
    gates.append(asyncio.Event())
    database = MemoryDatabase()
    settings: dict[str, Any] = {"snapshot_entries": 10, "poll_seconds": 0.02}
    async with serving(MemoryStore(database), drain_seconds=0.0, **settings) as runtime:
        run_id = await submit(runtime, Long)
        await until(lambda: len(database.journal.get(run_id, ())) == 30)
    assert database.snapshots[run_id]
    gates[-1].set()
    async with serving(MemoryStore(database), **settings) as runtime:
        found = await result(runtime, run_id, Long)
    assert found == [True, True, True, Limits(), ["m"]]
