"""Programs that read like real work: billing cycles, dunning, payroll, subscriptions."""

from __future__ import annotations

import asyncio
import calendar
from collections import ChainMap, Counter, defaultdict
from dataclasses import asdict, astuple, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import Flag, StrEnum, auto
from fractions import Fraction
from typing import Any, NamedTuple, Optional, Union

from pydantic import BaseModel, ValidationError, field_validator

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

CENT = Decimal("0.01")
TAX_BRACKETS = [(Decimal(1000), Decimal("0.10")), (Decimal(3000), Decimal("0.25"))]
TOP_RATE = Decimal("0.42")
GRACE = timedelta(days=3)


class Cycle(StrEnum):
    MONTHLY = "monthly"
    YEARLY = "yearly"


class Perk(Flag):
    NONE = 0
    SUPPORT = auto()
    SSO = auto()
    AUDIT = auto()


class CardExpired(Exception):
    pass


class InsufficientFunds(Exception):
    def __init__(self, missing: Decimal) -> None:
        super().__init__(missing)
        self.missing = missing


class Money(NamedTuple):
    amount: Decimal
    currency: str = "EUR"

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"


@dataclass
class Subscription:
    customer: str
    cycle: Cycle
    price: Decimal
    started: date
    seats: int = 1
    perks: Perk = Perk.NONE


@dataclass(order=True)
class Invoice:
    due: date
    number: int
    total: Decimal = field(compare=False)
    paid: bool = field(default=False, compare=False)


class Employee(BaseModel):
    name: str
    salary: Decimal
    bonus: Optional[Decimal] = None
    manager: Union[str, None] = None

    @field_validator("salary")
    @classmethod
    def positive(cls, value: Decimal) -> Decimal:
        if value < 0:
            raise ValueError("salary must not be negative")
        return value


@action
async def charge_card(customer: str, amount: Decimal, key: str = "") -> str:
    record("charge_card", customer, amount, key)
    await asyncio.sleep(0.6)
    if customer == "old":
        raise CardExpired(customer)
    if customer == "poor" and amount > 10:
        raise InsufficientFunds(amount - 10)
    return f"ch_{customer}_{amount}"


@action
async def send_invoice(customer: str, number: int, total: Decimal) -> datetime:
    record("send_invoice", customer, number, total)
    await asyncio.sleep(0.2)
    return datetime(2024, 1, number % 28 + 1, 12, tzinfo=UTC)


@action
async def email(to: str, template: str, **values: Any) -> None:
    record("email", to, template, sorted(values.items()))
    await asyncio.sleep(0.05)


@action
async def usage(customer: str, day: date) -> int:
    record("usage", customer, day)
    await asyncio.sleep(0.02)
    return day.day * len(customer) % 11


@action
async def employees(team: str) -> list[Employee]:
    record("employees", team)
    await asyncio.sleep(0.1)
    return [
        Employee(name="ann", salary=Decimal(4200), bonus=Decimal("150.50")),
        Employee(name="bob", salary=Decimal(2800), manager="ann"),
        Employee(name="cid", salary=Decimal(900), manager="ann"),
    ][: len(team)]


@action
async def transfer(iban: str, money: Money) -> str:
    record("transfer", iban, str(money))
    await asyncio.sleep(0.3)
    return f"{iban}<-{money}"


@action
async def exchange_rate(currency: str) -> Decimal:
    record("exchange_rate", currency)
    await asyncio.sleep(0.1)
    return {"USD": Decimal("1.0842"), "JPY": Decimal("161.3")}[currency]


SUB = Subscription("ann", Cycle.MONTHLY, Decimal("29.90"), date(2024, 1, 31), 3, Perk.SSO)


