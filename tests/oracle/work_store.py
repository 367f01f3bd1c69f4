"""Programs that read like real work: an online store, written by several hands."""

import asyncio
import json
import random
import re
import uuid
from collections import Counter, defaultdict, namedtuple
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Optional

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

Price = namedtuple("Price", ["net", "tax"])
COUPONS = {"TEN": ("percent", 10), "FIVE": ("fixed", 5), "SHIP": ("shipping", 0)}
ZONES = [("10", "city"), ("1", "region"), ("", "far")]


class ShopError(Exception):
    status = 500


class NotEnough(ShopError):
    status = 409

    def __init__(self, sku, wanted, available):
        super().__init__(f"{sku}: {wanted} > {available}")
        self.sku, self.wanted, self.available = sku, wanted, available


class Fraud(ShopError):
    status = 403


class Payment(str, Enum):
    CARD = "card"
    INVOICE = "invoice"
    GIFT = "gift"


class Address(BaseModel):
    model_config = ConfigDict(frozen=True)

    street: str
    zip: str
    country: str = "DE"


class CartLine(BaseModel):
    sku: str
    count: int = 1
    price: Decimal = Decimal(0)


class Basket(BaseModel):
    lines: list[CartLine] = []
    coupon: Optional[str] = None
    address: Optional[Address] = None

    @model_validator(mode="after")
    def known_coupon(self):
        if self.coupon and not self.coupon.isupper():
            raise ValueError("coupons are written in capitals")
        return self

    @property
    def total(self):
        return sum((line.price * line.count for line in self.lines), Decimal(0))


@dataclass
class Customer:
    name: str
    points: int = 0
    orders: list = field(default_factory=list)

    def reward(self, points):
        self.points += points
        return self.points


@action
async def get_price(sku):
    record("get_price", sku)
    await asyncio.sleep(0.1)
    return Decimal(len(sku)) + Decimal("0.99")


@action
async def get_stock(sku):
    record("get_stock", sku)
    await asyncio.sleep(0.1)
    return {"rare": 1, "none": 0}.get(sku, 50)


@action
async def decrement(sku, count):
    record("decrement", sku, count)
    await asyncio.sleep(0.2)
    if sku == "rare" and count > 1:
        raise NotEnough(sku, count, 1)
    return True


@action
async def pay(method: Payment, amount: Decimal, token: str = "") -> str:
    record("pay", method.value, amount)
    await asyncio.sleep(0.5)
    if method is Payment.GIFT and amount > 20:
        raise ShopError("card is empty")
    return f"{method.value}:{amount}"


@action
async def fraud_score(name: str, amount: Decimal) -> float:
    record("fraud_score", name, amount)
    await asyncio.sleep(0.3)
    return 0.95 if name == "mallory" else 0.1


@action
async def notify(*to: str, text: str = "") -> int:
    record("notify", to, text)
    return len(to)


@action
async def recommend(sku, limit=3):
    record("recommend", sku, limit)
    await asyncio.sleep(0.1)
    return [f"{sku}-{n}" for n in range(limit)]


@action
async def reviews(sku: str, page: int = 0) -> list[dict]:
    record("reviews", sku, page)
    await asyncio.sleep(0.1)
    all_reviews = [{"stars": (len(sku) + n) % 5 + 1, "text": f"{sku} {n}"} for n in range(5)]
    return all_reviews[page * 2 : page * 2 + 2]


@inputs(
    (Basket(lines=[CartLine(sku="tea", count=2), CartLine(sku="cup")], coupon="TEN"),),
    (Basket(lines=[CartLine(sku="tea")], coupon="FIVE"),),
    (Basket(lines=[CartLine(sku="tea")], coupon="BOGUS"),),
    (Basket(),),
)
@workflow
class PriceBasket(Workflow):
    async def run(self, basket: Basket):
        for line in basket.lines:
            line.price = await get_price(line.sku)
        total = basket.total
        shipping = Decimal("4.90") if total else Decimal(0)
        match COUPONS.get(basket.coupon):
            case ("percent", percent):
                total -= total * percent / 100
            case ("fixed", amount):
                total = max(total - amount, Decimal(0))
            case ("shipping", _):
                shipping = Decimal(0)
            case None if basket.coupon is not None:
                await notify("marketing", text=f"unknown coupon {basket.coupon}")
        return Price(total, shipping)


