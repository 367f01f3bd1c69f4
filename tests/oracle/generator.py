"""Authored workflows that nobody wrote, from a seed.

`tests/compiler/test_generated.py` mixes awaits into one body; here whole classes
are made: helpers that call each other, recursion, gathers of all kinds, sleeps,
failures, shared lists, cancelled leftovers, and `try` in every form. A program
writes what it does into a log that it returns, so that order is part of its
outcome, and every wait takes a time of its own, so that order is defined.

Tasks, held gathers, scopes, waits and locks are asyncio's of 3.13. An older Python, which is
the oracle of its own programs, makes none of what its asyncio does in another way.

Programs end: loops and recursion are counted, and a log that grows too long is
returned at once.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field

HEAD = """
import asyncio
from typing import Any
from waymark import Workflow, workflow
from tests.oracle.programs import boom, echo, slow


"""

NUMBERS = ("a", "b", "c")
LISTS = ("xs", "ys")
LOG_MAX = 120

ERRORS = ("ValueError", "KeyError", "ZeroDivisionError", "(KeyError, ValueError)", "Exception")
KINDS = ("value", "key", "zero")


@dataclass
class Writer:
    """One program under way. `helpers` are the functions that may be called from
    here, each with its parameters after `log`."""

    random: random.Random
    lines: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    indent: int = 2
    loops: int = 0
    handlers: int = 0
    budget: int = 0
    places: int = 0
    concurrent: bool = False
    groups: int = 0
    python: tuple[int, int] = sys.version_info[:2]

    # Pieces

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def seconds(self) -> str:
        """A time that no other wait of the program takes."""
        self.places += 1
        return f"{self.random.uniform(0.05, 3):.4f}{self.places:03}"

    def place(self) -> int:
        self.places += 1
        return self.places

    # Expressions

    def number(self, depth: int = 0) -> str:
        if depth > 2 or self.chance(0.35):
            return self.pick(*NUMBERS, *NUMBERS, str(self.random.randint(0, 4)))
        inner = self.number(depth + 1)
        other = self.number(depth + 1)
        return self.pick(
            f"({inner} + {other})",
            f"({inner} - {other})",
            f"({inner} * 2)",
            f"len({self.pick(*LISTS)})",
            f"sum({self.pick(*LISTS)}[:3])",
            f"max({inner}, {other})",
            f"({inner} if {other} else {self.number(depth + 1)})",
            f"({inner} or {other})",
            f"d.get({inner} % 3, {other})",
            f"sum(i for i in range({inner} % 4) if i != {self.pick(*NUMBERS)})",
            f"(await {self.awaitable(depth + 1)} or 0)",
        )

    def test(self) -> str:
        left, right = self.number(1), self.number(1)
        return self.pick(
            f"{left} < {right}",
            f"{left} % 2 == 0",
            f"{left} <= {right} < {self.number(1)}",
            f"{self.pick(*LISTS)}",
            f"not {self.pick(*LISTS)} or {left}",
            f"{left} and {right}",
            f"(c := {left}) != {right}",
            f"{left} in {self.pick(*LISTS)}",
            "xs is ys",
        )

    def awaitable(self, depth: int = 0) -> str:
        """A call that gives a number when awaited, or raises."""
        choices = [
            f"slow({self.number(depth + 2)}, {self.seconds()})",
            f"slow({self.number(depth + 2)}, {self.seconds()})",
            f"echo({self.number(depth + 2)})",
            f"asyncio.sleep({self.seconds()}, {self.number(3)})",
            f"asyncio.sleep(0, {self.number(3)})",
        ]
        if self.chance(0.2):
            choices.append(f"boom({self.pick(*KINDS)!r}, {self.seconds()})")
        if self.helpers:
            helper = self.pick(*self.helpers)
            extra = ", n=3" if helper == "self.again" else ""
            choices += [f"{helper}(log, {self.number(depth + 2)}, {self.pick(*LISTS)}{extra})"] * 2
        return self.pick(*choices)

    def gathered(self, depth: int = 0) -> str:
        """The call of a gather, whose result is a list."""
        parts = [self.awaitable(1) for _ in range(self.random.randint(1, 3))]
        if self.chance(0.3):
            call = f"slow(i, {self.seconds()})"
            if self.helpers and self.chance(0.5):
                call = f"{self.pick(*self.helpers[:1])}(log, i, {self.pick(*LISTS)})"
            width = f"range({self.number(2)} % 4)"
            parts.append(
                self.pick(f"*[{call} for i in {width}]", f"*({call} for i in {width} if i != 1)")
            )
        self.random.shuffle(parts)
        if depth < 1 and self.chance(0.25):
            # Last: one that begins before an await beside it is refused.
            parts.append(self.gathered(depth + 1))
        if self.chance(0.5):
            parts.append("return_exceptions=True")
        return f"asyncio.gather({', '.join(parts)})"

    # Statements

    def block(self, size: int = 3) -> None:
        self.indent += 1
        before = len(self.lines)
        for _ in range(self.random.randint(1, size)):
            self.statement()
        if len(self.lines) == before:
            self.line("pass")
        self.indent -= 1

    def statement(self) -> None:
        if self.budget <= 0:
            self.simple()
            return
        self.budget -= 1
        kinds = [self.simple] * 7 + [self.waits] * 4 + [self.gathers] * 2
        if self.concurrent:
            kinds += [self.tasks] * 5
            kinds += [self.scopes] * 3 if self.indent < 7 and self.python >= (3, 13) else []
        if self.indent < 7:
            kinds += [self.branches, self.tries, self.tries, self.tries, self.matches]
            kinds += [self.counts, self.iterates] if self.loops < 2 else []
        self.random.choice(kinds)()

    def simple(self) -> None:
        name, values = self.pick(*NUMBERS), self.pick(*LISTS)
        choices = [
            f"{name} = {self.number()}",
            f"{name} += {self.number()}",
            f"{values}.append({self.number(1)})",
            f"{values} = {self.pick(*LISTS)}",
            f"{values} = [{self.number(1)}, *{self.pick(*LISTS)}][:4]",
            f"{values}[:1] = [{self.number(1)}]",
            f"{values} += [{self.number(1)}]",
            f"d[{self.number(1)} % 3] = {self.number(1)}",
            f"a, b = b, {self.number(1)}",
            f"a, *ys = [{self.number(1)}, *xs]",
            f"{values} = [i + {self.number(2)} for i in {self.pick(*LISTS)}[:4] if i % 2]",
            f"log.append(({self.place()}, a, b, c, len(xs)))",
            f"log.append(({self.place()}, a, b, c, len(xs)))",
            f"log.append(f'{self.place()} {{{name} + len(ys):>3}} {{{name}!r}}')",
        ]
        leaves = [
            f"return {self.number(1)}",
            f"raise {self.pick('ValueError', 'KeyError')}({self.number(1)})",
            f"assert {self.test()}, {self.number(1)}",
            f"{name} = {self.number(1)} // {self.number(1)}",
            f"{name} = {values}[{self.number(1)}]",
            f"del d[{self.number(1)} % 3]",
            f"del {values}[{self.number(1)}]",
        ]
        if self.loops:
            leaves += ["break", "continue"] * 2
        if self.handlers:
            leaves += ["raise", "raise LookupError(a) from e", "raise e"]
            choices += ["log.append((type(e).__name__, e.args))"] * 2
        self.line(self.pick(*leaves) if self.chance(0.12) else self.pick(*choices))

    def waits(self) -> None:
        name = self.pick(*NUMBERS)
        self.line(
            self.pick(
                f"{name} = await {self.awaitable()}",
                f"{name} = await {self.awaitable()}",
                f"await {self.awaitable()}",
                f"{name} += await {self.awaitable()} or 0",
                f"{self.pick(*LISTS)}.append(await {self.awaitable()})",
                f"xs = [await {self.awaitable(1)} for i in range({self.number(2)} % 3)]",
                f"d = {{i: await {self.awaitable(1)} for i in range(2)}}",
                f"log.append(({self.place()}, await {self.awaitable(1)}, a, len(log)))",
            )
        )

    def gathers(self) -> None:
        self.line(
            self.pick(
                f"log.append(({self.place()}, str(await {self.gathered()})))",
                f"log.append(({self.place()}, await {self.gathered()}))",
                f"await {self.gathered()}",
            )
        )

    def tasks(self) -> None:
        """Futures that are held: all stand in `ts`."""
        group = f"tg{self.groups}" if self.groups and self.chance(0.6) else "asyncio"
        place = self.place()
        choices = [
            *[f"ts.append({group}.create_task({self.awaitable()}))"] * 4,
            f"ts.append({self.gathered()})",
            f"ts.append(asyncio.shield({self.awaitable()}))",
            "if ts: ts.append(asyncio.shield(ts[-1]))",
            f"if ts: a = len(str(await ts[{self.pick('0', '-1')}]))",
            f"if ts: ts[{self.pick('0', '-1')}].cancel({self.pick('', repr(place))})",
            f"asyncio.current_task().cancel({self.pick('', repr(place))})",
            f"log.append(({place}, [(t.done(), t.cancelled()) for t in ts]))",
            f"log.append(({place}, asyncio.current_task().cancelling()))",
            (
                f"if ts: done, rest = await asyncio.wait(ts, timeout={self.seconds()}, return_when="
                f"asyncio.{self.pick('FIRST_COMPLETED', 'FIRST_EXCEPTION', 'ALL_COMPLETED')})"
            ),
            (  # Of those that are over, which comes first is left to the hash of a set.
                "for t in asyncio.as_completed([t for t in ts[:3] if not t.done()]):"
                f" log.append(({place}, str(await t)))"
            ),
            f"async with self.lock: a = await slow({self.number(2)}, {self.seconds()})",
            f"async with self.places: a = await slow({self.number(2)}, {self.seconds()})",
        ]
        if self.python >= (3, 12):
            choices += [
                f"ts.append(asyncio.gather({self.awaitable()}, *ts[-2:]))",
                f"if ts: a = len(str(await asyncio.wait_for(ts[-1], {self.seconds()})))",
                f"a = await asyncio.wait_for({self.awaitable()}, {self.seconds()}) or 0",
            ]
        if self.python >= (3, 13):
            choices.append(f"log.append(({place}, asyncio.current_task().uncancel()))")
        self.line(self.pick(*choices))

    def scopes(self) -> None:
        """`async with`, sometimes with what it raises taken off."""
        caught = self.chance(0.6)
        if caught:
            self.line("try:")
            self.indent += 1
        if self.chance(0.5):
            self.line(f"async with asyncio.timeout({self.seconds()}):")
            self.block(4)
        else:
            self.groups += 1
            self.line(f"async with asyncio.TaskGroup() as tg{self.groups}:")
            self.block(5)
            self.groups -= 1
        if caught:
            self.indent -= 1
            self.handler(self.pick("TimeoutError", "ExceptionGroup", "Exception", "BaseException"))

    def branches(self) -> None:
        self.line(f"if {self.test()}:")
        self.block()
        if self.chance(0.4):
            self.line(f"elif {self.test()}:")
            self.block()
        if self.chance(0.5):
            self.line("else:")
            self.block()

    def matches(self) -> None:
        self.line(f"match [{self.number(1)} % 3, *xs[:2]]:")
        self.indent += 1
        self.line(f"case [0, b] if {self.pick('b < a', 'xs', 'len(ys) > b', 'b in ys')}:")
        self.block()
        self.line("case [1, *ys] | [2, _, *ys]:")
        self.block()
        self.indent -= 1

    def counts(self) -> None:
        count = f"n{self.place()}"
        self.line(f"{count} = 0")
        self.line(f"while {count} < {self.random.randint(1, 3)} and ({self.test()} or {count}):")
        self.looped(f"{count} += 1")

    def iterates(self) -> None:
        self.line(
            self.pick(
                f"for {self.pick(*NUMBERS)} in range({self.random.randint(1, 3)}):",
                f"for {self.pick(*NUMBERS)} in xs[:3]:",
                f"for a, b in enumerate([{self.number(1)}, {self.number(1)}]):",
                f"for b, d[0] in list(d.items())[:{self.random.randint(1, 2)}]:",
                "for a in xs:",
            )
        )
        self.looped(f"log.append({self.place()})")

    def looped(self, first: str) -> None:
        self.indent += 1
        self.line(first)
        self.line(f"if len(log) > {LOG_MAX} or len(xs) > 40:")
        self.line("    return -1")
        self.indent -= 1
        self.loops += 1
        self.block(4)
        self.loops -= 1
        if self.chance(0.25):
            self.line("else:")
            self.block(2)

    def tries(self) -> None:
        handlers = self.random.randint(0, 2)
        self.line("try:")
        self.block(4)
        for _ in range(handlers):
            self.handler(self.pick(*ERRORS))
        if handlers and self.chance(0.2):
            self.handler(self.pick("asyncio.CancelledError", "BaseException"))
        if handlers and self.chance(0.25):
            self.line("else:")
            self.block(2)
        if not handlers or self.chance(0.4):
            self.line("finally:")
            handling, self.handlers = self.handlers, 0
            self.block(2)
            self.handlers = handling

    def handler(self, errors: str) -> None:
        self.line(f"except {errors} as e:")
        self.handlers += 1
        self.block()
        self.handlers -= 1

    # Functions

    def function(self, name: str, parameters: str, budget: int, first: tuple[str, ...]) -> None:
        self.indent = 1
        self.line(f"async def {name}(self, {parameters}) -> Any:")
        self.indent = 2
        for line in first:
            self.line(line)
        self.budget = budget
        for _ in range(self.random.randint(2, 5)):
            self.statement()


def program(seed: int) -> str:
    """The text of a module that defines the workflow `W`; its `run` takes a list
    for the log."""
    writer = Writer(random.Random(seed))
    writer.concurrent = writer.chance(0.7)
    names = ["b, c = a % 3, 1", "ys = xs", "d: dict[int, Any] = {0: a}"]
    begun = list[str]()
    if writer.concurrent:
        names.append("ts: list[Any] = []")
        begun = ["self.lock = asyncio.Lock()", "self.places = asyncio.Semaphore(2)"]
    functions: list[list[str]] = []
    for number in range(writer.random.randint(0, 3)):
        writer.lines = []
        name = "again" if number == 0 and writer.chance(0.4) else f"helper{number}"
        if name == "again":
            ends = ("if n <= 0:", "    return a", *names, "a = await self.again(log, a, xs, n - 1)")
            writer.function(name, "log: Any, a: Any, xs: Any, n: int = 1", 3, ends)
        else:
            writer.function(name, "log: Any, a: Any, xs: Any", 5, tuple(names))
        writer.line("return a + len(log)")
        functions.append(writer.lines)
        writer.helpers.append(f"self.{name}")
    writer.lines = []
    writer.function("run", "log: Any", 9, (*begun, "a, xs = 1, [2, 3]", *names))
    writer.line("return a, b, c, xs, ys, d, xs is ys, log")
    functions.append(writer.lines)
    body = "\n\n".join("\n".join(lines) for lines in reversed(functions))
    return f"{HEAD}@workflow\nclass W(Workflow):\n{body}\n"
