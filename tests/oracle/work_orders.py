"""Programs that read like real work: shops, billing, support, sign-ups.

Each has above it the arguments it is run with.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

VAT = {"de": Decimal("0.19"), "fr": Decimal("0.20")}
TRIAL_DAYS = 14
ESCALATION = ("agent", "lead", "manager")


class Declined(Exception):
    def __init__(self, account: str, cents: int) -> None:
        super().__init__(f"{account} has not {cents} cents")
        self.account = account
        self.cents = cents


class Unavailable(Exception):
    """A service is down for a while."""


class Plan(Enum):
    FREE = "free"
    TEAM = "team"
    LARGE = "large"


@dataclass
class Line:
    sku: str
    count: int
    cents: int

    @property
    def total(self) -> int:
        return self.count * self.cents


@dataclass
class Cart:
    customer: str
    lines: list[Line] = field(default_factory=list)

    def total(self) -> int:
        return sum(line.total for line in self.lines)


class Account(BaseModel):
    name: str
    plan: Plan = Plan.FREE
    seats: int = 1
    tags: list[str] = []


class Parcel(NamedTuple):
    sku: str
    weight: float


@action
async def charge(account: str, cents: int) -> str:
    record("charge", account, cents)
    await asyncio.sleep(0.4)
    if account == "poor":
        raise Declined(account, cents)
    return f"charged {account} {cents}"


@action
async def refund(account: str, cents: int) -> None:
    record("refund", account, cents)
    await asyncio.sleep(0.1)


@action
async def pick(sku: str, count: int) -> int:
    record("pick", sku, count)
    await asyncio.sleep(0.2)
    return min(count, 3)


@action
async def notify(who: str, text: str) -> None:
    record("notify", who, text)
    await asyncio.sleep(0.05)


@action
async def quote(carrier: str, weight: float) -> tuple[str, int]:
    record("quote", carrier, weight)
    await asyncio.sleep({"snail": 3.0, "train": 2.0, "plane": 1.0, "down": 0.5}[carrier])
    if carrier == "down":
        raise Unavailable(carrier)
    return carrier, int(weight * {"snail": 10, "train": 20, "plane": 90}[carrier])


@action
async def status(job: str, asked: int) -> str:
    record("status", job, asked)
    await asyncio.sleep(0.1)
    return "done" if asked >= len(job) else "busy"


@action
async def flaky(name: str, attempt: int) -> str:
    record("flaky", name, attempt)
    await asyncio.sleep(0.3)
    if attempt < 3:
        raise Unavailable(f"{name} {attempt}")
    return f"{name} on attempt {attempt}"


LINES = [Line("tea", 2, 450), Line("pot", 1, 1999)]
ROWS: list[dict[str, Any]] = [{"name": "a"}, {"nome": "b"}, {"name": "c", "seats": "x", "tags": 1}]


@inputs(("ann", [("tea", 2), ("pot", 9)]), ("ann", []), ("poor", [("tea", 1)]))
@workflow
class Checkout(Workflow):
    async def run(self, customer: str, items: list[tuple[str, int]]) -> Any:
        cart = Cart(customer)
        for sku, count in items:
            cart.lines.append(Line(sku, await pick(sku, count), 250))
        if not cart.lines:
            return "empty"
        receipt = await charge(customer, cart.total())
        await notify(customer, f"{receipt}: {len(cart.lines)} lines, {cart.total() / 100:.2f}")
        return cart


@inputs((["ann", "bob"],), (["ann", "bob", "poor", "cid"],))
@workflow
class CheckoutWithRefund(Workflow):
    async def run(self, accounts: list[str]) -> Any:
        charged: list[tuple[str, int]] = []
        try:
            for number, account in enumerate(accounts, start=1):
                await charge(account, number * 100)
                charged.append((account, number * 100))
        except Declined as error:
            while charged:
                account, cents = charged.pop()
                await refund(account, cents)
            return f"{error.account} lacks {error.cents}"
        finally:
            await notify("books", f"{len(charged)} kept")
        return charged


@inputs((["snail", "down", "plane", "train"], 2.5), (["down"], 1.0))
@workflow
class CheapestCarrier(Workflow):
    async def run(self, carriers: list[str], weight: float) -> Any:
        offers = await asyncio.gather(
            *(quote(carrier, weight) for carrier in carriers), return_exceptions=True
        )
        good = [offer for offer in offers if not isinstance(offer, BaseException)]
        down = [str(offer) for offer in offers if isinstance(offer, Unavailable)]
        if not good:
            raise Unavailable(", ".join(down))
        carrier, cents = min(good, key=lambda offer: offer[1])
        return {"carrier": carrier, "cents": cents, "down": down}


@inputs((["api", "mail"], 3), (["api", "mail"], 2))
@workflow
class RetryByHand(Workflow):
    async def run(self, names: list[str], attempts: int) -> Any:
        return await asyncio.gather(*[self.retried(name, attempts) for name in names])

    async def retried(self, name: str, attempts: int) -> str:
        pause = 0.5
        for attempt in range(1, attempts + 1):
            try:
                return await flaky(name, attempt)
            except Unavailable:
                if attempt == attempts:
                    raise
                await asyncio.sleep(pause)
                pause *= 2
        return "never tried"


@inputs(("abc", 9), ("a long job", 2))
@workflow
class Poll(Workflow):
    async def run(self, job: str, most: int) -> Any:
        asked = 0
        while (found := await status(job, asked)) != "done":
            asked += 1
            if asked > most:
                break
            await asyncio.sleep(min(2**asked, 60))
        else:
            return {"after": asked, "found": found}
        return "gave up"


@inputs(("ann", date(2024, 2, 20)))
@workflow
class TrialReminder(Workflow):
    async def run(self, name: str, start: date) -> Any:
        sent = []
        for days in (7, 3, 1):
            due = start + timedelta(days=TRIAL_DAYS - days)
            await asyncio.sleep(3600)
            await notify(name, f"{days} day{'s' if days > 1 else ''} left on {due:%d.%m.%Y}")
            sent.append(due.isoformat())
        return sent


@inputs(("de", LINES), ("xx", LINES))
@workflow
class Invoice(Workflow):
    async def run(self, country: str, lines: list[Line]) -> Any:
        net = sum((Decimal(line.total) / 100 for line in lines), Decimal(0))
        rate = VAT.get(country)
        if rate is None:
            raise LookupError(country)
        tax = (net * rate).quantize(Decimal("0.01"))
        await charge("company", int((net + tax) * 100))
        by_sku: dict[str, int] = defaultdict(int)
        for line in lines:
            by_sku[line.sku] += line.count
        return {"net": net, "tax": tax, "gross": net + tax, "skus": dict(by_sku)}


@inputs(("T1", ["lead"]), ("T2", []))
@workflow
class Escalate(Workflow):
    async def run(self, ticket: str, free: list[str]) -> Any:
        for level, role in enumerate(ESCALATION):
            await notify(role, ticket)
            if role in free:
                return {"level": level, "role": role}
            await asyncio.sleep(600 * (level + 1))
        raise TimeoutError(f"nobody took {ticket}")


@inputs(
    *(
        (account,)
        for account in (
            Account(name="a", seats=9),
            Account(name="b", plan=Plan.TEAM, tags=["vip", "x"]),
            Account(name="c", plan=Plan.LARGE),
            Account(name="d"),
        )
    )
)
@workflow
class Upgrade(Workflow):
    async def run(self, account: Account) -> Any:
        match account:
            case Account(plan=Plan.FREE, seats=seats) if seats > 3:
                account.plan = Plan.TEAM
            case Account(plan=Plan.TEAM, tags=["vip", *_]):
                account = account.model_copy(update={"plan": Plan.LARGE})
            case Account(plan=Plan.LARGE):
                return "already largest"
            case _:
                return "not eligible"
        await charge(account.name, account.seats * 500)
        account.tags.append(f"was upgraded to {account.plan.value}")
        return account


@inputs((ROWS,))
@workflow
class ValidateRows(Workflow):
    async def run(self, rows: list[dict[str, Any]]) -> Any:
        good, bad = [], {}
        for number, row in enumerate(rows):
            try:
                good.append(Account(**row))
            except ValidationError as error:
                bad[number] = error.error_count()
        if bad:
            await notify("data team", f"rows {', '.join(map(str, bad))} are wrong")
        return good, bad


@inputs(([Parcel("a", 4.0), Parcel("b", 3.5), Parcel("c", 6.0), Parcel("d", 1.0)], 8.0))
@workflow
class Pack(Workflow):
    async def run(self, parcels: list[Parcel], limit: float) -> Any:
        boxes: list[list[Parcel]] = []
        for parcel in sorted(parcels, key=lambda p: -p.weight):
            for box in boxes:
                if sum(p.weight for p in box) + parcel.weight <= limit:
                    box.append(parcel)
                    break
            else:
                boxes.append([parcel])
                await pick(f"box {len(boxes)}", 1)
        return [[p.sku for p in box] for box in boxes]


@inputs((["ann", "bob", "cid"], 1000), (["ann", "poor", "cid"], 1000))
@workflow
class SplitPayment(Workflow):
    async def run(self, friends: list[str], cents: int) -> Any:
        share, rest = divmod(cents, len(friends))
        paid = await asyncio.gather(
            *[charge(friend, share + (i < rest)) for i, friend in enumerate(friends)],
            return_exceptions=True,
        )
        failed = {f: r for f, r in zip(friends, paid, strict=True) if isinstance(r, Exception)}
        if not failed:
            return paid
        await asyncio.gather(*[refund(f, share) for f in friends if f not in failed])
        raise ExceptionGroup("some could not pay", list(failed.values()))


@inputs((["poor", "ann", "bob", "cid"], 2))
@workflow
class Waitlist(Workflow):
    async def run(self, waiting: list[str], seats: int) -> Any:
        queue, taken = list(waiting), {}
        while queue and seats > 0:
            name, *queue = queue
            try:
                taken[name] = await charge(name, 900)
            except Declined:
                await notify(name, "no seat for you")
                continue
            seats -= 1
        return taken, queue, seats


@inputs(("ann", 100), ("poor", 100))
@workflow
class Dunning(Workflow):
    async def run(self, account: str, cents: int) -> Any:
        history: list[str] = []
        try:
            for step, fee in enumerate([0, 500, 1500]):
                try:
                    history.append(await charge(account, cents + fee))
                    return history
                except Declined as error:
                    history.append(f"step {step}: {error}")
                    await asyncio.sleep(86_400 * (step + 1))
            history.append("handed over")
            await notify("collector", account)
        finally:
            await notify(account, history[-1])
        return history


@inputs(*((cents,) for cents in (10, 1000, 10_000, 10_001)))
@workflow
class Approval(Workflow):
    async def run(self, cents: int) -> Any:
        needed = ["lead"] if cents < 1000 else ["lead", "head"] if cents < 10_000 else [*ESCALATION]
        asked = await asyncio.gather(*(self.ask(role, cents) for role in needed))
        if all(asked):
            return await charge("company", cents)
        return [role for role, yes in zip(needed, asked, strict=True) if not yes]

    async def ask(self, role: str, cents: int) -> bool:
        await notify(role, f"approve {cents}?")
        return role != "manager" or cents % 2 == 0


@inputs((["ann", "bob"],))
@workflow
class Voucher(Workflow):
    async def run(self, names: list[str]) -> Any:
        codes = {name: f"{name[:3].upper()}-{uuid.uuid4().hex[:6]}" for name in names}
        await asyncio.gather(*(self.tell(name, len(code)) for name, code in codes.items()))
        lucky = random.choice(names)
        await notify("shop", "drawn")
        return len(set(codes.values())), lucky in codes, all("-" in c for c in codes.values())

    async def tell(self, name: str, length: int) -> None:
        await notify(name, "*" * length)


@inputs((3,))
@workflow
class Expire(Workflow):
    async def run(self, days: int) -> Any:
        begun = datetime.now(UTC)
        await asyncio.sleep(days)
        due = begun + timedelta(days=days)
        await notify("office", "expired")
        return due > begun, (due - begun).days, due.tzinfo is UTC


@inputs((Cart("ann", [*LINES]), "tea", 5), (Cart("ann", [*LINES]), "pot", 0))
@workflow
class Amend(Workflow):
    async def run(self, cart: Cart, sku: str, count: int) -> Any:
        before = cart.total()
        kept = [line for line in cart.lines if line.sku != sku]
        changed = [replace(line, count=count) for line in cart.lines if line.sku == sku]
        cart.lines[:] = kept + [line for line in changed if line.count]
        difference = cart.total() - before
        if difference > 0:
            await charge(cart.customer, difference)
        elif difference:
            await refund(cart.customer, -difference)
        return cart, difference
