"""Programs that read like real work: calls with retries and timeouts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark import RetryPolicy
from waymark.authoring import Workflow, action, workflow

PATIENT = RetryPolicy(attempts=4, backoff_seconds=1.0)


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


@inputs(("good", 2), ("empty", 2))
@workflow
class PrintPages(Workflow):
    async def run(self, printer: str, pages: int) -> Any:
        printed = []
        try:
            for page in range(pages):
                printed.append(
                    await self.run_action(print_page(printer, page), retry=RetryPolicy(attempts=3))
                )
        except OutOfPaper as e:
            return f"{e.printer} after {len(printed)}"
        return printed


@inputs(("good",), ("empty",))
@workflow
class PatientPrinter(Workflow):
    async def run(self, printer: str) -> str:
        return await self.run_action(
            print_page(printer, 1), retry=PATIENT, timeout=timedelta(seconds=30)
        )


@inputs((["good", "empty", "fine"],))
@workflow
class PrintEverywhere(Workflow):
    async def run(self, printers: list[str]) -> list[str]:
        policy = RetryPolicy(attempts=2, exception_types=[OutOfPaper], backoff_seconds=0.5)
        results = await asyncio.gather(
            *[self.run_action(print_page(p, 0), retry=policy) for p in printers],
            return_exceptions=True,
        )
        return [r if isinstance(r, str) else repr(r) for r in results]


@inputs(("shop",), ("very long shop name",))
@workflow
class SlowSales(Workflow):
    async def run(self, shop: str) -> Any:
        try:
            return await self.run_action(sales(shop), timeout=2)
        except TimeoutError:
            await tell("ops", f"{shop} is slow")
            return None
