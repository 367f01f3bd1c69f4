"""Programs that read like real work: classes with state, template methods, mixins, helpers."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, TypeVar

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

T = TypeVar("T")
DEFAULT_LIMIT = 3


class Down(Exception):
    pass


@dataclass
class Totals:
    ok: int = 0
    failed: int = 0
    names: list[str] = field(default_factory=list)


@action
async def call(service: str, n: int = 0) -> str:
    record("call", service, n)
    await asyncio.sleep(0.3)
    if service.startswith("down") or service.endswith(f"!{n}"):
        raise Down(service)
    return f"{service}:{n}"


@action
async def fetch_items(source: str) -> list[int]:
    record("fetch_items", source)
    await asyncio.sleep(0.2)
    return [len(source), 5, 3][: len(source)]


@action
async def put(key: str, value: Any) -> None:
    record("put", key, value)
    await asyncio.sleep(0.1)


@action
async def subfolders(path: str) -> list[str]:
    record("subfolders", path)
    await asyncio.sleep(0.1)
    return [f"{path}/{c}" for c in "ab"] if path.count("/") < 2 else []


def chunks(items: list[Any], size: int) -> list[list[Any]]:
    """Parts of at most `size`."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def clamp(value, low=0, high=100):
    if value < low:
        return low
    if value > high:
        return high
    return value


def depth(path: str) -> int:
    return 0 if "/" not in path else 1 + depth(path.rsplit("/", 1)[0])


def flatten(tree):
    flat = []
    for item in tree:
        if isinstance(item, list):
            flat.extend(flatten(item))
        else:
            flat.append(item)
    return flat


def describe(**facts: Any) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(facts.items()))


def check_positive(*values: int) -> None:
    for v in values:
        if v <= 0:
            raise ValueError(f"{v} is not positive")


@inputs((["a", "down1", "b"],), ([],))
@workflow
class CountOnSelf(Workflow):
    def __init__(self) -> None:
        self.ok = 0
        self.failed: list[str] = []

    async def run(self, services: list[str]) -> dict[str, Any]:
        for service in services:
            await self.try_one(service)
        return {"ok": self.ok, "failed": self.failed}

    async def try_one(self, service: str) -> None:
        try:
            await call(service)
            self.ok += 1
        except Down as e:
            self.failed.append(str(e))


@inputs((["a", "down1", "b", "c"],))
@workflow
class CountInParallel(Workflow):
    def __init__(self):
        self.totals = Totals()
        self.order = deque(maxlen=3)

    async def run(self, services):
        await asyncio.gather(*(self.one(n, s) for n, s in enumerate(services)))
        return self.totals, list(self.order)

    async def one(self, n, service):
        self.order.append(service)
        try:
            self.totals.names.append(await call(service, n))
        except Down:
            self.totals.failed += 1
        else:
            self.totals.ok += 1


@inputs(([5, 1, 4, 2, 3], 2), ([], 2))
@workflow
class UsesSyncHelpers(Workflow):
    async def run(self, items: list[int], size: int) -> Any:
        sums = []
        for number, chunk in enumerate(chunks(sorted(items), size)):
            await put(f"chunk {number}", chunk)
            sums.append(clamp(sum(chunk), high=6))
        return sums, describe(size=size, count=len(items))


@inputs(("r",), ("r/a/b",))
@workflow
class RecursiveHelper(Workflow):
    async def run(self, root: str) -> Any:
        found = await self.walk(root)
        return flatten(found), max(map(depth, flatten(found)))

    async def walk(self, path: str) -> list[Any]:
        return [path, *[await self.walk(sub) for sub in await subfolders(path)]]


@inputs((3, 4), (3, -4), (0, 1))
@workflow
class ValidatesFirst(Workflow):
    async def run(self, width: int, height: int) -> int:
        check_positive(width, height)
        await put("area", width * height)
        return width * height


