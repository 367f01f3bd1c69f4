"""Programs that nobody wrote, second kind: objects, aliases, state and shapes.

`generator` is at home in control flow over numbers; here values have identity. Lists
are shared between names, dicts, objects and the workflow itself, are changed in place
through any of them, and travel into actions as copies. Objects are built over them
and run their author's code (`total`, `moved`), which is recorded. Helpers, plain and
async, change what they were given. Errors of the programs' own classes cross all of
that, are grouped and split.

As there, all that happens is noted in `log`, every wait takes a time of its own, and
loops and recursion are counted.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

HEAD = """
import asyncio, copy
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from waymark import Workflow, action, workflow
from tests.oracle.host import record
from tests.oracle.programs import boom, slow

SHARED = {"one": [1], "two": [2, 2]}

@dataclass
class Point:
    x: int
    items: list[int] = field(default_factory=list)
    def moved(self, n: int) -> "Point": return Point(self.x + n, self.items)
    def larger(self, other: "Point") -> bool: return self.x > other.x
    @property
    def total(self) -> int: return self.x + sum(self.items[:5])

class Pair(NamedTuple):
    left: int
    right: int = 0

class Odd(Exception):
    def __init__(self, n: int, items: Any = ()) -> None:
        super().__init__(n)
        self.items = list(items)[:3]

class Odder(Odd):
    pass

@action
async def grow(p: Point, seconds: float) -> Point:
    p = copy.deepcopy(p)  # an action gets copies
    record("grow", p.x, copy.copy(p.items))
    await asyncio.sleep(seconds)
    if p.x % 5 == 4:
        raise Odd(p.x, p.items)
    p.items.append(p.x)
    return p

@action
async def tail(xs: list[int], seconds: float) -> list[int]:
    xs = copy.deepcopy(xs)
    record("tail", copy.deepcopy(xs))
    await asyncio.sleep(seconds)
    return xs[1:]

