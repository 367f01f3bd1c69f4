"""A workflow as people write them: long, and using a bit of everything."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, cast

from pydantic import BaseModel, Field

from tests.oracle.host import record
from waymark import Workflow, action, pure, workflow


class Status(StrEnum):
    OPEN = "open"
    DONE = "done"


class Line(BaseModel):
    sku: str
    amount: int = 1
    price: Decimal = Decimal("1.00")

    @property
    def total(self) -> Decimal:
        return self.price * self.amount


class Order(BaseModel):
    id: str
    lines: list[Line] = Field(default_factory=list)
    status: Status = Status.OPEN


class Point(NamedTuple):
    x: int
    y: int


class Opts(TypedDict, total=False):
    limit: int


class PaymentDeclined(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


RETRYABLE = (ConnectionError, TimeoutError)
SKU = re.compile(r"^[A-Z]{3}-\d+$")
TAX = {"eu": Decimal("0.21"), "us": Decimal("0.07")}
BATCH = 10
DAY = timedelta(days=1)


@action
async def charge(order_id: str, amount: Decimal) -> str:
    record("charge", order_id, amount)
    if order_id == "declined":
        raise PaymentDeclined(402, "no money")
    if order_id == "offline":
        raise ConnectionError("offline")
    return f"charge of {amount}"


@action
async def refund(charge_id: str | None) -> None:
    record("refund", charge_id)


@action
async def get_order(order_id: str) -> Order:
    record("get_order", order_id)
    lines = [Line(sku="ABC-1", amount=2), Line(sku="odd"), Line(sku="ABC-1", price=Decimal("0.5"))]
    return Order(id=order_id, lines=lines if order_id != "empty" else [])


@action
async def notify(to: str, *, subject: str = "x", **extra: Any) -> str:
    record("notify", to, subject, sorted(extra.items()))
    await asyncio.sleep(0.1)
    if to == "broken":
        raise LookupError(to)
    return to


@action
async def page(n: int) -> dict[str, Any]:
    record("page", n)
    return {"items": [n, n * 2] if n < 3 else []}


@pure
def slug(text: str) -> str:
    return text.lower()


@workflow
class Checkout(Workflow):
    """Charge an order."""

    attempts = 3

    async def run(
        self, order_id: str, region: Literal["eu", "us"] = "eu", tags: Sequence[str] = ()
    ) -> dict[str, Any]:
        order = await get_order(order_id)
        if not order.lines:
            raise ValueError(f"order {order_id} is empty")
        bad = [line.sku for line in order.lines if not SKU.match(line.sku)]
        if bad:
            await notify("ops", subject=f"{len(bad)} bad: {', '.join(bad)}")
        by_sku: defaultdict[str, list[Line]] = defaultdict(list)
        for line in order.lines:
            by_sku[line.sku].append(line)
        counts = Counter(line.sku for line in order.lines)
        total = sum((line.total for line in order.lines), Decimal(0))
        total = (total * (1 + TAX[region])).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
        charge_id: str | None = None
        for attempt in range(1, self.attempts + 1):
            try:
                charge_id = await charge(order.id, total)
                break
            except RETRYABLE:
                if attempt == self.attempts:
                    raise
                await asyncio.sleep(2**attempt)
            except PaymentDeclined as error:
                await notify("customer", subject=error.args[0], code=error.code)
                return {"status": Status.OPEN, "reason": str(error)}
        else:
            raise RuntimeError("unreachable")
        now = datetime.now(UTC)
        due = (now + 3 * DAY).replace(hour=9, minute=0, second=0, microsecond=0)
        updated = order.model_copy(update={"status": Status.DONE})
        best = max(counts.items(), key=lambda pair: pair[1], default=None)
        match order.lines:
            case [only]:
                label = only.sku
            case [first, *_]:
                label = f"{first.sku} and more"
            case _:
                label = ""
        try:
            await asyncio.gather(*(notify(tag, subject=slug(label)) for tag in tags))
        except Exception:
            await refund(charge_id)
            raise
        results = []
        for start in range(0, len(tags), BATCH):
            results += await asyncio.gather(
                *[notify(t) for t in tags[start : start + BATCH]], return_exceptions=True
            )
        errors = [r for r in results if isinstance(r, BaseException)]
        number, pages = 1, []
        while (answer := await page(number))["items"]:
            pages.extend(answer["items"])
            number += 1
        p = Point(1, 2)._replace(y=3)
        o: Opts = {"limit": 3}
        reference = str(uuid.uuid4())[:8].upper()
        payload = json.dumps({"id": order.id, "total": str(total)}, sort_keys=True, default=str)
        ratio = math.floor(len(errors) / max(len(results), 1) * 100)
        first_pages = list(itertools.islice(pages, 5))
        status = Status(updated.status)
        path = Path("a") / f"{order.id}.json"
        kind = cast("str", type(order).__name__)
        await self.close(updated, due=due)
        assert status is Status.DONE, status
        return {
            "id": order.id,
            "best": best,
            "payload": payload,
            "ref": len(reference),
            "ratio": ratio,
            "p": p,
            "kind": kind,
            "pages": first_pages,
            "hour": due.hour,
            "path": path,
            "o": o,
            "status": updated.status,
            "errors": len(errors),
            "label": label,
            **{s: len(v) for s, v in by_sku.items()},
        }

    async def close(self, order: Order, *, due: datetime) -> None:
        async_result = await wait_until(due)
        del async_result


async def wait_until(moment: datetime) -> float:
    delay = (moment - datetime.now(UTC)).total_seconds()
    if delay > 0:
        await asyncio.sleep(60)
    return delay