@inputs((SUB, 4), (replace(SUB, cycle=Cycle.YEARLY), 1), (replace(SUB, customer="old"), 3))
@workflow
class BillingCycle(Workflow):
    async def run(self, sub: Subscription, periods: int) -> list[Invoice]:
        invoices: list[Invoice] = []
        due = sub.started
        for number in range(1, periods + 1):
            total = (sub.price * sub.seats).quantize(CENT, rounding=ROUND_HALF_UP)
            invoice = Invoice(due, number, total)
            invoices.append(invoice)
            await send_invoice(sub.customer, number, total)
            try:
                await charge_card(sub.customer, total, key=f"{sub.customer}-{number}")
                invoice.paid = True
            except CardExpired:
                await email(sub.customer, "card expired", number=number)
                break
            if sub.cycle is Cycle.MONTHLY:
                month = due.month % 12 + 1
                year = due.year + (due.month == 12)
                last = calendar.monthrange(year, month)[1]
                due = date(year, month, min(sub.started.day, last))
            else:
                due = due.replace(year=due.year + 1)
            if number < periods:
                await asyncio.sleep((due - invoice.due).total_seconds())
        return invoices


@inputs(
    ("ann", Decimal("50")), ("poor", Decimal("50")), ("poor", Decimal("5")), ("old", Decimal(1))
)
@workflow
class DunningLadder(Workflow):
    STEPS = [(3, "reminder", 0), (7, "warning", 5), (14, "final notice", 15)]

    async def run(self, customer: str, amount: Decimal) -> dict[str, Any]:
        sent: list[str] = []
        for days, template, fee in self.STEPS:
            try:
                receipt = await charge_card(customer, amount)
            except InsufficientFunds as e:
                amount += fee
                sent.append(f"{template}, {e.missing} missing")
                await email(customer, template, amount=amount, days=days)
                await asyncio.sleep(timedelta(days=days).total_seconds())
            except CardExpired:
                await email(customer, "update your card")
                sent.append("card")
                await asyncio.sleep(3600 * 24)
            else:
                return {"receipt": receipt, "sent": sent}
        await email("collections@example.com", "hand over", customer=customer, amount=amount)
        return {"receipt": None, "sent": sent}


@inputs(("abc",), ("a",), ("",))
@workflow
class Payroll(Workflow):
    async def run(self, team: str) -> dict[str, str]:
        staff = await employees(team)
        net = {e.name: await self.net_pay(e.salary + (e.bonus or 0)) for e in staff}
        slips = await asyncio.gather(
            *[transfer(f"DE{i:02}{name}", Money(pay)) for i, (name, pay) in enumerate(net.items())]
        )
        return dict(zip(net, slips, strict=True))

    async def net_pay(self, gross: Decimal) -> Decimal:
        tax, lower = Decimal(0), Decimal(0)
        for upper, rate in TAX_BRACKETS:
            if gross <= lower:
                break
            tax += (min(gross, upper) - lower) * rate
            lower = upper
        else:
            tax += max(gross - lower, Decimal(0)) * TOP_RATE
        return (gross - tax).quantize(CENT)


@inputs((Decimal("100"), ["ann", "bob", "cid"]), (Decimal("0.05"), ["x", "y"]))
@workflow
class SplitBill(Workflow):
    async def run(self, total: Decimal, people: list[str]) -> dict[str, Decimal]:
        share = (total / len(people)).quantize(CENT, rounding=ROUND_HALF_EVEN)
        shares = {p: share for p in people}
        shares[people[-1]] += total - share * len(people)
        assert sum(shares.values()) == total
        for person, amount in shares.items():
            await charge_card(person, amount)
        return shares


@inputs((Decimal("99.99"), ["USD", "JPY"]), (Decimal("1"), ["USD", "XXX"]))
@workflow
class PriceList(Workflow):
    async def run(self, euros: Decimal, currencies: list[str]) -> list[Money]:
        rates = dict(zip(currencies, await asyncio.gather(*map(exchange_rate, currencies))))
        prices = [Money(euros)]
        for code, rate in rates.items():
            prices.append(Money((euros * rate).quantize(CENT), code))
        await email("shop", "prices", first=str(prices[0]), count=len(prices))
        return prices


