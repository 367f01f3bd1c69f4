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
    async def run(self, id: str, raw: Any) -> str:
        user = await fetch_user(id)
        await send(user.model_dump_json())
        if user.email:
            await send(user.model_copy(update={"id": "b"}).email)
        rights = user.rights if isinstance(user, Admin) else []
        receipt = await send(id.upper().title())
        point = await paint(Color.RED, Level.HIGH)
        await measure(point.x + point._replace(x=3).y + receipt.number)
        await send(Color.RED.value + Color.RED.name)
        maybe = await fetch_user(id)
        try:
            await send(maybe.phone)
        except AttributeError:
            await send("no phone")
        # A class that inherits from `User` declares it.
        await send(",".join(user.rights + rights))
        error = (await asyncio.gather(send(id), return_exceptions=True))[0]
        if isinstance(error, OSError):
            await send(error.strerror)
        return raw.anything
