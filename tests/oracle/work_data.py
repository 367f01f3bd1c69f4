"""Programs that read like real work: pipelines, reports, crawling, operations.

Each has above it the arguments it is run with.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import math
import re
import statistics
import textwrap
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, timedelta
from typing import Any, TypedDict

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

SITE = {"/": ["/a", "/b"], "/a": ["/c", "/"], "/b": ["/c", "/gone"], "/c": []}
LEVELS = {"low": 1, "mid": 2, "high": 3}
WORD = re.compile(r"[a-z]+")


class Row(TypedDict):
    key: str
    value: int


class Gone(Exception):
    pass


@action
async def fetch(path: str) -> list[str]:
    record("fetch", path)
    await asyncio.sleep(0.1 * len(path))
    if path not in SITE:
        raise Gone(path)
    return SITE[path]


@action
async def load(name: str, part: int) -> list[Row]:
    record("load", name, part)
    await asyncio.sleep(0.2)
    return [{"key": f"{name}{i % 2}", "value": part * 10 + i} for i in range(3)] if part < 3 else []


@action
async def store(name: str, value: Any) -> str:
    record("store", name, value)
    await asyncio.sleep(0.3)
    if value is None:
        raise ValueError(f"nothing to store in {name}")
    return f"{name}#{len(str(value))}"


@action
async def measure(host: str, second: int) -> float:
    record("measure", host, second)
    await asyncio.sleep(0.05)
    return float(len(host) * second % 7)


@action
async def deploy(host: str, version: int) -> str:
    record("deploy", host, version)
    await asyncio.sleep(0.5)
    if host.startswith("bad") and version > 1:
        raise RuntimeError(f"{host} will not start")
    return f"{host} v{version}"


ALERTS: list[dict[str, Any]] = [
    {"level": "high", "host": "db"},
    {"level": "low", "host": "web", "text": "disk"},
    {},
    {"level": "mid"},
]


@inputs(("/", 10), ("/", 3))
@workflow
class Crawl(Workflow):
    async def run(self, start: str, most: int) -> Any:
        seen: dict[str, int] = {start: 0}
        queue = deque([start])
        gone = []
        while queue and len(seen) < most:
            path = queue.popleft()
            try:
                links = await fetch(path)
            except Gone as error:
                gone.append(str(error))
                continue
            for link in links:
                if link not in seen:
                    seen[link] = seen[path] + 1
                    queue.append(link)
        return seen, gone


@inputs(("/",))
@workflow
class CrawlByLevel(Workflow):
    async def run(self, start: str) -> Any:
        seen, level, depth = {start}, [start], 0
        while level:
            pages = await asyncio.gather(*map(fetch, level), return_exceptions=True)
            found = itertools.chain.from_iterable(p for p in pages if isinstance(p, list))
            level = [link for link in dict.fromkeys(found) if link not in seen]
            seen.update(level)
            depth += 1
        return sorted(seen), depth


@inputs((["x", "y"],))
@workflow
class LoadAll(Workflow):
    async def run(self, names: list[str]) -> Any:
        totals: Counter[str] = Counter()
        for name in names:
            part = 0
            while rows := await load(name, part):
                for row in rows:
                    totals[row["key"]] += row["value"]
                part += 1
        return totals.most_common(2), totals.total()


@inputs((["x", "y"], 2))
@workflow
class MapReduce(Workflow):
    async def run(self, names: list[str], parts: int) -> Any:
        loaded = await asyncio.gather(
            *[load(name, part) for name in names for part in range(parts)]
        )
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for row in itertools.chain(*loaded):
            groups[row["key"]].append(row["value"])
        return {key: (min(v), max(v), statistics.mean(v)) for key, v in sorted(groups.items())}


@inputs((10,))
@workflow
class Batches(Workflow):
    size = 4

    async def run(self, count: int) -> Any:
        stored = []
        for first in range(0, count, self.size):
            batch = list(range(first, min(first + self.size, count)))
            stored.append(await store(f"batch {first // self.size}", batch))
        return stored


@inputs(("alpha", 8))
@workflow
class Windowed(Workflow):
    async def run(self, host: str, seconds: int) -> Any:
        window: deque[float] = deque(maxlen=3)
        alarms = []
        for second in range(seconds):
            window.append(await measure(host, second))
            if len(window) == window.maxlen and (mean := sum(window) / len(window)) > 3:
                alarms.append((second, round(mean, 2)))
        return alarms, list(window)


@inputs(("sales",))
@workflow
class Report(Workflow):
    async def run(self, name: str) -> Any:
        rows = await load(name, 1)
        width = max(len(row["key"]) for row in rows)
        lines = [f"{row['key']:<{width}} {row['value']:>5,}" for row in rows]
        text = textwrap.indent("\n".join(lines), "  ")
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return await store(name, json.dumps({"text": text, "digest": digest}, sort_keys=True))


@inputs((["the cat", "The dog and the bird"],))
@workflow
class WordCount(Workflow):
    async def run(self, texts: list[str]) -> Any:
        counts: dict[str, int] = {}
        for text in texts:
            for word in re.findall(r"[a-z]+", text.lower()):
                counts[word] = counts.get(word, 0) + 1
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return await store("words", ranked[:3]), len(counts)


@inputs((["a", "b"], 2), (["a", "b", "bad1", "c"], 2))
@workflow
class RollingDeploy(Workflow):
    async def run(self, hosts: list[str], version: int) -> Any:
        done: list[str] = []
        try:
            for host in hosts:
                await deploy(host, version)
                done.append(host)
        except RuntimeError as error:
            back = await asyncio.gather(*(deploy(host, version - 1) for host in reversed(done)))
            raise RuntimeError(f"rolled back {back}") from error
        else:
            return done
        finally:
            await store("deployed", done)


@inputs((["a", "b", "c"],), (["bad", "b"],))
@workflow
class Canary(Workflow):
    async def run(self, hosts: list[str]) -> Any:
        first, *rest = hosts
        with contextlib.suppress(RuntimeError):
            await deploy(first, 2)
            health = [await measure(first, second) for second in range(3)]
            if max(health) < 7:
                return await asyncio.gather(*[deploy(host, 2) for host in rest])
        return f"{first} failed, {len(rest)} left alone"


@inputs(([5, 3, 9, 1, 4],))
@workflow
class MergeSort(Workflow):
    async def run(self, values: list[int]) -> list[int]:
        if len(values) < 2:
            return values
        return await self.sorted(values)

    async def sorted(self, values: list[int]) -> list[int]:
        if len(values) < 2:
            return values
        middle = len(values) // 2
        left, right = await asyncio.gather(
            self.sorted(values[:middle]), self.sorted(values[middle:])
        )
        await store("merge", len(values))
        merged = []
        while left and right:
            merged.append((left if left[0] <= right[0] else right).pop(0))
        return merged + left + right


@inputs(({"a": ["b"], "b": [], "c": ["a", "b"], "d": ["b"]},), ({"a": ["b"], "b": ["a"], "c": []},))
@workflow
class Migrate(Workflow):
    async def run(self, tables: dict[str, list[str]]) -> Any:
        order: list[str] = []
        waiting = {name: list(needs) for name, needs in tables.items()}
        while waiting:
            ready = [name for name, needs in waiting.items() if all(n in order for n in needs)]
            if not ready:
                raise ValueError(f"a cycle among {sorted(waiting)}")
            await asyncio.gather(*[store(name, waiting[name]) for name in ready])
            for name in ready:
                del waiting[name]
            order += ready
        return order


@inputs((["a", "b", "a", "c", "b"], 2))
@workflow
class Cache(Workflow):
    async def run(self, asked: list[str], size: int) -> Any:
        kept: OrderedDict[str, str] = OrderedDict()
        hits = 0
        for name in asked:
            if name in kept:
                hits += 1
                kept.move_to_end(name)
                continue
            kept[name] = await store(name, name)
            if len(kept) > size:
                kept.popitem(last=False)
        return list(kept), hits


@inputs(({"a": 1, "b": 2, "x": 0}, {"a": 1, "b": 3, "c": 4}))
@workflow
class Reconcile(Workflow):
    async def run(self, ours: dict[str, int], theirs: dict[str, int]) -> Any:
        missing = sorted(theirs.keys() - ours.keys())
        extra = sorted(ours.keys() - theirs.keys())
        wrong = sorted(k for k in ours.keys() & theirs.keys() if ours[k] != theirs[k])
        for name in missing:
            ours[name] = theirs[name]
        results = await asyncio.gather(
            store("missing", missing or None), store("wrong", wrong or None), return_exceptions=True
        )
        return ours, extra, [r if isinstance(r, str) else str(r) for r in results]


@inputs((date(2024, 3, 1), date(2024, 3, 6), {date(2024, 3, 5)}))
@workflow
class Backfill(Workflow):
    async def run(self, first: date, last: date, skip: set[date]) -> Any:
        day, done = first, []
        while day <= last:
            if day.weekday() < 5 and day not in skip:
                done.append(await store(day.isoformat(), day.timetuple().tm_yday))
            day += timedelta(days=1)
        return done


@inputs((ALERTS,), ([{"level": "odd"}],))
@workflow
class Triage(Workflow):
    async def run(self, alerts: list[dict[str, Any]]) -> Any:
        pages, digest = [], defaultdict(list)
        for alert in alerts:
            match alert:
                case {"level": "high", "host": host}:
                    pages.append(await store(host, alert))
                case {"level": "low" | "mid" as level, **rest}:
                    digest[LEVELS[level]].append(rest)
                case {"level": other}:
                    raise ValueError(f"unknown level {other!r}")
                case _:
                    continue
        return pages, dict(digest)


@inputs(("abc",), ("sevens!",))
@workflow
class Estimate(Workflow):
    async def run(self, host: str) -> Any:
        values = [v for s in range(6) if not math.isclose(v := await measure(host, s), 0)]
        low, high = (min(values), max(values)) if values else (0.0, 0.0)
        spread = math.sqrt(statistics.pvariance(values)) if len(values) > 1 else None
        return {"low": low, "high": high, "spread": spread and round(spread, 3)}


@inputs((["/gone", "/b"],), (["/x", "/y"],))
@workflow
class Fallbacks(Workflow):
    async def run(self, paths: list[str]) -> Any:
        errors: list[Exception] = []
        for path in paths:
            try:
                found = await fetch(path)
            except Gone as error:
                errors.append(error)
            else:
                return path, found, [str(e) for e in errors]
        raise ExceptionGroup("all gone", errors)


@inputs((["a", None, "c"], 2), (["a", None, None], 2))
@workflow
class Quorum(Workflow):
    async def run(self, names: list[str | None], needed: int) -> Any:
        results = await asyncio.gather(
            *[store(f"replica {i}", name) for i, name in enumerate(names)], return_exceptions=True
        )
        stored = sum(not isinstance(result, BaseException) for result in results)
        assert stored >= needed, f"{stored} of {needed}"
        return stored


@inputs(("x",))
@workflow
class Pipeline(Workflow):
    async def run(self, name: str) -> Any:
        stages = [self.extract, self.shrink, self.keep]
        value: Any = name
        trace = []
        for stage in stages:
            value = await stage(value)
            trace.append(value if isinstance(value, int) else type(value).__name__)
        return trace

    async def extract(self, name: str) -> list[Row]:
        return await load(name, 2)

    async def shrink(self, rows: list[Row]) -> int:
        await asyncio.sleep(0)
        return sum(row["value"] for row in rows)

    async def keep(self, total: int) -> str:
        return await store("total", total)


@inputs((["a", "b", "c"],))
@workflow
class ParallelStages(Workflow):
    async def run(self, names: list[str]) -> Any:
        done: list[str] = []
        await asyncio.gather(*[self.stage(name, done, i) for i, name in enumerate(names)])
        return done

    async def stage(self, name: str, done: list[str], pause: int) -> None:
        await asyncio.sleep(3 - pause)
        await store(name, len(done))
        done.append(name)


@inputs(({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": "text"},), ({"a": {"b": None}},))
@workflow
class Archive(Workflow):
    async def run(self, tree: dict[str, Any]) -> Any:
        kept: list[str] = []
        sizes = {name: await self.visit(name, child, kept) for name, child in tree.items()}
        return sizes, kept

    async def visit(self, path: str, node: Any, kept: list[str]) -> int:
        if not isinstance(node, dict):
            kept.append(await store(path, node))
            return len(str(node))
        return sum([await self.visit(f"{path}/{k}", v, kept) for k, v in node.items()])
