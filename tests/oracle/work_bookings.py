"""Programs that read like real work: bookings and payments against time and rivals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from tests.oracle.cases import inputs
from tests.oracle.work_sagas import (
    PaymentDeclined,
    SoldOut,
    give_back,
    hold,
    pay_back,
    send_message,
    take_money,
)
from waymark.authoring import Workflow, workflow


@inputs((["chair", "sofa", "lamp", "bed"],), (["sofa", "bed"],))
@workflow
class TaskGroupSaga(Workflow):
    async def run(self, skus: list[str]) -> Any:
        held: list[str] = []

        async def reserve(sku: str) -> None:
            result = await hold(sku)
            held.append(result.token)

        try:
            async with asyncio.TaskGroup() as group:
                for sku in skus:
                    group.create_task(reserve(sku))
        except* SoldOut as group_error:
            for token in held:
                await give_back(token)
            held = [str(e) for e in group_error.exceptions]
        return held


@inputs(("ann", 5.0), ("ann", 0.5))
@workflow
class PaymentWithTimeout(Workflow):
    async def run(self, who: str, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await take_money(who, Decimal(5))
        except TimeoutError:
            await send_message(who, "payment timed out")
            return "timeout"


@inputs(("ann", 2.0), ("ann", 0.25))
@workflow
class HoldWithWaitFor(Workflow):
    async def run(self, who: str, patience: float):
        try:
            h = await asyncio.wait_for(hold("chair"), timeout=patience)
        except asyncio.TimeoutError:
            return f"{who} gave up"
        return h.token


@inputs((["chair", "table", "lamp"],))
@workflow
class CleanupSurvivesCancel(Workflow):
    async def run(self, skus):
        worker = asyncio.create_task(self.hold_all(skus))
        await asyncio.sleep(0.45)
        worker.cancel()
        try:
            await worker
        except asyncio.CancelledError:
            return "cancelled"
        except SoldOut as e:
            return str(e)
        return "finished"

    async def hold_all(self, skus):
        tokens = []
        try:
            for sku in skus:
                tokens.append((await hold(sku)).token)
            await asyncio.sleep(100)
        finally:
            for token in tokens:
                await asyncio.shield(give_back(token))


UNDO: dict[str, Callable[[str], Awaitable[Any]]] = {"hold": give_back, "pay": pay_back}


@inputs((["hold:chair", "pay:ann", "hold:lamp"],), (["pay:broke"],), (["hold:chair"],))
@workflow
class TableOfUndo(Workflow):
    async def run(self, steps: list[str]) -> list[str]:
        done: list[tuple[str, str]] = []
        for step in steps:
            kind, _, what = step.partition(":")
            try:
                match kind:
                    case "hold":
                        token = (await hold(what)).token
                    case "pay":
                        token = await take_money(what, Decimal(1))
                    case other:
                        raise ValueError(f"unknown step {other}")
            except (SoldOut, PaymentDeclined):
                for kind_done, token_done in done[::-1]:
                    await UNDO[kind_done](token_done)
                return []
            done.append((kind, token))
        return [token for _, token in done]


@inputs((3, 0.35), (3, 10.0))
@workflow
class FlashSale(Workflow):
    """Buyers race for one table until the sale is over."""

    async def run(self, buyers: int, open_seconds: float) -> Any:
        sold: list[str] = []
        lock = asyncio.Lock()

        async def buy(n: int) -> str:
            async with lock:
                if sold:
                    return f"{n} too late"
                held = await hold("table")
                sold.append(held.token)
                return f"{n} got it"

        tasks = [asyncio.create_task(buy(n)) for n in range(buyers)]
        done, pending = await asyncio.wait(tasks, timeout=open_seconds)
        for task in pending:
            task.cancel()
        return sorted(t.result() for t in done), len(pending)
