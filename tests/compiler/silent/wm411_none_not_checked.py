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
    async def run(self, id: str, limit: int | None = None, name: str | None = None) -> str:
        user = await find_user(id)
        if user is None:
            raise LookupError(id)
        await send(user.email)
        await send(user.nickname or "nobody")
        other = await find_user(id)
        if not other:
            return "no other"
        await send(other.email)
        if other.nickname is not None and other.nickname.strip():
            await send(other.nickname)
        third = await find_user(id)
        await send(third.email if third else "none")
        names = [one.nickname.upper() for one in await fetch_all([id]) if one.nickname]
        assert limit is not None
        await measure(limit + 1)
        while (fourth := await find_user(id)) is None:
            await asyncio.sleep(1)
        await send(fourth.email)
        fifth = await find_user(id)
        known = fifth is not None
        if known:
            await send(fifth.email)
        sixth, seventh = await asyncio.gather(find_user(id), find_user(id))
        if sixth is None or seventh is None:
            return "missing"
        await send(sixth.email + seventh.email)
        eighth = await find_user(id)
        if not all([eighth, sixth]):
            return "missing"
        await send(eighth.email)
        best = None
        for one in await fetch_all([id]):
            if best is None or one.email > best.email:
                best = one
        await send(best.email)
        ninth = await find_user(id)
        match ninth:
            case None:
                return "none"
            case User(email=email):
                await send(email)
        match await find_user(id):
            case None:
                return "none"
            case found:
                await send(found.email)
        await self.check(name)
        await send(name.strip())
        try:
            tenth = await find_user(id)
            await send(tenth.email)
        except AttributeError:
            return "nobody"
        return " ".join(names)

    async def check(self, name: str | None) -> None:
        if name is None:
            raise ValueError("no name")
        try:
            user = await find_user(name)
            if user is None:
                raise LookupError(name)
            await send(user.email)
        except OSError:
            await send(user.email)
        finally:
            await asyncio.sleep(1)
