import asyncio
import enum
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, NewType, TypedDict, cast

from pydantic import BaseModel

from waymark import Workflow, action, workflow


class User(BaseModel):
    id: str
    email: str
    nickname: str | None = None


class Admin(User):
    rights: list[str]


@dataclass
class Receipt:
    number: int
    total: Decimal
    note: str | None = None


class Size(TypedDict):
    width: int


class Point(NamedTuple):
    x: int
    y: int


class Color(enum.Enum):
    RED = "red"


class Level(enum.StrEnum):
    HIGH = "high"


UserId = NewType("UserId", str)


@action
async def find_user(id: str) -> User | None: ...


@action
async def fetch_user(id: str) -> User: ...


@action
async def fetch_all(ids: list[str]) -> list[User]: ...


@action
async def send(to: str, subject: str = "hello") -> Receipt: ...


@action
async def paint(color: Color, level: Level, mode: Literal["fast", "slow"] = "fast") -> Point: ...


@action
async def measure(amount: float, day: date | None = None, count: int = 1) -> Size: ...


@action
async def anything(value: Any, optional: str = None) -> Any: ...


@workflow
class Report(Workflow):
    async def run(self, id: UserId, ids: list[str], raw: dict[str, Any]) -> list[Receipt]:
        user = await fetch_user(id)
        await send(id, user.nickname or "none")
        await send(Level.HIGH)
        await measure(3, datetime(2024, 1, 1), count=len(ids) // 2)
        await measure(True, None)
        await paint(Color.RED, "high", mode="slow")
        await paint(Color("red"), Level("high"), raw["mode"])
        await anything(user, None)
        await anything([user, 1], optional=None)
        await fetch_all([])
        names = []
        for one in ids:
            names.append(one)
        await fetch_all(names)
        mixed = [user]
        mixed = [user.id]
        await fetch_all(mixed)
        person: Any = user
        await send(person)
        await send(cast(str, raw))
        value = user if id else "none"
        await send(value)
        if isinstance(value, User):
            value = value.email
        await send(value)
        size = await measure(1.5)
        await measure(size["width"], count=size["width"])
        x, y = await paint(Color.RED, Level.HIGH)
        await measure(x + y / 2)
        await measure(sum([x, y]))
        total = Decimal(0)
        for receipt in await asyncio.gather(send(id), send(id)):
            total += receipt.total
        match raw:
            case {"to": to}:
                await send(to)
            case str() as text:
                await send(text)
        await self.either(user)
        return await asyncio.gather(*[send(one) for one in ids], return_exceptions=True)

    async def either(self, value: User | str, *rest: int, **more: str) -> User:
        if not isinstance(value, str):
            value = value.email
        await send(value)
        admin: Admin = await fetch_user(value)
        return admin
