"""Programs that read like real work: a bank's desk, a clinic, a library; careful with errors."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import copy
import dataclasses
import datetime as dt
import enum
import itertools as it
import math
import re
from dataclasses import dataclass, field
from typing import Any

import pydantic

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

RETRYABLE = (ConnectionError, TimeoutError)
LIMITS = {"basic": 1_000, "gold": 10_000}


class BankError(Exception):
    """Base of what goes wrong here."""

    code = 1


class Overdrawn(BankError):
    code = 2

    def __init__(self, account: str, by: int) -> None:
        super().__init__(account, by)
        self.account = account
        self.by = by

    def __str__(self) -> str:
        return f"{self.account} overdrawn by {self.by}"


class Frozen(BankError):
    code = 3


class Tier(enum.Enum):
    BASIC = "basic"
    GOLD = "gold"

    @classmethod
    def of(cls, balance: int) -> Tier:
        return cls.GOLD if balance > 5_000 else cls.BASIC


class Account(pydantic.BaseModel):
    iban: str
    balance: int = 0
    tier: Tier = Tier.BASIC
    history: list[tuple[str, int]] = pydantic.Field(default_factory=list)


@dataclass
class Book:
    isbn: str
    copies: int = 1
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True, order=True)
class Appointment:
    at: dt.datetime
    doctor: str
    minutes: int = 15

    @property
    def ends(self) -> dt.datetime:
        return self.at + dt.timedelta(minutes=self.minutes)


@action
async def move(source: str, target: str, amount: int) -> int:
    record("move", source, target, amount)
    await asyncio.sleep(0.4)
    if source == "frozen":
        raise Frozen("by court order")
    if source == "poor" and amount > 10:
        raise Overdrawn(source, amount - 10)
    if target == "flaky":
        raise ConnectionResetError("peer")
    return amount


@action
async def audit(line: str, *, severity: int = 0) -> None:
    record("audit", line, severity)
    await asyncio.sleep(0.01)
    if severity > 8:
        raise RuntimeError("audit is full")


@action
async def account(iban: str) -> Account:
    record("account", iban)
    await asyncio.sleep(0.1)
    return Account(iban=iban, balance=len(iban) * 1_000)


@action
async def lend(isbn: str, reader: str) -> dict[str, Any]:
    record("lend", isbn, reader)
    await asyncio.sleep(0.2)
    return {"isbn": isbn, "reader": reader, "fee": None if reader == "kid" else 1.5}


@action
async def ask(question: str, options: list[str]) -> str:
    record("ask", question, options)
    await asyncio.sleep(5)
    return options[len(question) % len(options)]


@inputs((["a", "poor", "b"],), (["frozen", "a"],), ([],))
@workflow
class NightlyTransfers(Workflow):
    async def run(self, sources: list[str]) -> Any:
        codes: dict[str, int] = {}
        moved = 0
        for source in sources:
            try:
                moved += await move(source, "vault", 100)
            except Overdrawn as e:
                codes[e.account] = e.code
                await audit(str(e), severity=e.code)
            except BankError as e:
                codes[source] = e.code
                await audit(f"{type(e).__name__}: {e}", severity=9 - e.code)
                break
            else:
                codes[source] = 0
        else:
            await audit("all done")
        return moved, codes


@inputs(("a", "b"), ("a", "flaky"), ("poor", "b"))
@workflow
class TransferWithContext(Workflow):
    async def run(self, source: str, target: str) -> int:
        try:
            return await move(source, target, 50)
        except RETRYABLE as error:
            await audit("network")
            raise BankError(f"{source} to {target}") from error
        except Overdrawn:
            try:
                await audit("overdrawn", severity=9)
            except RuntimeError as inner:
                raise BankError("twice wrong") from inner
            raise


@inputs((3,), (0,))
@workflow
class FinallyOrder(Workflow):
    async def run(self, n: int) -> list[str]:
        log: list[str] = []
        for i in range(n + 1):
            try:
                log.append(f"try {i}")
                if i == 1:
                    continue
                try:
                    if i == 2:
                        break
                    await move("poor", "x", 5 * i + 9)
                finally:
                    log.append(f"inner {i}")
                    await audit(f"inner {i}")
            except Overdrawn as e:
                log.append(str(e))
            finally:
                log.append(f"outer {i}")
        return log


@inputs((["a", "frozen", "poor", "b"],), (["a"],))
@workflow
class AllErrorsAtOnce(Workflow):
    async def run(self, sources: list[str]) -> int:
        results = await asyncio.gather(*(move(s, "t", 20) for s in sources), return_exceptions=True)
        errors = [r for r in results if isinstance(r, Exception)]
        if len(errors) > 1:
            raise ExceptionGroup("transfers", errors)
        return sum(r for r in results if isinstance(r, int))


@inputs(("DE1",), ("DE22222",))
@workflow
class Upgrade(Workflow):
    async def run(self, iban: str) -> Account:
        found = await account(iban)
        tier = Tier.of(found.balance)
        if tier is not found.tier:
            found = found.model_copy(update={"tier": tier})
            found.history.append((f"to {tier.name}", found.balance))
        limit = LIMITS[found.tier.value]
        while found.balance > limit:
            moved = await move(iban, "savings", min(1_000, found.balance - limit))
            found.balance -= moved
            found.history.append(("moved", moved))
        return found


@inputs(([("b1", "ann"), ("b1", "bob"), ("b2", "kid"), ("b1", "cid")],), ([],))
@workflow
class Library(Workflow):
    async def run(self, requests: list[tuple[str, str]]) -> Any:
        shelf = {"b1": Book("b1"), "b2": Book("b2", 2)}
        fees: list[float] = []
        for isbn, reader in requests:
            book = shelf[isbn]
            if not book.copies:
                book.waiting.append(reader)
                continue
            book.copies -= 1
            loan = await lend(isbn, reader)
            fees.append(loan["fee"] or 0.0)
        queues = {b.isbn: b.waiting for b in shelf.values() if b.waiting}
        return dataclasses.asdict(shelf["b1"]), queues, math.fsum(fees)


DAY = dt.datetime(2024, 5, 6, 9, tzinfo=dt.timezone.utc)


@inputs((["ann", "bob", "cid"], 30), (["ann"], 50))
@workflow
class PlanClinic(Workflow):
    async def run(self, patients: list[str], minutes: int) -> Any:
        plan: list[Appointment] = []
        doctors = it.cycle(["dr. a", "dr. b"])
        free = collections.defaultdict(lambda: DAY)
        for patient, doctor in zip(patients, doctors):
            begin = free[doctor]
            appointment = Appointment(begin, doctor, minutes)
            free[doctor] = appointment.ends + dt.timedelta(minutes=5)
            plan.append(appointment)
            await audit(f"{patient} at {begin:%H:%M}")
        plan.sort(reverse=True)
        latest = max(plan, key=lambda a: a.ends)
        return [f"{a.doctor} {a.at:%H:%M}-{a.ends:%H:%M}" for a in plan], latest.doctor


@inputs(("coffee or tea", 2), ("x", 0))
@workflow
class AskUser(Workflow):
    async def run(self, question: str, follow_ups: int) -> list[str]:
        answers = [first := await ask(question, ["yes", "no", "maybe"])]
        while follow_ups and first != "no":
            answers.append(await ask(question + "?" * follow_ups, ["yes", "no"]))
            follow_ups -= 1
            if answers[-1] == "no":
                break
        else:
            answers.append("end")
        return answers


@inputs(([1, 2, 3, 4],), ([],))
@workflow
class Aliases(Workflow):
    """Two names for one list, a copy for the action, and a result that is a copy, too."""

    async def run(self, numbers: list[int]) -> Any:
        same = numbers
        shallow = numbers[:]
        nested = [numbers, numbers]
        deep = copy.deepcopy(nested)
        echoed = await ask("which?", [str(n) for n in numbers] or ["none"])
        numbers.append(5)
        nested[0].append(6)
        deep[0].append(7)
        return same is numbers, nested[0] is nested[1], deep[0] is deep[1], shallow, deep, echoed


@inputs(("(+49) 123-45 67",), ("none",))
@workflow
class NormalizePhone(Workflow):
    PATTERN = re.compile(r"\D+")

    async def run(self, number: str) -> str | None:
        digits = self.PATTERN.sub("", number)
        if not digits:
            return None
        with contextlib.suppress(LookupError):
            country = {"49": "DE", "43": "AT"}[digits[:2]]
            await audit(f"phone of {country}")
        return "+" + digits


@inputs((5, 2), (1, 1), (0, 3))
@workflow
class Permissions(Workflow):
    READ, WRITE, ADMIN = (1 << n for n in range(3))

    async def run(self, granted: int, asked: int) -> Any:
        if granted & self.ADMIN or granted & asked == asked:
            await audit(f"{asked:03b} of {granted:03b}")
            return True
        missing = asked & ~granted
        names = [n for n, bit in (("read", self.READ), ("write", self.WRITE)) if missing & bit]
        raise PermissionError(", ".join(names))


@inputs(([3, 1, 2],), ([],))
@workflow
class NestedComprehensions(Workflow):
    async def run(self, sizes: list[int]) -> Any:
        grid = [[await move(f"r{r}", f"c{c}", r * c) for c in range(r) if c] for r in sizes]
        lookup = {r: {c: v for c, v in enumerate(row)} for r, row in zip(sizes, grid)}
        distinct = {v for row in grid for v in row}
        total = sum([await move("sum", "x", v) for v in sorted(distinct)])
        return lookup, total, any(v > 3 for row in grid for v in row)


@inputs((True, 1), (False, 2), (None, 0))
@workflow
class ShortCircuits(Workflow):
    async def run(self, flag: bool | None, n: int) -> Any:
        a = flag and await move("a", "b", n)
        b = flag or await move("c", "d", n + 1)
        c = await move("e", "f", n) if flag is not None else "none"
        d = not flag and 0 < await move("g", "h", n) < 2
        text = f"{await ask('q', ['x', 'y'])!r:>5}" if n else ""
        return a, b, c, d, text


@inputs((7,), (12,))
@workflow
class WhileTrueWithReturn(Workflow):
    async def run(self, limit: int) -> Any:
        total, step = 0, 1
        while True:
            try:
                total += await move("x", "y", step)
                if total >= limit:
                    return total, step
            finally:
                step *= 2
                if step > 64:
                    break
        return None


@inputs((dict(name="x", tags=["a"]),), ({"kind": "b", "n": 3},), ([1, [2, 3]],), ("s",), (None,))
@workflow
class MatchShapes(Workflow):
    async def run(self, value: Any) -> Any:
        match value:
            case {"name": str(name), "tags": [first, *_], **rest} if not rest:
                return await ask(name, [first])
            case {"kind": "a" | "b" as kind, "n": int(n)}:
                return kind, await move(kind, "z", n)
            case [int() as head, [*tail]] | (head, tail):
                return head, sum(tail)
            case str() | bytes():
                return "text"
            case None:
                await audit("nothing")
        return "fell through"


@inputs((2,), (0,))
@workflow
class KeywordOnly(Workflow):
    async def run(self, n: int, /, scale: int = 3, *, names: tuple[str, ...] = ("x",)) -> Any:
        options = {"severity": n}
        await audit("options", **options)
        args = ["from", "to"]
        values = [await move(*args, n * scale), await move(*args, amount=n)]
        return values, await self.total(*values, extra=n, **{"bonus": 1})

    async def total(self, *values: int, extra: int = 0, **more: int) -> int:
        await audit(f"{len(values)} values, {sorted(more)}")
        return sum(values) + extra + sum(more.values())


@inputs(("2024-05-06T10:00:00+00:00", 90), ("bad", 1))
@workflow
class ParseTimes(Workflow):
    async def run(self, text: str, minutes: int) -> str:
        try:
            at = dt.datetime.fromisoformat(text)
        except ValueError as e:
            await audit(f"{e}")
            return "invalid"
        later = at + dt.timedelta(minutes=minutes)
        hours, rest = divmod((later - at).seconds, 3600)
        await audit(f"{hours}:{rest // 60:02}")
        return later.isoformat(timespec="minutes")


@inputs((4,), (1,))
@workflow
class Collatz(Workflow):
    async def run(self, n: int) -> list[int]:
        seen = [n]
        while n != 1 and len(seen) < 50:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            seen.append(n)
            if n & (n - 1) == 0:
                await audit(f"power of two: {n}")
        return seen
