"""Programs that read like real work: rules, forms, games, forecasts; short and functional."""

import asyncio as aio
import collections
import functools
import itertools
import math
import operator as op
import re
import string
from datetime import date, timedelta
from decimal import Decimal as D
from enum import Enum, auto
from typing import Any, NamedTuple, TypedDict

from pydantic import BaseModel, Field

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

MOVES = {"rock": "scissors", "paper": "rock", "scissors": "paper"}
WEIGHTS = [("income", 0.5), ("age", 0.2), ("debt", -0.3)]
ROMAN = [(10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]


class Verdict(Enum):
    ACCEPT = auto()
    REVIEW = auto()
    REJECT = auto()

    def __str__(self):
        return self.name.lower()


class Vec(NamedTuple):
    x: int
    y: int

    def moved(self, dx, dy):
        return self._replace(x=self.x + dx, y=self.y + dy)


class Form(BaseModel):
    email: str = ""
    age: int = Field(default=0)
    extra: dict[str, str] = {}


class Rule(TypedDict):
    field: str
    op: str
    value: int


class RuleError(ValueError):
    pass


@action
async def score(who, factors):
    record("score", who, factors)
    await aio.sleep(0.2)
    return round(sum(factors.values()), 2)


@action
async def tell(who, what=None):
    record("tell", who, what)
    await aio.sleep(0.1)
    return what


@action
async def choose(player, options):
    record("choose", player, options)
    await aio.sleep(0.3)
    return options[len(player) % len(options)]


@action
async def weather(day):
    record("weather", day)
    await aio.sleep(0.5)
    if day.day == 13:
        raise ConnectionAbortedError("station is down")
    return 10 + day.day % 7


@action
async def confirm(address):
    record("confirm", address)
    await aio.sleep(1.5)
    return address.endswith(".org")


@inputs(({"income": 10, "age": 4, "debt": 2},), ({"income": 1, "debt": 9},), ({},))
@workflow
class CreditScore(Workflow):
    async def run(self, facts):
        factors = {k: facts[k] * w for k, w in WEIGHTS if k in facts}
        total = await score("applicant", factors)
        verdict = Verdict.ACCEPT if total > 4 else Verdict.REVIEW if total > 0 else Verdict.REJECT
        if verdict is Verdict.REVIEW:
            verdict = Verdict[(await choose("clerk", ["ACCEPT", "REJECT"]))]
        return str(verdict), total


@inputs((["ann", "bobby"], 3), (["x", "y"], 1))
@workflow
class RockPaperScissors(Workflow):
    async def run(self, players, rounds):
        wins = dict.fromkeys(players, 0)
        for n in range(rounds):
            a, b = await aio.gather(
                *(choose(p + "!" * n * i, [*MOVES]) for i, p in enumerate(players))
            )
            if a != b:
                wins[players[MOVES[a] != b]] += 1
        best = max(wins.values())
        return wins, [p for p, w in wins.items() if w == best]


OPS = {"<": op.lt, ">": op.gt, "==": op.eq}


@inputs(
    ([{"field": "age", "op": ">", "value": 17}], {"age": 20}),
    ([{"field": "x", "op": "?", "value": 1}], {}),
)
@workflow
class RuleEngine(Workflow):
    async def run(self, rules: list[Rule], facts: dict[str, int]) -> Any:
        failed = []
        for number, rule in enumerate(rules):
            match rule:
                case {"field": name, "op": "<" | ">" | "==" as sign, "value": value}:
                    holds = {"<": op.lt, ">": op.gt, "==": op.eq}[sign](facts.get(name, 0), value)
                    if not holds:
                        failed.append(number)
                case {"op": sign}:
                    raise RuleError(f"rule {number}: operator {sign!r}")
        await tell("engine", failed)
        return not failed


@inputs(({"email": "a@b.org", "age": "7"},), ({"email": "x", "age": "-1", "foo": "1"},))
@workflow
class ValidateForm(Workflow):
    async def run(self, raw):
        known = {"email", "age"}
        form = Form(
            email=raw.get("email", ""),
            age=int(raw.get("age") or 0),
            extra={k: v for k, v in raw.items() if k not in known},
        )
        errors = []
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", form.email):
            errors.append("email")
        elif not await confirm(form.email):
            errors.append("unconfirmed")
        errors += ["age"] * (not 0 <= form.age < 150)
        return form.model_dump() if not errors else errors


@inputs((14,), (4,), (0,))
@workflow
class RomanNumeral(Workflow):
    async def run(self, n):
        text = ""
        for value, letters in ROMAN:
            count, n = divmod(n, value)
            text += letters * count
        return await tell("caesar", text) or "nulla"


@inputs((date(2024, 5, 11), 4), (date(2024, 5, 1), 2))
@workflow
class Forecast(Workflow):
    async def run(self, start, days):
        seen, gaps = [], []
        for day in (start + timedelta(n) for n in range(days)):
            try:
                seen.append(await weather(day))
            except ConnectionError as e:
                gaps.append(f"{day:%d.%m.}: {e}")
                seen.append(seen[-1] if seen else 0)
        trend = [b - a for a, b in itertools.pairwise(seen)]
        return seen, gaps, functools.reduce(op.add, trend, 0)


@inputs(("^>v<>",), ("",), ("^x",))
@workflow
class RobotOnGrid(Workflow):
    async def run(self, commands):
        steps = {"^": (0, 1), "v": (0, -1), ">": (1, 0), "<": (-1, 0)}
        at, seen = Vec(0, 0), {Vec(0, 0)}
        for c in commands:
            try:
                at = at.moved(*steps[c])
            except KeyError:
                await tell("robot", f"unknown {c}")
                break
            if at in seen:
                await tell("robot", f"again at {at.x},{at.y}")
            seen.add(at)
        return at, len(seen), abs(at.x) + abs(at.y)


@inputs((6,), (1,))
@workflow
class Primes(Workflow):
    async def run(self, n):
        found = []
        for candidate in itertools.count(2):
            if len(found) >= n:
                break
            if all(candidate % p for p in itertools.takewhile(lambda p: p * p <= candidate, found)):
                found.append(candidate)
                if candidate % 4 == 3:
                    await tell("prime", candidate)
        return found, math.prod(found)


@inputs(("hello world", 3), ("xyz", 30))
@workflow
class CaesarCipher(Workflow):
    async def run(self, text, shift):
        letters = string.ascii_lowercase
        table = str.maketrans(letters, letters[shift % 26 :] + letters[: shift % 26])
        secret = await tell("spy", text.translate(table))
        back = {v: k for k, v in table.items()}
        return secret, secret.translate(back) == text


@inputs(([D("1.10"), D("2.25"), D("0.05")], D("3.00")), ([], D("1")))
@workflow
class CoinsForAmount(Workflow):
    async def run(self, coins, amount):
        best = await self.search(tuple(sorted(coins, reverse=True)), amount)
        return best and [str(c) for c in best]

    async def search(self, coins, left, used=()):
        if left == 0:
            return used
        for i, coin in enumerate(coins):
            if coin <= left and (
                found := await self.search(coins[i + 1 :], left - coin, (*used, coin))
            ):
                return found
        if not used:
            await tell("cashier", f"no way for {left}")
        return None


@inputs((["a>b", "b>c", "a>d"], "a"), (["a>b", "b>a"], "a"))
@workflow
class Rumours(Workflow):
    async def run(self, edges, start):
        graph = collections.defaultdict(list)
        for edge in edges:
            left, right = edge.split(">")
            graph[left].append(right)
        heard, frontier, day = {start: 0}, [start], 0
        while frontier:
            day += 1
            told = await aio.gather(
                *(tell(who, by) for by in frontier for who in graph[by] if who not in heard)
            )
            frontier = [who for by in frontier for who in graph[by] if who not in heard]
            heard |= dict.fromkeys(frontier, day)
            if not told:
                break
        return heard


@inputs((5,), (1,))
@workflow
class Pascal(Workflow):
    async def run(self, n):
        row, rows = [1], []
        for _ in range(n):
            rows.append(row)
            row = [a + b for a, b in zip([0, *row], [*row, 0])]
        width = len(" ".join(map(str, rows[-1])))
        shown = [" ".join(map(str, r)).center(width).rstrip() for r in rows]
        await tell("class", shown[-1])
        return shown


@inputs((["3", "+", "4", "2", "*"],), (["1", "0", "/"],), (["+"],))
@workflow
class PostfixCalculator(Workflow):
    async def run(self, tokens):
        stack = []
        for token in tokens:
            if token.isdigit():
                stack.append(int(token))
                continue
            try:
                right, left = stack.pop(), stack.pop() if stack else 1
            except IndexError as e:
                return f"{token}: {e}"
            try:
                stack.append(
                    {
                        "+": lambda: left + right,
                        "*": lambda: left * right,
                        "/": lambda: left / right,
                    }[token]()
                )
            except ZeroDivisionError:
                stack.append(await tell("user", "infinity"))
        return stack


@inputs((3, 3), (1, 2))
@workflow
class Board(Workflow):
    async def run(self, width, height):
        cells = [["." for _ in range(width)] for _ in range(height)]
        for n, (y, x) in enumerate(itertools.product(range(height), range(width))):
            if (x + y) % 2 == 0:
                cells[y][x] = await choose("p" * n, ["#", "o", "x"])
        columns = ["".join(c) for c in zip(*cells)]
        return ["".join(r) for r in cells], columns, any(len(set(r)) == 1 for r in cells)


@inputs(({"a": 3, "b": 1},), ({},))
@workflow
class ElectionSeats(Workflow):
    async def run(self, votes, seats=5):
        won = collections.Counter()
        for _ in range(seats):
            if not votes:
                break
            party = max(votes, key=lambda p: (votes[p] / (won[p] + 1), p))
            won[party] += 1
            await tell("board", f"{party} {won[party]}")
        return dict(won), won.total()


@inputs(("abcab", 2), ("", 1))
@workflow
class SlidingWindow(Workflow):
    async def run(self, text, size):
        windows = ["".join(w) for w in zip(*(text[i:] for i in range(size)))]
        repeated = [w for w, n in collections.Counter(windows).items() if n > 1]
        return [await tell("repeat", w) for w in repeated], len(windows)


@inputs((10, 3), (3, 10))
@workflow
class Josephus(Workflow):
    async def run(self, n, k):
        ring = collections.deque(range(1, n + 1))
        out = []
        while len(ring) > 1:
            ring.rotate(-(k - 1))
            out.append(ring.popleft())
            if len(out) % 3 == 0:
                await tell("out", out[-1])
        return ring[0], out


@inputs(([2, 7, 11, 15], 9), ([1], 4))
@workflow
class TwoSum(Workflow):
    async def run(self, numbers, target):
        seen = {}
        for i, n in enumerate(numbers):
            if (j := seen.get(target - n)) is not None:
                return await tell("found", (j, i))
            seen[n] = i
        raise LookupError(target)


@inputs(("aab",), ("abc",))
@workflow
class Anagrams(Workflow):
    async def run(self, word):
        words = sorted({"".join(p) for p in itertools.permutations(word)})
        checked = await aio.gather(*(confirm(f"{w}.{'org' if w < 'b' else 'com'}") for w in words))
        return list(itertools.compress(words, checked)), words.index(word)
