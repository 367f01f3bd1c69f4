"""Programs that read like real work: imports, batches, migrations, media, models."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import math
import operator
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import reduce
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

T = TypeVar("T")


class BadRow(ValueError):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line = line
        self.why = why


class Checkpoint(BaseModel):
    offset: int = 0
    seen: list[str] = []


class Chunk(NamedTuple):
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Rendition:
    name: str
    height: int
    bitrate: int


@dataclass
class Page(Generic[T]):
    items: list[T]
    cursor: str | None = None


RENDITIONS = (Rendition("sd", 480, 1), Rendition("hd", 720, 3), Rendition("full", 1080, 6))


@action
async def read_rows(source: str, offset: int, limit: int) -> list[dict[str, Any]]:
    record("read_rows", source, offset, limit)
    await asyncio.sleep(0.2)
    size = int(source.rpartition("-")[2])
    return [{"id": i, "name": f"n{i}", "v": i * i % 7} for i in range(size)[offset:][:limit]]


@action
async def write_rows(table: str, rows: list[Any]) -> int:
    record("write_rows", table, rows)
    await asyncio.sleep(0.3)
    if any(row is None for row in rows):
        raise ValueError("null row")
    return len(rows)


@action
async def save_checkpoint(name: str, checkpoint: Checkpoint) -> None:
    record("save_checkpoint", name, checkpoint.offset)
    await asyncio.sleep(0.05)


@action
async def list_page(cursor: str | None) -> dict[str, Any]:
    record("list_page", cursor)
    await asyncio.sleep(0.15)
    n = int(cursor or 0)
    return {"data": [f"item{n + i}" for i in range(3)], "next": str(n + 3) if n < 6 else None}


@action
async def download(url: str) -> str:
    record("download", url)
    await asyncio.sleep(0.1 * (1 + len(url) % 3))
    if "404" in url:
        raise FileNotFoundError(url)
    return f"id,amount\n1,{len(url)}\n2,x{len(url)}\n3,7\n"


@action
async def transcode(video: str, rendition: Rendition) -> str:
    record("transcode", video, rendition.name)
    await asyncio.sleep(rendition.bitrate * 1.5)
    if video == "corrupt" and rendition.height > 1000:
        raise OSError("moov atom not found")
    return f"{video}-{rendition.name}.mp4"


@action
async def train_epoch(epoch: int, rate: float) -> float:
    record("train_epoch", epoch, rate)
    await asyncio.sleep(60)
    return round(1.0 / (1 + epoch * rate * 10), 4)


@action
async def evaluate(params: dict[str, float]) -> float:
    record("evaluate", params)
    await asyncio.sleep(5)
    return sum(params.values())


@action
async def rename_column(table: str, old: str, new: str) -> None:
    record("rename_column", table, old, new)
    await asyncio.sleep(1)
    if table == "locked":
        raise PermissionError(table)


@inputs(("users-7", 3), ("users-0", 3), ("users-6", 3))
@workflow
class BatchWithCheckpoint(Workflow):
    async def run(self, source: str, limit: int) -> Checkpoint:
        checkpoint = Checkpoint()
        while rows := await read_rows(source, checkpoint.offset, limit):
            await write_rows("target", rows)
            checkpoint.offset += len(rows)
            checkpoint.seen.extend(row["name"] for row in rows)
            await save_checkpoint(source, checkpoint)
            if len(rows) < limit:
                break
        return checkpoint


@inputs()
@workflow
class CursorPagination(Workflow):
    async def run(self) -> list[str]:
        result = []
        cursor = None
        while True:
            page = await list_page(cursor)
            result += page["data"]
            cursor = page.get("next")
            if not cursor:
                return result


@inputs()
@workflow
class PagesRecursively(Workflow):
    async def run(self):
        return await self.fetch_from(None)

    async def fetch_from(self, cursor):
        page = await list_page(cursor)
        if page["next"] is None:
            return page["data"]
        return page["data"] + await self.fetch_from(page["next"])


@inputs(("http://a",), ("http://abc",))
@workflow
class ParseCsv(Workflow):
    async def run(self, url: str) -> dict[str, Any]:
        text = await download(url)
        header, *lines = text.strip().splitlines()
        columns = header.split(",")
        good, bad = [], []
        for number, line in enumerate(lines, 2):
            row = dict(zip(columns, line.split(",")))
            try:
                row["amount"] = int(row["amount"])
            except ValueError as e:
                bad.append((number, str(e)))
            else:
                good.append(row)
        await write_rows("amounts", good)
        return {"good": len(good), "bad": bad, "total": sum(r["amount"] for r in good)}


@inputs((["http://a", "http://404", "http://bb"],))
@workflow
class DownloadSome(Workflow):
    async def run(self, urls: list[str]) -> dict[str, str]:
        results = await asyncio.gather(*[download(u) for u in urls], return_exceptions=True)
        report = {}
        for url, result in zip(urls, results):
            if isinstance(result, FileNotFoundError):
                report[url] = "missing"
            elif isinstance(result, BaseException):
                raise result
            else:
                report[url] = hashlib.md5(result.encode()).hexdigest()[:6]
        return report


@inputs((10, 4), (3, 5), (0, 2))
@workflow
class ChunkedCopy(Workflow):
    async def run(self, size: int, step: int) -> Any:
        chunks = [Chunk(s, min(s + step, size)) for s in range(0, size, step)]
        copied = 0
        for chunk in chunks:
            rows = await read_rows(f"big-{size}", chunk.start, chunk.size)
            copied += await write_rows("copy", [r["id"] for r in rows])
        assert copied == size, f"copied {copied} of {size}"
        return chunks


@inputs(("holiday",), ("corrupt",))
@workflow
class TranscodeAll(Workflow):
    async def run(self, video: str) -> Any:
        outputs = await asyncio.gather(
            *(transcode(video, r) for r in RENDITIONS), return_exceptions=True
        )
        playlist = []
        for rendition, output in zip(RENDITIONS, outputs, strict=True):
            match output:
                case str(path):
                    playlist.append(f"{rendition.height}p={path}")
                case OSError() as problem:
                    playlist.append(f"{rendition.height}p!{problem}")
        await write_rows("playlists", playlist)
        return playlist


@inputs(("clip", ["hd", "sd"]), ("clip", ["8k"]))
@workflow
class TranscodeChosen(Workflow):
    async def run(self, video, names):
        by_name = {r.name: r for r in RENDITIONS}
        try:
            chosen = [by_name[n] for n in names]
        except KeyError as missing:
            raise ValueError(f"no rendition {missing}") from None
        done = {}
        for r in sorted(chosen, key=operator.attrgetter("bitrate")):
            done[r.name] = await transcode(video, replace(r, bitrate=r.bitrate * 2))
        return done


@inputs((0.5, 5), (0.01, 3))
@workflow
class TrainUntilGood(Workflow):
    async def run(self, rate: float, patience: int) -> Any:
        best, since = math.inf, 0
        losses = []
        for epoch in itertools.count():
            loss = await train_epoch(epoch, rate)
            losses.append(loss)
            if loss < best - 0.05:
                best, since = loss, 0
            else:
                since += 1
            if since >= patience or epoch >= 8:
                break
        return best, losses


@inputs(({"lr": [0.1, 0.2], "decay": [0.5, 0.9, 0.7]},))
@workflow
class GridSearch(Workflow):
    async def run(self, grid: dict[str, list[float]]) -> Any:
        points = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
        scores = await asyncio.gather(*(evaluate(p) for p in points))
        best = max(zip(scores, range(len(points))))[1]
        return points[best], len(points)


@inputs((0.0, 1.0), (2.0, 3.0))
@workflow
class GoldenSection(Workflow):
    async def run(self, low: float, high: float) -> float:
        ratio = (math.sqrt(5) - 1) / 2
        for _ in range(4):
            left = high - ratio * (high - low)
            right = low + ratio * (high - low)
            a, b = await asyncio.gather(evaluate({"x": left}), evaluate({"x": right}))
            if a > b:
                high = right
            else:
                low = left
        return round((low + high) / 2, 6)


@inputs((["users", "orders"],), (["users", "locked", "orders"],))
@workflow
class MigrateTables(Workflow):
    async def run(self, tables: list[str]) -> list[str]:
        migrated: list[str] = []
        try:
            for table in tables:
                await rename_column(table, "mail", "email")
                migrated.append(table)
        except PermissionError:
            for table in migrated[::-1]:
                await rename_column(table, "email", "mail")
            migrated.clear()
        return migrated


@inputs(("src-5", "src-8"))
@workflow
class MergeSorted(Workflow):
    async def run(self, left: str, right: str) -> list[int]:
        a, b = await asyncio.gather(read_rows(left, 0, 99), read_rows(right, 2, 99))
        merged = list(heapq.merge((r["id"] for r in a), (r["id"] for r in b)))
        unique = [key for key, _ in itertools.groupby(merged)]
        await write_rows("merged", unique)
        return unique


@inputs(("t-9",), ("t-1",))
@workflow
class AggregateByValue(Workflow):
    async def run(self, source: str) -> dict[int, dict[str, Any]]:
        groups: dict[int, list[int]] = defaultdict(list)
        for row in await read_rows(source, 0, 100):
            groups[row["v"]].append(row["id"])
        summary = {
            v: {"count": len(ids), "first": min(ids), "mean": sum(ids) / len(ids)}
            for v, ids in sorted(groups.items())
            if v
        }
        await write_rows("summary", list(summary.items()))
        return summary


@inputs((date(2024, 2, 26), date(2024, 3, 2)), (date(2024, 5, 1), date(2024, 4, 1)))
@workflow
class Backfill(Workflow):
    async def run(self, first: date, last: date) -> list[str]:
        days = [first + timedelta(n) for n in range((last - first).days + 1)]
        done = []
        for day in days:
            if day.weekday() >= 5:
                continue
            count = await write_rows(f"events_{day:%Y_%m_%d}", [day.toordinal()])
            done.append(f"{day:%a} {count}")
        return done


@inputs((["a", "b", "c", "d", "e"], 2), races=True)
@workflow
class LimitedImport(Workflow):
    async def run(self, names: list[str], limit: int) -> Any:
        semaphore = asyncio.Semaphore(limit)

        async def one(name: str) -> str:
            async with semaphore:
                return await download(f"http://{name}")

        pages = await asyncio.gather(*(one(n) for n in names))
        return [len(p) for p in pages]


@inputs((5, 2), (4, 9), races=True)
@workflow
class QueueOfWorkers(Workflow):
    async def run(self, jobs: int, workers: int) -> Any:
        queue = deque(range(jobs))
        results: dict[int, int] = {}
        tasks = [asyncio.create_task(self.work(queue, results)) for _ in range(workers)]
        await asyncio.gather(*tasks)
        return sorted(results.items())

    async def work(self, queue, results):
        while queue:
            n = queue.popleft()
            results[n] = await write_rows("jobs", [n] * (n + 1))


@inputs((["http://aaa", "http://a", "http://aa"],), races=True)
@workflow
class ProgressAsCompleted(Workflow):
    async def run(self, urls: list[str]) -> Any:
        log = []
        tasks = [asyncio.create_task(download(u)) for u in urls]
        for n, future in enumerate(asyncio.as_completed(tasks), 1):
            text = await future
            log.append(f"{n}/{len(urls)} {len(text)}")
        return log


@inputs((Page(["a", "b"], "x"), 3))
@workflow
class GenericPages(Workflow):
    async def run(self, page: Page[str], times: int) -> Page[str]:
        collected = Page[str](items=list(page.items))
        while page.cursor is not None and times:
            times -= 1
            answer = await list_page(str(times))
            collected.items.extend(answer["data"][:1])
            page = replace(page, cursor=answer["next"])
        return collected


@inputs((["3,1", "x", "2,5,9"],))
@workflow
class RowsToTotals(Workflow):
    async def run(self, lines):
        totals = {}
        for n, line in enumerate(lines):
            try:
                totals[n] = parse_line(n, line)
            except BadRow as bad:
                totals[n] = f"line {bad.line}: {bad.why}"
        return await write_rows("totals", list(totals.values())), totals


def parse_line(number, line):
    values = line.split(",")
    if not all(v.isdigit() for v in values):
        raise BadRow(number, "not a number")
    return reduce(operator.add, map(int, values), 0)