"""

#: What each function of a program may name.
NUMBERS = ("a", "b")
LISTS = ("xs", "ys")
POINTS = ("p", "q")
KEYS = ('"one"', '"two"', '"k"', "a % 3")
ERRORS = ("Odd", "Odder", "IndexError", "(KeyError, Odd)", "LookupError", "Exception")
LOG_MAX = 90
ITEMS_MAX = 60


@dataclass
class ObjectWriter:
    """One program under way. `plain` and `helpers` are what may be called from here."""

    random: random.Random
    lines: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    awaits: bool = True
    indent: int = 2
    loops: int = 0
    handlers: int = 0
    budget: int = 0
    places: int = 0

    # Pieces

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def place(self) -> int:
        self.places += 1
        return self.places

    def seconds(self) -> str:
        """A time that no other wait of the program takes."""
        return f"{self.random.uniform(0.05, 3):.4f}{self.place():03}"

    # Expressions

    def number(self, depth: int = 0) -> str:
        if depth > 2 or self.chance(0.3):
            return self.pick(*NUMBERS, str(self.random.randint(0, 5)), "self.count")
        inner, other = self.number(depth + 1), self.number(depth + 1)
        values, point = self.values(depth + 2), self.pick(*POINTS)
        choices = [
            f"({inner} + {other}) % 97",
            f"({inner} if {self.test(depth + 1)} else {other})",
            f"min({values}, default={inner})",
            # Of so many: what it is compared with may add to the list.
            f"next((i for i in {values}[:9] if i > {self.still(depth)}), {other})",
            f"(lambda v: v - a)({inner})",
            f"len({values})",
            f"{point}.x",
            f"{point}.total",
            f"Pair({inner}).left",
            f"int(str({inner}))",
            f"sum(v * {self.pick(*NUMBERS)} for v in {values}[:3]) % 97",
        ]
        choices += [f"{call}({inner}, {values})" for call in self.plain] * 2
        if self.awaits:
            choices += [f"(await slow({inner}, {self.seconds()}))"] * 2
        return self.pick(*choices)

    def still(self, depth: int) -> str:
        """A number that waits for nothing."""
        awaits, self.awaits = self.awaits, False
        text = self.number(depth + 1)
        self.awaits = awaits
        return text

    def test(self, depth: int = 0) -> str:
        inner, other = self.number(depth + 1), self.number(depth + 1)
        return self.pick(
            f"{inner} < {other}",
            f"{self.pick(*LISTS)} is {self.pick('p.items', 'q.items', 'self.items', 'xs')}",
            "p.larger(q)",
            "p == q",
            f"{inner} in {self.pick(*LISTS)}",
            f"isinstance(box.get({self.pick(*KEYS)}), list)",
            f"(c := {inner}) > {other}",
            # Of a copy: what is called may add to the list, for ever.
            f"all(i < {self.still(depth)} for i in {self.pick(*LISTS)}[:])",
        )

    def values(self, depth: int = 0) -> str:
        """A list: one that has a name elsewhere, or a new one."""
        if depth > 2 or self.chance(0.35):
            return self.pick(*LISTS, "p.items", "self.items")
        inner = self.values(depth + 1)
        choices = [
            f"box.setdefault({self.pick(*KEYS)}, {inner})",
            f"[*{inner}, {self.number(depth + 2)}]",
            f"sorted({inner}, key=lambda i: -i)",
            f"{inner}[::-1]",
            f"{inner}[1:]",
            f"list(map(lambda v: v + {self.pick(*NUMBERS)}, {inner}))",
            f"[i for i in {inner} if i % 2]",
            f"copy.copy({inner})",
            f"({inner} or {self.values(depth + 1)})",
            f"{self.pick(*POINTS)}.items",
        ]
        if self.awaits:
            number = self.number(depth + 2)
            choices += [
                f"(await tail({inner}, {self.seconds()}))",
                f"[await slow(i, {self.seconds()}) for i in {inner}[:2]]",
                f"[i + j for i in {inner}[:2] for j in await slow([{number}], {self.seconds()})]",
                f"[i for i in {inner}[:2] if await slow(i, {self.seconds()})]",
            ]
        return self.pick(*choices)

    def point(self, depth: int = 0) -> str:
        if depth > 1 or self.chance(0.2):
            return self.pick(*POINTS)
        inner = self.point(depth + 1)
        choices = [
            f"Point({self.number(1)}, {self.values(1)})",
            f"{inner}.moved({self.number(1)})",
            f"replace({inner}, x={self.number(1)})",
            f"copy.copy({inner})",
            f"copy.deepcopy({inner})",
            f"max({inner}, {self.pick(*POINTS)}, key=lambda o: o.x)",
        ]
        if self.awaits:
            choices += [f"(await grow({inner}, {self.seconds()}))"] * 2
        return self.pick(*choices)

    def error(self) -> str:
        return self.pick(
            f"Odd({self.number(1)}, {self.values(1)})",
            f"Odder({self.number(1)})",
            f"KeyError({self.number(1)})",
            f"ExceptionGroup('g', [Odd({self.number(1)}), KeyError({self.number(1)})])",
        )

    # Statements

    def block(self, size: int = 3) -> None:
        self.indent += 1
        for _ in range(self.random.randint(1, size)):
            self.statement()
        self.indent -= 1

    def statement(self) -> None:
        self.budget -= 1
        if self.budget < 0 or self.indent > 6:
            self.simple()
            return
        kinds = [self.simple] * 6 + [self.branches, self.matches, self.iterates]
        if self.loops > 1:
            kinds.pop()
        if self.awaits:
            kinds += [self.waits] * 4 + [self.tries] * 3 + [self.splits, self.defines]
        self.random.choice(kinds)()

    def simple(self) -> None:
        if self.chance(0.12):
            self.leaves()
            return
        name, values, point = self.pick(*NUMBERS), self.pick(*LISTS), self.pick(*POINTS)
        self.line(
            self.pick(
                f"{name} = {self.number()}",
                f"{values} = {self.values()}",
                f"{point} = {self.point()}",
                f"{self.values(2)}.append({self.number(1)})",
                f"{values}[:1] = {self.values(1)}[:2]",
                f"{values} += [{self.number(1)}]",
                f"{point}.items = {self.values(1)}",
                f"{point}.x += {self.number(1)}",
                f"box[{self.pick(*KEYS)}] = {self.values(1)}",
                f"box[{self.pick(*KEYS)}] = {values} = {self.values(1)}",
                f"self.count += {self.number(1)} % 7",
                f"self.items = {self.values(1)}",
                f"self.items.insert(0, {self.number(1)})",
                f"{name}, *{values} = {self.number(1)}, *{self.values(1)}[:3]",
                f"a, p.x, box['k'] = b, {self.number(1)}, {self.values(1)}",
                f"p, q = q, {self.point(1)}",
                f"xs, ys = ys, {self.values(1)}",
                f"log.append(({self.place()}, a, b, xs[:4], p.x, q.items[-2:], self.count))",
                f"log.append(({self.place()}, xs is ys, p is q, p.items is xs, len(box)))",
            )
        )

    def leaves(self) -> None:
        """What may leave the block, or fail."""
        choices = [
            f"return {self.number(1)}",
            f"raise {self.error()}",
            f"a = {self.values(1)}[{self.number(1)} % 5]",
            f"xs = box[{self.pick(*KEYS)}]",
            f"del box[{self.pick(*KEYS)}]",
            f"{self.pick(*LISTS)}.pop()",
            f"assert {self.test()}, {self.number(1)}",
        ]
        if self.loops:
            choices += ["break", "continue"] * 2
        if self.handlers:
            choices += ["raise", f"raise Odder({self.number(1)}) from e", "raise e"]
        self.line(self.pick(*choices))

    def waits(self) -> None:
        choices = [
            f"{self.pick(*NUMBERS)} = await slow({self.number(1)}, {self.seconds()})",
            f"{self.pick(*LISTS)} = await tail({self.values(1)}, {self.seconds()})",
            f"{self.pick(*POINTS)} = await grow({self.point(1)}, {self.seconds()})",
            f"box[{self.pick(*KEYS)}] = await slow({self.values(1)}, {self.seconds()})",
            f"p.x += await slow({self.number(1)}, {self.seconds()})",
            f"self.count += await slow(1, {self.seconds()})",
            f"self.items.append(await slow({self.number(1)}, {self.seconds()}))",
            f"xs[:1] = [await slow({self.number(1)}, {self.seconds()})]",
            f"p, a = await grow(q, {self.seconds()}), await slow(b, {self.seconds()})",
            f"ys = [*xs, *await tail({self.values(1)}, {self.seconds()})]",
            f"log.append(await asyncio.gather({self.gathered()}, return_exceptions=True))",
            f"a, b = await asyncio.gather({self.gathered(2)})",
        ]
        for helper in self.helpers:
            extra = ", n=2" if helper == "self.again" else ""
            given = f"log, {self.number(2)}, {self.pick(*LISTS)}, {self.point(1)}, box{extra}"
            choices += [f"{self.pick(*NUMBERS)} = await {helper}({given})"] * 3
        self.line(self.pick(*choices))

    def gathered(self, count: int = 0) -> str:
        """Calls for a gather; as many as said, numbers then. Copies of arguments are
        taken at the call, in asyncio later: actions are given copies, which no helper changes."""
        calls = [f"slow({self.pick(*NUMBERS)}, {self.seconds()})" for _ in range(count or 1)]
        if not count:
            calls += [
                f"grow(copy.deepcopy({self.pick(*POINTS)}), {self.seconds()})",
                f"*[tail(copy.copy({self.pick(*LISTS)}), {self.seconds()}) for _ in range(2)]",
                f"boom('key', {self.seconds()})",
            ]
            if self.helpers:
                helper = self.helpers[0]
                calls.append(f"{helper}(log, a, {self.pick(*LISTS)}, p, box)")
            self.random.shuffle(calls)
            calls = calls[: self.random.randint(1, 3)]
        return ", ".join(calls)

    def branches(self) -> None:
        self.line(f"if {self.test()}:")
        self.block()
        if self.chance(0.6):
            self.line("else:")
            self.block()

    def matches(self) -> None:
        subject = self.pick("p", "xs[:3]", "box", "(a, q)", "Pair(a, b)", f"{self.number(1)}")
        self.line(f"match {subject}:")
        self.indent += 1
        cases = [
            "case Point(x=0 | 1, items=[a, *ys]):",
            "case Point(x, items=[_, _, *_]) if x > b:",
            "case [a, b]:",
            "case [a, *ys] if a in xs:",
            "case {'one': [b, *_], **rest} if len(rest) < 3:",
            "case (int(b), Point(x=a)):",
            "case Pair(left=0) | Pair(right=1 | 2):",
            "case int() as b if b % 2:",
        ]
        for case in self.random.sample(cases, 3):
            self.line(case)
            self.block(2)
        if self.chance(0.5):
            self.line("case c:")
            self.block(2)
        self.indent -= 1

    def iterates(self) -> None:
        self.line(
            self.pick(
                f"for a in {self.values(1)}[:3]:",
                f"for b, a in enumerate({self.values(1)}[:2]):",
                "for key, ys in list(box.items())[:2]:",
                f"for p.x in {self.pick(*LISTS)}[:2]:",
                f"for a, b in zip({self.values(1)}[:3], {self.values(1)}[:3]):",
                "for values in SHARED.values():",
                "for p in [p, q]:",
            )
        )
        self.indent += 1
        if self.awaits:
            self.line(f"log.append({self.place()})")
        self.line(f"if len(log) > {LOG_MAX} or len(xs) + len(self.items) > {ITEMS_MAX}:")
        self.line("    return -1")
        self.indent -= 1
        self.loops += 1
        self.block()
        self.loops -= 1
        if self.chance(0.25):
            self.line("else:")
            self.block(2)

    def tries(self) -> None:
        handlers = self.random.randint(0, 2)
        self.line("try:")
        self.block(4)
        for _ in range(handlers):
            self.line(f"except {self.pick(*ERRORS)} as e:")
            self.handlers += 1
            self.line(f"    log.append(({self.place()}, type(e).__name__, str(e)))")
            self.block(2)
            self.handlers -= 1
        if handlers and self.chance(0.25):
            self.line("else:")
            self.block(2)
        if not handlers or self.chance(0.4):
            self.line("finally:")
            handling, self.handlers = self.handlers, 0
            self.block(2)
            self.handlers = handling

    def splits(self) -> None:
        """`except*`: none of its blocks may leave by a jump."""
        self.line("try:")
        self.indent += 1
        self.line(self.pick(f"raise {self.error()}", f"raise {self.error()}", "log.append('ok')"))
        self.indent -= 1
        for error in self.random.sample(["Odd", "KeyError", "Odder"], self.random.randint(1, 2)):
            self.line(f"except* {error} as e:")
            self.indent += 1
            self.line(f"log.append(({self.place()}, e.message, [str(i) for i in e.exceptions]))")
            self.line(self.pick(*[f"b = await slow(b, {self.seconds()})"] * 2, "raise"))
            self.indent -= 1

    def defines(self) -> None:
        """A function of this place, which sees names as they are when it is called."""
        name = f"local{self.place()}"
        self.line(f"def {name}(v, w={self.number(1) if not self.awaits else 'a'}):")
        self.line(f"    return v + w + {self.pick('a', 'b', 'len(xs)', 'p.x')}")
        self.waits()
        self.line(f"b = sum(map({name}, {self.pick(*LISTS)}[:3])) % 97")

    # Functions

    def function(self, head: str, budget: int, first: tuple[str, ...], last: str) -> str:
        self.lines, self.indent = [], 1
        self.line(head)
        self.indent, self.budget = 2, budget
        for line in first:
            self.line(line)
        for _ in range(self.random.randint(2, 5)):
            self.statement()
        self.line(last)
        return "\n".join(self.lines)


def methods(writer: ObjectWriter) -> list[str]:
    """Plain ones first, then async ones that call them; the first may call itself."""
    found: list[str] = []
    begin = ("b, ys = a, xs", "p = q = Point(a, xs)", "box, log = {'one': xs, 'k': ys}, []")
    writer.awaits = False
    for number in range(writer.random.randint(0, 2)):
        head = f"def plain{number}(self, a: Any, xs: Any) -> Any:"
        found.append(writer.function(head, 2, begin, "return a + b"))
        writer.plain.append(f"self.plain{number}")
    writer.awaits = True
    for number in range(writer.random.randint(0, 2)):
        first = ("b, ys, q = a, xs, p",)
        name = f"helper{number}"
        given = "log: Any, a: Any, xs: Any, p: Any, box: Any"
        if number == 0 and writer.chance(0.4):
            name, given = "again", f"{given}, n: int = 1"
            first = ("if n <= 0:", "    return a", *first)
            first = (*first, "a = await self.again(log, a, xs, p, box, n - 1)")
        head = f"async def {name}(self, {given}) -> Any:"
        found.append(writer.function(head, 4, first, "return a + len(log)"))
        writer.helpers.append(f"self.{name}")
    return found


def program(seed: int) -> str:
    """The text of a module that defines the workflow `W`; its `run` takes a list
    for the log."""
    writer = ObjectWriter(random.Random(seed))
    found = methods(writer)
    first = (
        "a, b, xs = 1, 2, [3, 4]",
        "ys = xs",
        "p, q = Point(1, xs), Point(2)",
        "box: dict[Any, Any] = {'one': xs, 'two': [2]}",
    )
    last = (
        "return (a, b, xs, ys, p, q, box, self.count, self.items, xs is ys, p is q,"
        " p.items is xs, box.get('one') is xs, self.items is q.items, log)"
    )
    found.append(writer.function("async def run(self, log: Any) -> Any:", 9, first, last))
    state = "    def __init__(self) -> None:\n        self.count, self.items = 0, [7]\n"
    return f"{HEAD}@workflow\nclass W(Workflow):\n{state}\n" + "\n\n".join(reversed(found)) + "\n"