@inputs(("ann", date(2024, 2, 27), date(2024, 3, 3)), ("x", date(2024, 1, 1), date(2024, 1, 1)))
@workflow
class MeteredUsage(Workflow):
    async def run(self, customer: str, first: date, last: date) -> Any:
        day, total, peak = first, 0, (0, first)
        while day <= last:
            used = await usage(customer, day)
            total += used
            peak = max(peak, (used, day))
            day += timedelta(days=1)
        free = 10
        billable = max(0, total - free)
        if billable:
            await charge_card(customer, Decimal(billable) * Decimal("0.125"))
        return {"total": total, "billable": billable, "peak": peak[1].isoformat()}


@inputs((Fraction(1, 3), 90), (Fraction(5, 8), 7))
@workflow
class RevenueShare(Workflow):
    async def run(self, share: Fraction, cents: int) -> tuple[int, int, str]:
        partner = int(share * cents)
        rest = cents - partner
        await transfer("partner", Money(Decimal(partner) / 100))
        await transfer("us", Money(Decimal(rest) / 100))
        return partner, rest, f"{share.numerator}:{share.denominator - share.numerator}"


@inputs((SUB, 5, date(2024, 2, 15)), (SUB, 1, date(2024, 2, 28)), (SUB, 3, date(2024, 2, 1)))
@workflow
class ChangeSeats(Workflow):
    async def run(self, sub: Subscription, seats: int, on: date) -> Any:
        days = calendar.monthrange(on.year, on.month)[1]
        left = Fraction(days - on.day, days)
        delta = (seats - sub.seats) * sub.price * left.numerator / left.denominator
        delta = delta.quantize(CENT)
        changed = replace(sub, seats=seats)
        if delta > 0:
            await charge_card(sub.customer, delta)
        elif delta < 0:
            await email(sub.customer, "credit", amount=-delta)
        return asdict(changed), delta


@inputs((["sso", "audit"],), ([],), (["sso", "bogus"],))
@workflow
class GrantPerks(Workflow):
    async def run(self, names: list[str]) -> Any:
        perks = Perk.NONE
        for name in names:
            perks |= Perk[name.upper()]
        granted = [p.name for p in Perk if p in perks and p]
        if Perk.SSO in perks and not perks & Perk.SUPPORT:
            perks |= Perk.SUPPORT
            await email("ann", "support included")
        return granted, perks.value


@inputs(([Invoice(date(2024, 3, 1), 2, Decimal(5)), Invoice(date(2024, 2, 1), 9, Decimal(7))],))
@workflow
class PayOldestFirst(Workflow):
    async def run(self, invoices: list[Invoice]) -> Any:
        budget = Decimal(8)
        for invoice in sorted(invoices):
            if invoice.total > budget:
                continue
            await charge_card("us", invoice.total, key=str(invoice.number))
            budget -= invoice.total
            invoice.paid = True
        return budget, [astuple(i) for i in invoices], min(invoices).number


@inputs((13,), (0,))
@workflow
class Reconcile(Workflow):
    async def run(self, offset: int) -> Any:
        ours = Counter({"ann": 30, "bob": 20, "cid": 10 + offset})
        theirs: Counter[str] = Counter()
        for name in ["ann", "bob", "cid"]:
            receipt = await charge_card(name, Decimal(ours[name]))
            theirs[name] += int(receipt.rsplit("_", 1)[1])
        theirs.subtract({"cid": offset})
        difference = {k: v for k in ours | theirs if (v := ours[k] - theirs[k])}
        return difference or "balanced"


