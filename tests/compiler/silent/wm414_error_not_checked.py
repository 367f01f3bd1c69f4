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
    async def run(self, ids: list[str]) -> list[Any]:
        users = await asyncio.gather(*[fetch_user(id) for id in ids], return_exceptions=True)
        good = [user for user in users if not isinstance(user, BaseException)]
        for user in good:
            await send(user.email)
        for id, user in zip(ids, users):
            if isinstance(user, Exception):
                await send(id, str(user))
                continue
            await send(user.email)
        receipts = await asyncio.gather(*[send(id) for id in ids], return_exceptions=True)
        if any(isinstance(receipt, BaseException) for receipt in receipts):
            raise RuntimeError("some failed")
        numbers = [receipt.number for receipt in receipts]
        results = await asyncio.gather(send("a"), send("b"), return_exceptions=True)
        for result in results:
            match result:
                case Receipt():
                    numbers.append(result.number)
                case BaseException():
                    await anything(result.args)
        first, second = await asyncio.gather(fetch_user("a"), fetch_user("b"))
        await send(first.email, second.email)
        errors = await asyncio.gather(send("a"), return_exceptions=True)
        failed = [str(error) for error in errors if isinstance(error, BaseException)]
        await anything(errors)
        return [*numbers, *failed, errors[0], users[0].args]
