"""Programs that read like real work: sagas, bookings, inventory, fulfilment."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow


class SoldOut(Exception):
    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is sold out")
        self.what = what


class PaymentDeclined(Exception):
    pass


class SagaFailed(Exception):
    def __init__(self, step: str, undone: list[str]) -> None:
        super().__init__(step, undone)
        self.step = step
        self.undone = undone


class Step(Enum):
    FLIGHT = auto()
    HOTEL = auto()
    CAR = auto()


class OrderState(str, Enum):
    NEW = "new"
    PAID = "paid"
    PACKED = "packed"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class Item(NamedTuple):
    sku: str
    quantity: int
    price: Decimal = Decimal("1.00")


@dataclass
class Hold:
    resource: str
    token: str
    expires: int = 600


@dataclass
class Reservation:
    holds: list[Hold] = field(default_factory=list)
    confirmed: bool = False

    @property
    def tokens(self) -> list[str]:
        return [h.token for h in self.holds]


class Trip(BaseModel):
    traveller: str
    city: str
    nights: int = Field(ge=1, default=1)
    car: bool = False


STOCK = {"chair": 4, "table": 1, "lamp": 0}


@action
async def hold(resource: str, quantity: int = 1) -> Hold:
    record("hold", resource, quantity)
    await asyncio.sleep(0.3)
    if STOCK.get(resource, 9) < quantity:
        raise SoldOut(resource)
    return Hold(resource, f"{resource}/{quantity}")


@action
async def confirm(token: str) -> str:
    record("confirm", token)
    await asyncio.sleep(0.2)
    if token.startswith("car"):
        raise ConnectionError(f"no answer for {token}")
    return f"confirmed {token}"


@action
async def give_back(token: str) -> bool:
    record("give_back", token)
    await asyncio.sleep(0.1)
    return not token.endswith("9")


@action
async def take_money(who: str, amount: Decimal) -> str:
    record("take_money", who, amount)
    await asyncio.sleep(0.7)
    if who == "broke":
        raise PaymentDeclined(f"{who}: {amount}")
    return f"tx-{who}-{amount}"


@action
async def pay_back(transaction: str) -> None:
    record("pay_back", transaction)
    await asyncio.sleep(0.4)


@action
async def send_message(to: str, text: str) -> None:
    record("send_message", to, text)


@action
async def book(what: str, city: str, nights: int) -> str:
    record("book", what, city, nights)
    await asyncio.sleep(0.5)
    if (what, city) in {("hotel", "oslo"), ("car", "rome")}:
        raise SoldOut(f"{what} in {city}")
    return f"{what}:{city}:{nights}"


@action
async def unbook(reference: str) -> None:
    record("unbook", reference)
    await asyncio.sleep(0.25)


@action
async def warehouse_stock(warehouse: str, sku: str) -> int:
    record("warehouse_stock", warehouse, sku)
    await asyncio.sleep(0.1 + len(warehouse) / 100)
    return (len(warehouse) * len(sku)) % 7


@inputs(
    (Trip(traveller="ann", city="paris", nights=3, car=True),),
    (Trip(traveller="bob", city="oslo", nights=2),),
    (Trip(traveller="cid", city="rome", car=True),),
)
@workflow
class BookTrip(Workflow):
    async def run(self, trip: Trip) -> dict[str, Any]:
        done: list[str] = []
        try:
            done.append(await book("flight", trip.city, trip.nights))
            done.append(await book("hotel", trip.city, trip.nights))
            if trip.car:
                done.append(await book("car", trip.city, trip.nights))
        except SoldOut as error:
            for reference in reversed(done):
                await unbook(reference)
            await send_message(trip.traveller, f"Sorry, {error}")
            return {"ok": False, "why": error.what}
        await send_message(trip.traveller, f"Booked {len(done)} things")
        return {"ok": True, "references": done}


@inputs((["chair", "table"], "ann"), (["chair", "lamp"], "ann"), (["chair"], "broke"))
@workflow
class HoldThenConfirm(Workflow):
    async def run(self, resources: list[str], who: str) -> Reservation:
        reservation = Reservation()
        try:
            for r in resources:
                reservation.holds.append(await hold(r))
            await take_money(who, Decimal(10) * len(resources))
            await asyncio.gather(*[confirm(t) for t in reservation.tokens])
            reservation.confirmed = True
        finally:
            if not reservation.confirmed:
                for h in reservation.holds:
                    await give_back(h.token)
        return reservation


@inputs((["a", "b", "c"], 9), (["a", "b", "lamp"], 9), (["car1", "b"], 0))
@workflow
class GenericSaga(Workflow):
    """Compensations are kept in a list while going forward."""

    async def run(self, resources, deposit):
        undo: list[tuple[str, str]] = []
        step = "start"
        try:
            step = "deposit"
            tx = await take_money("ann", Decimal(deposit))
            undo.append(("money", tx))
            for number, resource in enumerate(resources):
                step = f"hold {number}"
                held = await hold(resource)
                undo.append(("hold", held.token))
            step = "confirm"
            return [await confirm(token) for kind, token in undo if kind == "hold"]
        except Exception as error:
            names = []
            while undo:
                kind, token = undo.pop()
                if kind == "money":
                    await pay_back(token)
                else:
                    await give_back(token)
                names.append(token)
            raise SagaFailed(step, names) from error


@inputs(([Item("chair", 2), Item("desk", 1)],), ([Item("chair", 9)],), ([],))
@workflow
class ReserveInventory(Workflow):
    async def run(self, items: list[Item]) -> Any:
        if not items:
            raise ValueError("empty order")
        results = await asyncio.gather(
            *(hold(item.sku, item.quantity) for item in items), return_exceptions=True
        )
        missing = [r.what for r in results if isinstance(r, SoldOut)]
        if missing:
            held = [r for r in results if isinstance(r, Hold)]
            await asyncio.gather(*(give_back(h.token) for h in held))
            return {"missing": missing}
        return {"held": [r.token for r in results if not isinstance(r, BaseException)]}


@inputs(("abc", 5), ("abcdef", 9), ("x", 40))
@workflow
class SplitOverWarehouses(Workflow):
    async def run(self, sku: str, wanted: int) -> Any:
        warehouses = ["east", "central", "south-west", "nw"]
        amounts = await asyncio.gather(*[warehouse_stock(w, sku) for w in warehouses])
        plan: dict[str, int] = {}
        rest = wanted
        for warehouse, amount in sorted(
            zip(warehouses, amounts), key=lambda pair: pair[1], reverse=True
        ):
            if rest <= 0:
                break
            take = min(amount, rest)
            if take:
                plan[warehouse] = take
                rest -= take
        if rest:
            await send_message("buyer", f"order {rest} more of {sku}")
        for warehouse, take in plan.items():
            await hold(f"{warehouse}:{sku}", take)
        return plan, rest


@inputs(("ann", "chair"), ("broke", "chair"), ("ann", "lamp"))
@workflow
class OrderLifecycle(Workflow):
    async def run(self, who: str, sku: str):
        state = OrderState.NEW
        history = [state]
        token = None
        while state not in (OrderState.SHIPPED, OrderState.CANCELLED):
            match state:
                case OrderState.NEW:
                    try:
                        await take_money(who, Decimal("19.90"))
                        state = OrderState.PAID
                    except PaymentDeclined:
                        state = OrderState.CANCELLED
                case OrderState.PAID:
                    try:
                        token = (await hold(sku)).token
                    except SoldOut:
                        await pay_back(f"tx-{who}-19.90")
                        state = OrderState.CANCELLED
                    else:
                        state = OrderState.PACKED
                case OrderState.PACKED:
                    await confirm(token)
                    state = OrderState.SHIPPED
            history.append(state)
        return [s.value for s in history]


@inputs(("paris", True), ("oslo", True), ("rome", False), ("rome", True))
@workflow
class ParallelBooking(Workflow):
    async def run(self, city: str, want_car: bool) -> Any:
        wanted = ["flight", "hotel"] + (["car"] if want_car else [])
        booked = await asyncio.gather(
            *[book(what, city, 1) for what in wanted], return_exceptions=True
        )
        errors = [b for b in booked if isinstance(b, Exception)]
        if errors:
            await asyncio.gather(*[unbook(b) for b in booked if isinstance(b, str)])
            raise errors[0]
        return dict(zip(wanted, booked))


@inputs((["chair", "lamp", "table"],), (["sofa"],))
@workflow
class Substitutes(Workflow):
    ALTERNATIVES = {"lamp": ["candle", "torch"], "table": ["desk"]}

    async def run(self, skus: list[str]) -> dict[str, str]:
        got: dict[str, str] = {}
        for sku in skus:
            for candidate in [sku, *self.ALTERNATIVES.get(sku, [])]:
                try:
                    found = await hold(candidate)
                except SoldOut:
                    continue
                got[sku] = found.token
                break
            else:
                got[sku] = "nothing"
        return got


@inputs(("ann", 3), ("ann", 11), ("broke", 1))
@workflow
class ReturnOrder(Workflow):
    async def run(self, who: str, days_since: int) -> str:
        if days_since > 10:
            await send_message(who, "too late")
            return "refused"
        with suppress(PaymentDeclined):
            tx = await take_money(who, Decimal("0.01"))
            await pay_back(tx)
            return "refunded"
        return "store credit"


@dataclass
class Compensation:
    name: str
    token: str


class CompensatingWorkflow(Workflow):
    """Base of sagas that register what is to be undone."""

    def __init__(self) -> None:
        self.compensations: list[Compensation] = []
        self.log: list[str] = []

    def on_failure(self, name: str, token: str) -> None:
        self.compensations.append(Compensation(name, token))
        self.log.append(f"+{name}")

    async def compensate(self) -> None:
        while self.compensations:
            step = self.compensations.pop()
            self.log.append(f"-{step.name}")
            if step.name == "charge":
                await pay_back(step.token)
            else:
                await give_back(step.token)


@inputs(("ann", ["chair", "table"]), ("ann", ["table", "lamp"]), ("broke", ["chair"]))
@workflow
class StatefulSaga(CompensatingWorkflow):
    async def run(self, who: str, skus: list[str]) -> list[str]:
        try:
            for sku in skus:
                held = await hold(sku)
                self.on_failure(f"hold {sku}", held.token)
            tx = await take_money(who, Decimal(len(skus)))
            self.on_failure("charge", tx)
            if len(skus) > 1:
                await confirm("car")
        except (SoldOut, PaymentDeclined, ConnectionError) as e:
            self.log.append(type(e).__name__)
            await self.compensate()
        return self.log


@inputs((date(2024, 1, 30), 4), (date(2024, 2, 28), 2))
@workflow
class RentalExtension(Workflow):
    async def run(self, until: date, times: int) -> list[str]:
        log = []
        for n in range(times):
            until += timedelta(days=1 if n % 2 else 7)
            h = await hold(f"car until {until.isoformat()}")
            log.append(h.token)
            if until.month != (until - timedelta(days=1)).month:
                await take_money("renter", Decimal("12.50") * (n + 1))
        return log


@inputs(([("ann", 4), ("bob", 2), ("cid", 1)], 5), ([], 3))
@workflow
class SeatAllocation(Workflow):
    async def run(self, requests: list[tuple[str, int]], seats: int) -> Any:
        given: defaultdict[str, list[int]] = defaultdict(list)
        free = list(range(1, seats + 1))
        refused = []
        for who, count in requests:
            if count > len(free):
                refused.append(who)
                continue
            given[who], free = free[:count], free[count:]
            await asyncio.gather(*(hold(f"seat {n}") for n in given[who]))
        return dict(given), free, refused


@inputs((["flight", "hotel", "car"], "rome"), (["flight", "hotel"], "paris"))
@workflow
class NestedSaga(Workflow):
    async def run(self, parts: list[str], city: str) -> list[str]:
        try:
            return await self.book_rest(parts, city)
        except SoldOut as e:
            return ["failed", e.what]

    async def book_rest(self, parts: list[str], city: str) -> list[str]:
        """Each level undoes its own part."""
        if not parts:
            return []
        first, *rest = parts
        reference = await book(first, city, 1)
        try:
            return [reference, *await self.book_rest(rest, city)]
        except SoldOut:
            await unbook(reference)
            raise
