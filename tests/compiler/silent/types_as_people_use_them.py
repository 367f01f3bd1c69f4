from __future__ import annotations
import abc, asyncio, enum, json, typing as t
from collections import defaultdict, Counter
from collections.abc import Mapping, Sequence, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, Annotated, Optional, Union, Self, TypedDict, NotRequired
from uuid import UUID, uuid4
from pydantic import BaseModel, Field, field_validator
from waymark import Workflow, action, workflow
if TYPE_CHECKING:
    from somewhere import Thing
T = TypeVar("T")
class Page(BaseModel, Generic[T]):
    items: list[T]
    next: str | None = None
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...
@dataclass
class Square(Shape):
    side: float
    def area(self) -> float: return self.side**2
    @classmethod
    def of(cls, side: float) -> Self: return cls(side)
class Named(Protocol):
    name: str
@dataclass
class Base:
    id: int
    tags: dict[str, str] = field(default_factory=dict)
    parent: Base | None = None
    def __post_init__(self) -> None:
        self.cached = self.id
@dataclass
class Child(Base):
    extra: str = ""
class Paid(BaseModel):
    kind: Literal["paid"] = "paid"
    receipt: str
class Declined(BaseModel):
    kind: Literal["declined"] = "declined"
    reason: str
Outcome = Annotated[Union[Paid, Declined], Field(discriminator="kind")]
class Row(TypedDict):
    id: int
    name: NotRequired[str]
class Status(enum.StrEnum):
    NEW = "new"
class Loose(BaseModel, extra="allow"):
    id: int
class Mixin:
    name: str = "m"
class Combined(Base, Mixin): pass
@action
async def page(cursor: str | None) -> Page[Child]: ...
@action
async def shape(s: Shape) -> Square: ...
@action
async def named(n: Named, m: Mixin) -> Thing: ...
@action
async def base(b: Base) -> Base: ...
@action
async def pay(amount: Decimal, key: UUID | str, at: datetime | None = None) -> Outcome: ...
@action
async def rows(where: Mapping[str, Any], cols: Sequence[str] = ()) -> list[Row]: ...
@action
async def text(s: str) -> str: ...
@action
async def num(n: float, k: int = 0) -> int: ...
@action
async def loose(v: Loose | None = None, items: Iterable[int] = ()) -> Loose: ...
@action
async def opt(a: Optional[int]) -> Optional[Base]: ...
@action
async def raw(body: str | bytes | dict) -> dict: ...
@workflow
class W(Workflow):
    limit: int = 3
    names = ["a"]
    async def run(self, n: int, data: dict[str, list[int]], when: datetime, who: Optional[str] = None) -> dict[str, object]:
        cursor = None
        found: list[Child] = []
        while True:
            got = await page(cursor)
            found.extend(got.items)
            if not got.next:
                break
            cursor = got.next
        for one in found:
            await base(one)
            await text(one.extra or str(one.id))
            await num(one.cached)
            if one.parent and one.parent.parent:
                await base(one.parent.parent)
        sq = await shape(Square(2))
        await shape(Square.of(3))
        await num(sq.area(), k=round(sq.area()))
        thing = await named(Combined(1), Combined(2))
        await text(thing.name)
        b = await base(Child(1))
        await named(b, b)
        out = await pay(Decimal("1.5"), uuid4(), datetime.now(UTC))
        if out.kind == "paid":
            await text(out.receipt)
        else:
            await text(out.reason)
        for row in await rows({"a": 1}, ["x"]):
            await num(row["id"])
            await text(row.get("name", "?"))
            await text(row["name"])
        counts: dict[str, int] = defaultdict(int)
        counts["a"] += 1
        c = Counter("abc")
        await num(c["a"])
        await num(counts["a"] / 2 if counts else 0)
        v = await loose(None, range(3))
        await text(v.anything)
        await loose(v, {1, 2})
        total = await self.numbers(n, data, when, who)
        await self.branches(n, found, b)
        await self.tidy(found, limit=self.limit)
        return {"a": total, "b": [f.id for f in found]}

    async def numbers(self, n: int, data: dict[str, list[int]], when: datetime, who: str | None) -> int:
        total = 0
        for key, values in data.items():
            total += sum(values)
            await text(key.upper())
            await num(max(values), min(values))
        await num(total)
        p = await opt(n if n > 0 else None)
        await text(f"{p.id if p is not None else '-'}")
        if p is None:
            p = Base(1)
        await base(p)
        q = replace(p, id=4)
        await base(q)
        delta = datetime.now(UTC) - when
        await num(delta.total_seconds())
        later = when + timedelta(days=n)
        await pay(Decimal(n), "k", later)
        await pay(Decimal(1) * 2, "k")
        r = await raw({"a": 1})
        await text(r["x"]["y"])
        await text(json.dumps(r))
        m = who.strip() if who else "x"
        await text(m)
        who = who or "someone"
        await text(who)
        results = await asyncio.gather(*(text(x) for x in self.names), return_exceptions=True)
        ok, bad = [], []
        for x in results:
            (bad if isinstance(x, BaseException) else ok).append(x)
        await text(ok[0])
        return total

    async def branches(self, n: int, found: list[Child], b: Base) -> list[bool]:
        a, *rest = [1, 2, 3]
        await num(a, len(rest))
        first, second = (await rows({}))[:2]
        await num(first["id"])
        x = n
        x = str(x)
        await text(x)
        y = "1"
        if n:
            y = int(y)
        await num(y)
        z = None
        try:
            z = await base(b)
        finally:
            if z is not None:
                await base(z)
        status = Status.NEW
        await text(status)
        await text(status.value)
        pairs = sorted({"b": 2}.items(), key=lambda kv: kv[1])
        await text(pairs[0][0])
        await num(pairs[0][1])
        nested = [[i for i in range(3)] for _ in range(2)]
        await num(nested[0][1])
        top = max(found, key=lambda f: f.id, default=None)
        if top is not None:
            await base(top)
        lookup = {f.id: f for f in found}
        maybe = lookup.get(3)
        if maybe:
            await text(maybe.extra)
        await text(lookup[1].extra)
        flags = [f is not None for f in found]
        word = "a" * n + "b" % ()
        await text(word)
        w = (await opt(1)) or Base(2)
        await base(w)
        u = await opt(1)
        if isinstance(u, Child):
            await text(u.extra)
        elif u:
            await base(u)
        k = await opt(2)
        if k is None or k.id < 0:
            return flags
        await num(k.id)
        while (nxt := await opt(k.id)) is not None:
            k = nxt
            if not k.parent:
                break
            await base(k.parent)
        return flags

    async def tidy(self, items: Sequence[Base], *, limit: int | None = None) -> str | None:
        limit = limit if limit is not None else 10
        for i, item in enumerate(items[:limit]):
            await num(i)
            await base(item)
        return None
