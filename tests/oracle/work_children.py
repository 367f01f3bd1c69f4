"""Programs that read like real work: workflows of workflows, and calls with retries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow


class OutOfPaper(Exception):
    def __init__(self, printer: str) -> None:
        super().__init__(f"{printer} is out of paper")
        self.printer = printer


class Parcel(BaseModel):
    id: int
    weight: float = 1.0
    stops: list[str] = []


@dataclass
class Report:
    region: str
    total: int = 0


@action
async def ship(parcel: int, to: str) -> str:
    record("ship", parcel, to)
    await asyncio.sleep(0.3)
    if to == "atlantis":
        raise LookupError(to)
    return f"{parcel}->{to}"


@action
async def sales(shop: str) -> int:
    record("sales", shop)
    await asyncio.sleep(0.2 * len(shop))
    return len(shop) * 10


@action
async def print_page(printer: str, page: int) -> str:
    record("print_page", printer, page)
    await asyncio.sleep(0.1)
    if printer == "empty":
        raise OutOfPaper(printer)
    return f"{printer}:{page}"


@action
async def tell(who: str, what: str) -> None:
    record("tell", who, what)


@inputs((Parcel(id=1), "oslo"), (Parcel(id=2, weight=99), "oslo"), (Parcel(id=3), "atlantis"))
@workflow
class Deliver(Workflow):
    async def run(self, parcel: Parcel, to: str) -> Parcel:
        if parcel.weight > 30:
            raise ValueError(f"{parcel.id} is too heavy")
        for stop in ("hub", to):
            parcel.stops.append(await ship(parcel.id, stop))
        return parcel


@inputs(([1, 2], "oslo"), ([], "oslo"))
@workflow
class DeliverInTurn(Workflow):
    async def run(self, ids: list[int], to: str) -> list[list[str]]:
        stops = []
        for number in ids:
            delivered = await Deliver().run(Parcel(id=number), to)
            stops.append(delivered.stops)
        return stops


@inputs(([1, 2, 3], "oslo"), ([4], "atlantis"))
@workflow
class DeliverAll(Workflow):
    async def run(self, ids: list[int], to: str) -> Any:
        results = await asyncio.gather(
            *[Deliver().run(Parcel(id=i, weight=i * 12), to) for i in ids], return_exceptions=True
        )
        failed = [str(r) for r in results if isinstance(r, Exception)]
        if failed:
            await tell("boss", "; ".join(failed))
        return [r.stops if isinstance(r, Parcel) else type(r).__name__ for r in results]


@inputs(("atlantis",), ("rome",))
@workflow
class CatchFromChild(Workflow):
    async def run(self, to: str) -> str:
        try:
            parcel = await Deliver().run(Parcel(id=7), to)
        except LookupError as missing:
            await tell("customer", f"no such place: {missing.args[0]}")
            return "returned"
        else:
            return parcel.stops[-1]
        finally:
            await tell("log", to)


@inputs((["north", "south"],), ([],))
@workflow
class RegionReport(Workflow):
    async def run(self, shops: list[str]) -> Report:
        amounts = await asyncio.gather(*map(sales, shops))
        return Report("+".join(shops), sum(amounts))


@inputs(({"eu": ["de", "fr"], "us": ["ny"], "none": []},))
@workflow
class WorldReport(Workflow):
    async def run(self, regions: dict[str, list[str]]) -> Any:
        reports = await asyncio.gather(*(RegionReport().run(s) for s in regions.values()))
        by_region = {name: report.total for name, report in zip(regions, reports)}
        best = max(by_region.items(), key=lambda kv: kv[1])[0]
        await tell("board", f"best: {best}")
        return by_region


@inputs((4,), (0,))
@workflow
class Countdown(Workflow):
    """Runs itself."""

    async def run(self, n: int) -> list[int]:
        if n == 0:
            await tell("all", "lift off")
            return [0]
        return [n, *await Countdown().run(n - 1)]


@inputs(([3, [4, [5]], 6],), ([],))
@workflow
class SumTree(Workflow):
    async def run(self, tree: list[Any]) -> int:
        parts = await asyncio.gather(
            *(SumTree().run(t) if isinstance(t, list) else self.leaf(t) for t in tree)
        )
        return sum(parts)

    async def leaf(self, value):
        await tell("leaf", str(value))
        return value


@inputs(([1, 2, 3],), races=True)
@workflow
class ChildTasks(Workflow):
    async def run(self, ids: list[int]) -> list[str]:
        tasks = [asyncio.create_task(Deliver().run(Parcel(id=i), f"city{i}")) for i in ids]
        done = []
        for task in tasks:
            done.extend((await task).stops)
        return done


@inputs((0.2,), (5.0,), races=True)
@workflow
class ChildWithTimeout(Workflow):
    async def run(self, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                parcel = await Deliver().run(Parcel(id=9), "bonn")
        except TimeoutError:
            return "too slow"
        return parcel.stops[-1]