class Job(Workflow):
    """A template: subclasses fill in the steps."""

    retries: ClassVar[int] = 2
    name = "job"

    async def run(self, source: str) -> Any:
        self.log: list[str] = []
        items = await self.load(source)
        result = [self.transform(i) for i in items if self.wanted(i)]
        await self.store(result)
        return result, self.log

    async def load(self, source: str) -> list[int]:
        self.log.append(f"{self.name} loads")
        return await fetch_items(source)

    def wanted(self, item: int) -> bool:
        return True

    def transform(self, item: int) -> Any:
        return item

    async def store(self, result: list[Any]) -> None:
        await put(self.name, result)
        self.log.append(f"{type(self).__name__} stored {len(result)}")


@inputs(("abc",), ("a",))
@workflow
class PlainJob(Job):
    pass


@inputs(("abcd",))
@workflow
class DoublingJob(Job):
    name = "double"

    def transform(self, item: int) -> int:
        return 2 * super().transform(item)


@inputs(("abcd",), ("",))
@workflow
class FilteringJob(Job):
    name = "filter"
    threshold = 4

    def wanted(self, item: int) -> bool:
        return super().wanted(item) and item >= self.threshold

    async def store(self, result: list[Any]) -> None:
        if not result:
            self.log.append("nothing to store")
            return
        await super().store(result)
        await Job.store(self, result[:1])


class RetryMixin:
    max_attempts = 3
    attempts_made = 0

    async def with_retries(self, service: str) -> str | None:
        for attempt in range(self.max_attempts):
            self.attempts_made += 1
            try:
                return await call(service, attempt)
            except Down:
                await asyncio.sleep(self.backoff(attempt))
        return None

    def backoff(self, attempt: int) -> float:
        return 0.5 * 2**attempt


class AuditMixin:
    def __init__(self) -> None:
        super().__init__()
        self.audit: list[tuple[str, int]] = []

    def note(self, what: str) -> None:
        self.audit.append((what, len(self.audit)))


@inputs((["flaky!0", "down", "fine"],))
@workflow
class MixedIn(AuditMixin, RetryMixin, Workflow):
    max_attempts = 2

    async def run(self, services: list[str]) -> Any:
        for s in services:
            self.note(f"try {s}")
            answer = await self.with_retries(s)
            self.note(answer or "nothing")
        return self.audit, self.attempts_made

    def backoff(self, attempt: int) -> float:
        return super().backoff(attempt) + 1


@inputs((["a", "b", "a", "c", "b"],))
@workflow
class CachedCalls(Workflow):
    def __init__(self):
        self.cache: dict[str, str] = {}
        self.hits = 0

    async def run(self, keys):
        values = [await self.get(k) for k in keys]
        return values, self.hits, self.hit_rate(len(keys))

    async def get(self, key):
        if key in self.cache:
            self.hits += 1
            return self.cache[key]
        value = self.cache[key] = await call(key)
        return value

    def hit_rate(self, total: int) -> str:
        return f"{self.hits / total:.0%}" if total else "n/a"


class State(Enum):
    IDLE = "idle"
    BUSY = "busy"
    DONE = "done"


@inputs((["start", "work", "work", "stop"],), (["work"],), (["start", "explode"],))
@workflow
class Machine(Workflow):
    state = State.IDLE
    worked = 0

    async def run(self, events: list[str]) -> Any:
        history = [self.state]
        for event in events:
            await self.on(event)
            history.append(self.state)
        return [s.value for s in history], self.worked

    async def on(self, event: str) -> None:
        match (self.state, event):
            case (State.IDLE, "start"):
                self.state = State.BUSY
            case (State.BUSY, "work"):
                await call("work", self.worked)
                self.worked += 1
            case (State.BUSY, "stop"):
                self.state = State.DONE
            case (state, unknown):
                raise RuntimeError(f"{unknown} while {state.value}")


@inputs((4, 2), (1, 5))
@workflow
class Builder(Workflow):
    def __init__(self) -> None:
        self.parts: dict[str, list[int]] = defaultdict(list)

    def add(self, kind: str, value: int) -> "Builder":
        self.parts[kind].append(value)
        return self

    async def run(self, n: int, m: int) -> Any:
        self.add("n", n).add("m", m).add("n", n * m)
        await put("parts", dict(self.parts))
        self.parts["n"].clear()
        return dict(self.parts)