@inputs(({"theme": "dark"}, {"seats": 9}), ({}, {}))
@workflow
class PlanDefaults(Workflow):
    async def run(self, chosen: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
        settings = {"seats": 1, "theme": "light", "trial": True} | plan | chosen
        if settings.pop("trial"):
            await email("ann", "trial", **settings)
            settings.setdefault("ends", "2024-01-15")
        return settings


@inputs((datetime(2024, 3, 30, 23, 30, tzinfo=UTC),))
@workflow
class BusinessHours(Workflow):
    async def run(self, at: datetime) -> list[str]:
        opens = time(9, 0)
        log = [at.strftime("%A %H:%M")]
        while at.weekday() >= 5 or at.time() < opens:
            nxt = datetime.combine(at.date() + timedelta(days=1), opens, tzinfo=UTC)
            await asyncio.sleep((nxt - at).total_seconds())
            at = nxt
            log.append(f"{at:%A %H:%M}")
        await email("ann", "we are open", at=at.isoformat())
        return log


@inputs((3, 100), (1, 5))
@workflow
class Installments(Workflow):
    async def run(self, months: int, cents: int) -> list[int]:
        rates = [cents // months] * months
        rates[0] += cents - sum(rates)
        paid = []
        for n, rate in enumerate(rates):
            try:
                await charge_card("poor" if n % 2 else "ann", Decimal(rate), f"rate-{n}")
            except InsufficientFunds as shortage:
                paid.append(rate - int(shortage.missing))
                continue
            paid.append(rate)
            if n + 1 < months:
                await asyncio.sleep(30 * 24 * 60 * 60)
        return paid


@inputs((["ann", "bob"], date(2024, 12, 31)))
@workflow
class YearEnd(Workflow):
    async def run(self, customers: list[str], day: date):
        totals = defaultdict(Decimal)
        for c in customers:
            for back in range(3):
                used = await usage(c, day - timedelta(weeks=back))
                totals[c] += Decimal(used) / 4
        statement = "\n".join(f"{name:<6}|{total:>8.2f}" for name, total in totals.items())
        await email("tax office", "statement", text=statement)
        return statement.splitlines()


@inputs(([{"name": "a", "salary": "10"}, {"name": "b", "salary": -1}, {"salary": 3}],))
@workflow
class ImportStaff(Workflow):
    async def run(self, rows: list[dict[str, Any]]) -> Any:
        accepted: list[Employee] = []
        errors: dict[int, list[str]] = {}
        for index, row in enumerate(rows):
            try:
                accepted.append(Employee.model_validate(row))
            except ValidationError as exc:
                errors[index] = [".".join(map(str, e["loc"])) for e in exc.errors()]
        await email("hr", "import", ok=len(accepted), bad=list(errors))
        return [e.model_dump(mode="json") for e in accepted], errors


@inputs(("ann", 2), ("old", 3))
@workflow
class RetryCharge(Workflow):
    """Attempts, errors and the pause live on the instance."""

    attempts = 0
    pause = 1.0

    async def run(self, customer: str, limit: int) -> tuple[Any, int, float]:
        receipt = None
        while receipt is None and self.attempts < limit:
            receipt = await self.attempt(customer)
        return receipt, self.attempts, self.pause

    async def attempt(self, customer: str) -> Optional[str]:
        self.attempts += 1
        try:
            return await charge_card(customer, Decimal(1), key=f"try {self.attempts}")
        except CardExpired:
            await asyncio.sleep(self.pause)
            self.pause *= 2
        return None


@inputs((1200, 12, Decimal("0.05")), (100, 2, Decimal(0)))
@workflow
class Amortize(Workflow):
    async def run(self, principal: int, months: int, yearly: Decimal) -> list[tuple[int, Decimal]]:
        rate = yearly / 12
        if rate:
            factor = (1 + rate) ** months
            payment = (principal * rate * factor / (factor - 1)).quantize(CENT)
        else:
            payment = (Decimal(principal) / months).quantize(CENT)
        balance, schedule = Decimal(principal), []
        for month in range(1, months + 1):
            interest = (balance * rate).quantize(CENT)
            balance = balance + interest - payment if month < months else Decimal(0)
            schedule.append((month, balance))
            if month % 6 == 0 or month == months:
                await email("debtor", "balance", month=month, balance=balance)
        return schedule


@inputs(("ann",), ("ann", {"currency": "USD"}))
@workflow
class LayeredSettings(Workflow):
    async def run(self, customer: str, overrides: dict[str, str] | None = None) -> str:
        defaults = {"currency": "EUR", "language": "en"}
        settings = ChainMap(overrides or {}, {"language": "de"}, defaults)
        await email(customer, "settings", currency=settings["currency"])
        return f"{settings['currency']}/{settings['language']}"