@inputs(([("tea", 2), ("rare", 1)],), ([("tea", 1), ("rare", 2)],), ([("none", 1)],))
@workflow
class TakeFromStock(Workflow):
    async def run(self, wanted):
        taken = []
        try:
            for sku, count in wanted:
                available = await get_stock(sku)
                if available == 0:
                    raise NotEnough(sku, count, available)
                await decrement(sku, count)
                taken.append((sku, count))
        except NotEnough as e:
            for sku, count in taken:
                await decrement(sku, -count)
            return {"error": str(e), "status": e.status, "missing": e.wanted - e.available}
        except ShopError:
            return {"error": "unknown"}
        return {"taken": dict(taken)}


@inputs(("ann", "100"), ("mallory", "100"), ("ann", "x"), ("ann", "15"))
@workflow
class PayWithChecks(Workflow):
    async def run(self, name, amount):
        try:
            value = Decimal(amount)
        except InvalidOperation:
            return "not a number"
        score, _ = await asyncio.gather(fraud_score(name, value), notify(name, text="paying"))
        if score > 0.9:
            raise Fraud(name, score)
        for method in Payment:
            if method is Payment.CARD and value >= 100:
                continue
            if method is Payment.INVOICE and value < 100:
                continue
            return await pay(method, value)


@inputs(("tea",), ("coffee",))
@workflow
class AllReviews(Workflow):
    async def run(self, sku):
        page, found = 0, []
        while batch := await reviews(sku, page=page):
            found += batch
            page += 1
        stars = Counter(r["stars"] for r in found)
        average = sum(s * n for s, n in stars.items()) / sum(stars.values())
        histogram = {s: "*" * stars[s] for s in range(5, 0, -1)}
        return f"{average:.2f}", histogram, max(found, key=lambda r: r["stars"])["text"]


@inputs((Customer("ann", 90), 3), (Customer("bob"), 0))
@workflow
class LoyaltyPoints(Workflow):
    async def run(self, customer, orders):
        for n in range(orders):
            receipt = await pay(Payment.CARD, Decimal(n + 1))
            customer.orders.append(receipt)
            customer = Customer(customer.name, customer.points + 10, customer.orders)
            if customer.points == 100:
                await notify(customer.name, "marketing", text="gold")
        return customer


@inputs((["tea", "cup", "pot"], 2), ([], 1))
@workflow
class Recommendations(Workflow):
    async def run(self, bought, limit):
        lists = await asyncio.gather(*[recommend(sku, limit=limit) for sku in bought])
        mixed = [sku for group in zip(*lists) for sku in group]
        unique = list(dict.fromkeys(s for s in mixed if s not in bought))
        return unique[: limit + 1]


@inputs(("10115",), ("12345",), ("99999",))
@workflow
class ShippingZone(Workflow):
    async def run(self, zip_code):
        zone = next(name for prefix, name in ZONES if zip_code.startswith(prefix))
        days = {"city": 1, "region": 2, "far": 4}[zone]
        await asyncio.sleep(days * 86400)
        return await notify("customer", text=f"{zone}: delivered after {days} day(s)")


@inputs(({"lines": [{"sku": "a"}], "coupon": "TEN"},), ({"lines": [{}], "coupon": "ten"},))
@workflow
class ReadBasket(Workflow):
    async def run(self, raw: dict):
        try:
            basket = Basket.model_validate(raw)
        except ValidationError as e:
            await notify("support", text=str(e.error_count()))
            return [error["type"] for error in e.errors()]
        return basket.model_dump(exclude_none=True)