@inputs(([1, 2, 3],))
@workflow
class StaticAndClassMethods(Workflow):
    factor = 10

    async def run(self, values: list[int]) -> Any:
        scaled = [self.scale(v) for v in values]
        await put(self.label("x"), scaled)
        return scaled, StaticAndClassMethods.label("y"), self.total

    @classmethod
    def scale(cls, value: int) -> int:
        return cls.factor * value

    @staticmethod
    def label(text: str) -> str:
        return f"<{text}>"

    @property
    def total(self) -> int:
        return self.factor + 1


@inputs((["x", "y", "z"],))
@workflow
class LocalAsyncFunctions(Workflow):
    async def run(self, names: list[str]) -> Any:
        seen = []
        prefix = "p-"

        async def visit(name: str, times: int = 2) -> str:
            seen.append(name)
            result = ""
            for n in range(times):
                result = await call(prefix + name, n)
            return result

        first = await visit(names[0])
        prefix = "q-"
        rest = await asyncio.gather(*(visit(n, times=1) for n in names[1:]))
        return first, rest, seen


@inputs((3,))
@workflow
class LateBinding(Workflow):
    async def run(self, n: int) -> Any:
        functions = []
        for i in range(n):

            async def ask(k=i):
                return await call(f"i{i}", k)

            functions.append(ask)
        return [await f() for f in functions]


@inputs(("abc", 2), ("ab", 9))
@workflow
class Cursor(Workflow):
    position = 0
    items: list[int]

    async def run(self, source: str, size: int) -> list[list[int]]:
        self.items = await fetch_items(source)
        pages = []
        while not self.finished():
            pages.append(self.take(size))
            await put(f"page {len(pages)}", self.position)
        return pages

    def finished(self) -> bool:
        return self.position >= len(self.items)

    def take(self, size: int) -> list[int]:
        taken = self.items[self.position : self.position + size]
        self.position += len(taken)
        return taken


async def retry_call(service: str, attempts: int, log: list[str]) -> str:
    """A helper of the module, used by several workflows."""
    for attempt in range(attempts):
        with suppress(Down):
            return await call(service, attempt)
        log.append(f"{service} failed {attempt}")
    raise Down(f"{service} after {attempts}")


@inputs((["ok", "flaky!0"], 2), (["down"], 2))
@workflow
class ModuleLevelHelper(Workflow):
    async def run(self, services: list[str], attempts: int) -> Any:
        log: list[str] = []
        try:
            results = [await retry_call(s, attempts, log) for s in services]
        except Down as error:
            return str(error), log
        return results, log


TOOLS = {"call": call, "put": put}
FORMATTERS = {"upper": str.upper, "title": str.title}


@inputs(([("call", "x"), ("put", "y"), ("nope", "z")],))
@workflow
class Dispatch(Workflow):
    async def run(self, requests: list[tuple[str, str]]) -> list[Any]:
        results = []
        for name, argument in requests:
            handler = getattr(self, "on_call") if name == "call" else None
            if handler is not None:
                results.append(await handler(argument))
            elif name in TOOLS:
                results.append(await TOOLS[name](argument, 1))
            else:
                results.append(self.fallback(name))
        return results

    async def on_call(self, argument):
        return FORMATTERS["upper"](await call(argument))

    def fallback(self, name):
        return f"no {name}"


@inputs((7,), (-7,))
@workflow
class Undo(Workflow):
    def __init__(self) -> None:
        self.value = 0
        self._undo: list[Any] = []

    async def run(self, by: int) -> Any:
        for step in (by, 2 * by, 3 * by):
            await self._change(step)
        while self.value > 10 and self._undo:
            self.value = self._undo.pop()
        return self.value, self._undo

    async def _change(self, by: int) -> None:
        self._undo.append(self.value)
        self.value = clamp(self.value + by, low=-20)
        await put("value", self.value)