@inputs((Address(street="Main 1", zip="1"), Address(street="Main 2", zip="1")))
@workflow
class AddressBook(Workflow):
    async def run(self, home: Address, work: Address):
        book = {home: "home", work: "work"}
        moved = home.model_copy(update={"street": "Side 3"})
        await notify("ann", text=moved.street)
        return book[home], moved in book, home == moved, len({home, work, home})


@inputs((3,))
@workflow
class GiftCodes(Workflow):
    async def run(self, n):
        codes = [f"{uuid.uuid4().hex[:8]}-{random.randrange(10)}" for _ in range(n)]
        await notify("ann", text=str(len(codes)))
        return [bool(re.fullmatch(r"[0-9a-f]{8}-\d", c)) for c in codes], len(set(codes)) == n


@inputs((["b:2", "a:1", "b:3"],), ([],))
@workflow
class PickList(Workflow):
    async def run(self, lines):
        totals = defaultdict(int)
        for line in lines:
            sku, count = line.split(":")
            totals[sku] += int(count)
        in_stock = {sku: await get_stock(sku) for sku in sorted(totals)}
        short = {s: n - in_stock[s] for s, n in totals.items() if n > in_stock[s]}
        return sorted(totals.items()), short


@inputs((date(2024, 12, 20), 5), (date(2024, 6, 3), 1))
@workflow
class DeliveryDate(Workflow):
    HOLIDAYS = {date(2024, 12, 25), date(2024, 12, 26)}

    async def run(self, ordered, working_days):
        day = ordered
        while working_days:
            day += timedelta(days=1)
            if day.weekday() < 5 and day not in self.HOLIDAYS:
                working_days -= 1
        await notify("ann", text=f"{day:%A, %d %B}")
        return day


@inputs((["tea", "cup"],), (["none"],))
@workflow
class WatchPrices(Workflow):
    async def run(self, skus):
        seen = {}
        for day in range(3):
            for sku in skus:
                price = await get_price(sku + "!" * day)
                previous = seen.setdefault(sku, price)
                if price > previous:
                    await notify("ann", text=f"{sku} is {price - previous} dearer")
                    seen[sku] = price
            await asyncio.sleep(86_400)
        return seen


@inputs(([5, 3], [4, 4]), ([1], []))
@workflow
class CompareBaskets(Workflow):
    async def run(self, ours, theirs):
        if len(ours) != len(theirs):
            raise ValueError("baskets differ", len(ours), len(theirs))
        wins = sum(a < b for a, b in zip(ours, theirs, strict=True))
        answer = await notify(*["ann"] * wins, text="cheaper") if wins else 0
        return wins, answer, sum(ours) <= sum(theirs)


@inputs((["a", "b", "c", "d", "e"],), (["a"],))
@workflow
class Tournament(Workflow):
    """Products meet in pairs until one is left."""

    async def run(self, products):
        rounds = 0
        while len(products) > 1:
            rounds += 1
            pairs = [products[i : i + 2] for i in range(0, len(products), 2)]
            products = [await self.winner(*pair) for pair in pairs]
        return products[0], rounds

    async def winner(self, first, second=None):
        if second is None:
            return first
        one, two = await asyncio.gather(get_price(first), get_price(second * 2))
        return first if one >= two else second


@inputs(({"a": [1, {"b": None}], "c": "x"},), ([],))
@workflow
class JsonRoundTrip(Workflow):
    async def run(self, data):
        text = json.dumps(data, indent=None, separators=(",", ":"))
        length = await notify(text)
        try:
            json.loads(text[:-1])
        except ValueError as e:
            problem = type(e).__name__
        return json.loads(text) == data, length, problem


@inputs((2,), (5,))
@workflow
class AskSeveralTimes(Workflow):
    async def run(self, limit):
        answers = []
        for attempt in range(limit):
            try:
                answers.append(await pay(Payment.GIFT, Decimal(10 * attempt)))
            except ShopError as error:
                if attempt < limit - 1:
                    answers.append(str(error))
                    continue
                raise RuntimeError("gave up") from error
            finally:
                await notify("log", text=f"{attempt}")
        return answers
