"""Programs that read like real work: publishing, events, feeds; classes, tables, tasks."""

from __future__ import annotations

import asyncio
import collections
import hashlib
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum, IntFlag
from functools import partial
from itertools import chain
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark import RetryPolicy
from waymark.authoring import Workflow, action, workflow


class UploadFailed(Exception):
    def __init__(self, part: int, *, retry: bool = True) -> None:
        super().__init__(part)
        self.part = part
        self.retry = retry


class Channel(str, Enum):
    WEB = "web"
    PRINT = "print"
    AUDIO = "audio"


class Flags(IntFlag):
    DRAFT = 1
    PAID = 2
    EMBARGO = 4


class Episode(BaseModel):
    number: int
    title: str = ""
    seconds: int = 0
    chapters: list[tuple[int, str]] = Field(default_factory=list)

    def length(self) -> str:
        return f"{self.seconds // 60}:{self.seconds % 60:02}"


@dataclass
class Part:
    index: int
    data: str
    done: bool = False

    @property
    def checksum(self) -> str:
        return hashlib.md5(self.data.encode()).hexdigest()[:4]


@dataclass
class Plan:
    """Collects steps, each call gives the plan back."""

    steps: list[str] = field(default_factory=list)

    def then(self, step: str) -> Plan:
        return Plan([*self.steps, step])


@action
async def upload(part: Part, attempt: int = 0) -> str:
    record("upload", part.index, part.checksum, attempt)
    await asyncio.sleep(0.5 + part.index / 4)
    if part.data == "x" and attempt < 2:
        raise UploadFailed(part.index)
    if part.data == "!":
        raise UploadFailed(part.index, retry=False)
    return f"etag-{part.index}"


@action
async def transcribe(number: int) -> list[str]:
    record("transcribe", number)
    await asyncio.sleep(3)
    return ["hello", f"episode {number}", "bye"][: number + 1]


@action
async def post(channel: str, text: str) -> str:
    record("post", channel, text)
    await asyncio.sleep(len(channel) / 10)
    if channel == "down":
        raise ConnectionError(channel)
    return f"{channel}/{len(text)}"


@action
async def remove(url: str) -> None:
    record("remove", url)
    await asyncio.sleep(0.1)


@action
async def feed(url: str) -> list[dict[str, Any]]:
    record("feed", url)
    await asyncio.sleep(0.2 * len(url))
    if url == "404":
        raise LookupError(url)
    return [{"id": f"{url}{n}", "at": n * len(url), "tags": ["a"] * n} for n in range(3)]


@action
async def sell(seat: str, who: str) -> int:
    record("sell", seat, who)
    await asyncio.sleep(0.3)
    return 20 + ord(seat[0]) % 7


def slug(title: str, taken: Iterable[str] = ()) -> str:
    base = "-".join(title.lower().split()) or "untitled"
    name, n = base, 1
    while name in taken:
        n += 1
        name = f"{base}-{n}"
    return name


def by_day(entries: list[dict[str, Any]]) -> dict[int, list[str]]:
    days: dict[int, list[str]] = {}
    for entry in sorted(entries, key=operator.itemgetter("at", "id")):
        days.setdefault(entry["at"] // 2, []).append(entry["id"])
    return days


def mean(values: list[float], *, default: float = 0.0) -> float:
    try:
        return sum(values) / len(values)
    except ZeroDivisionError:
        return default


@inputs((["a", "bb", "x"], 3), (["x"], 1), (["!", "a"], 5))
@workflow
class MultipartUpload(Workflow):
    async def run(self, pieces: list[str], attempts: int) -> dict[str, Any]:
        parts = [Part(i, data) for i, data in enumerate(pieces)]
        tags: dict[int, str] = {}
        for attempt in range(attempts):
            open_parts = [p for p in parts if not p.done]
            if not open_parts:
                break
            results = await asyncio.gather(
                *(upload(p, attempt) for p in open_parts), return_exceptions=True
            )
            for part, result in zip(open_parts, results):
                match result:
                    case str(tag):
                        tags[part.index] = tag
                        part.done = True
                    case UploadFailed(retry=False):
                        await asyncio.gather(*map(remove, tags.values()))
                        raise result
                    case UploadFailed():
                        await asyncio.sleep(1)
        return {"tags": tags, "missing": [p.index for p in parts if not p.done]}


@inputs(([1, 2], "tea"), ([0], ""))
@workflow
class Podcast(Workflow):
    async def run(self, numbers: list[int], title: str) -> list[Episode]:
        episodes: list[Episode] = []
        for number in numbers:
            lines = await transcribe(number)
            episode = Episode(number=number, title=slug(title, [e.title for e in episodes]))
            for index, line in enumerate(lines):
                episode.chapters.append((episode.seconds, line))
                episode.seconds += 30 * (index + 1)
            episodes.append(episode)
            await post("feed", f"{episode.title} {episode.length()}")
        return episodes


@inputs((["web", "print"],), (["web", "down", "audio"],))
@workflow
class PublishEverywhere(Workflow):
    """Takes everything back when one channel fails."""

    published: list[str]

    async def run(self, channels: list[str]) -> list[str]:
        self.published = []
        tasks = [asyncio.create_task(self.publish(c)) for c in channels]
        try:
            for task in tasks:
                await task
        except ConnectionError as e:
            for task in tasks:
                task.cancel()
            while self.published:
                await remove(self.published.pop())
            return [f"{e} failed"]
        return self.published

    async def publish(self, channel: str) -> None:
        url = await post(channel, "news")
        self.published.append(url)


@inputs((["aa", "b", "404"],), (["404"],), ([],))
@workflow
class FeedReader(Workflow):
    async def run(self, urls: list[str]) -> Any:
        fetched = await asyncio.gather(*map(feed, urls), return_exceptions=True)
        entries = list(chain.from_iterable(f for f in fetched if not isinstance(f, Exception)))
        days = by_day(entries)
        for day, ids in sorted(days.items(), reverse=True):
            await post(f"day{day}", ",".join(ids))
        return days, mean([len(e["tags"]) for e in entries], default=-1.0)


@inputs((["A1", "A2", "B1"], ["ann", "bob"]), (["Z9"], ["ann", "bob"]))
@workflow
class TicketSale(Workflow):
    PRICES: ClassVar[dict[str, int]] = {"A": 2, "B": 1}

    def __init__(self) -> None:
        self.free: collections.deque[str] = collections.deque()
        self.income = 0

    async def run(self, seats: list[str], buyers: list[str]) -> Any:
        self.free.extend(seats)
        sold: dict[str, str] = {}
        queue = collections.deque(buyers)
        while self.free and queue:
            who = queue.popleft()
            seat = self.best_seat()
            if seat is None:
                break
            sold[seat] = who
            self.income += self.factor(seat) * await sell(seat, who)
            queue.append(who)
        return sold, self.income, list(queue)

    def best_seat(self) -> str | None:
        rated = [s for s in self.free if s[0] in self.PRICES]
        if not rated:
            return None
        best = max(rated, key=self.factor)
        self.free.remove(best)
        return best

    def factor(self, seat: str) -> int:
        return self.PRICES.get(seat[0], 0)


ROUTES = {"web": post, "sell": sell}
SHAPES: dict[str, Callable[[str], str]] = {"upper": str.upper, "slug": slug}


@inputs((["web:Hello", "sell:A1", "fax:x"],), ([],))
@workflow
class RouteMessages(Workflow):
    async def run(self, messages: list[str]) -> list[Any]:
        answers: list[Any] = []
        for message in messages:
            kind, text = message.split(":", maxsplit=1)
            try:
                route = ROUTES[kind]
            except KeyError as missing:
                answers.append(f"no route {missing}")
                continue
            answers.append(await route(SHAPES["upper"](text), SHAPES["slug"](f"{kind} {text}")))
        return answers


@inputs((Flags.DRAFT | Flags.PAID,), (Flags(0),), (Flags.EMBARGO,))
@workflow
class Release(Workflow):
    async def run(self, flags: Flags) -> str:
        if flags & Flags.EMBARGO:
            await asyncio.sleep(3600)
            flags &= ~Flags.EMBARGO
        if Flags.DRAFT in flags:
            flags ^= Flags.DRAFT
            await post("editor", "please check")
        return await post("paywall" if flags & Flags.PAID else "open", f"{flags.value:03b}")


@inputs((4,), (0,))
@workflow
class FluentPlan(Workflow):
    async def run(self, n: int) -> list[str]:
        plan = Plan().then("begin")
        for i in range(n):
            if i % 2:
                plan = plan.then(f"step {i}")
        plan = plan.then("end")
        return [await post("plan", step) for step in plan.steps]


@inputs((["b", "a", "c", "a"],), ([],))
@workflow
class TopTags(Workflow):
    async def run(self, tags: list[str]) -> Any:
        counts = collections.Counter(tags)
        ranking = sorted(counts, key=lambda t: (-counts[t], t))
        rename = partial(slug, taken=ranking)
        posted = [await post("tag", rename(tag)) for tag in ranking[:2]]
        return dict(counts), posted


class Publisher(Workflow):
    channel: ClassVar[Channel] = Channel.WEB
    steps: ClassVar[tuple[str, ...]] = ("check", "render", "publish")

    async def run(self, title: str) -> Any:
        self.trace: list[str] = []
        for step in self.steps:
            match step:
                case "check":
                    if not self.check(title):
                        return self.trace
                case "render":
                    title = self.render(title)
                case "publish":
                    self.trace.append(await post(self.channel.value, title))
        return self.finish()

    def check(self, title: str) -> bool:
        self.trace.append("checked")
        return bool(title)

    def render(self, title: str) -> str:
        return f"<h1>{title}</h1>"

    def finish(self) -> Any:
        return self.trace


@inputs(("hello",), ("",))
@workflow
class WebPublisher(Publisher):
    pass


@inputs(("hello",), ("no",))
@workflow
class PrintPublisher(Publisher):
    channel = Channel.PRINT
    steps = ("check", "render", "render", "publish")

    def check(self, title: str) -> bool:
        return super().check(title) and len(title) > 2

    def render(self, title: str) -> str:
        return super().render(title).upper() if "<" in title else title + "\n"

    def finish(self) -> Any:
        return {"channel": self.channel.name, "trace": tuple(super().finish())}


@inputs(("a talk",), ("",))
@workflow
class AudioPublisher(Publisher):
    channel = Channel.AUDIO
    spoken = 0

    def render(self, title: str) -> str:
        self.spoken += len(title.split())
        return f"[{self.spoken} words]"

    def finish(self):
        self.trace.insert(0, str(self.spoken))
        return super().finish()


@inputs((["down", "web"],), (["down"],))
@workflow
class PostWithPolicy(Workflow):
    policy = RetryPolicy(attempts=2, exception_types=[ConnectionError], backoff_seconds=0.25)

    async def run(self, channels: list[str]) -> str:
        for channel in channels:
            try:
                return await self.run_action(post(channel, "hi"), retry=self.policy)
            except ConnectionError:
                continue
        return "nowhere"


@inputs((3,), (1,))
@workflow
class LiveTicker(Workflow):
    """A task writes while the match goes on."""

    def __init__(self):
        self.lines = []
        self.over = False

    async def run(self, halves):
        ticker = asyncio.create_task(self.ticker(), name="ticker")
        for half in range(halves):
            await asyncio.sleep(45)
            self.lines.append(f"end of half {half}")
        self.over = True
        written = await ticker
        return self.lines, written, ticker.get_name()

    async def ticker(self):
        minute = 0
        while not self.over:
            await asyncio.sleep(20)
            minute += 20
            self.lines.append(f"minute {minute}")
        await post("ticker", str(len(self.lines)))
        return minute


@inputs(([5, 3, 8],), ([],))
@workflow
class Playlist(Workflow):
    async def run(self, lengths: list[int]) -> Any:
        position, shown = 0, []
        starts = {}
        for n, length in enumerate(lengths, start=1):
            starts[f"track {n}"] = timedelta(seconds=position)
            position += length
            shown.append(f"{n:>2}. {timedelta(seconds=length)}")
        total = sum(starts.values(), timedelta())
        await post("player", "\n".join(shown))
        return starts, total, max(starts, key=lambda k: starts[k], default=None)


@inputs((["x", "y"], 2), ([], 1))
@workflow
class CommentTree(Workflow):
    async def run(self, authors: list[str], depth: int) -> Any:
        tree = self.build(authors, depth)
        self.count = 0
        await self.show(tree, 0)
        return tree, self.count

    def build(self, authors: list[str], depth: int) -> list[dict[str, Any]]:
        if depth == 0:
            return []
        return [{"by": a, "replies": self.build(authors[:-1], depth - 1)} for a in authors]

    async def show(self, comments: list[dict[str, Any]], level: int) -> None:
        for comment in comments:
            self.count += 1
            await post("thread", f"{'  ' * level}{comment['by']}")
            await self.show(comment["replies"], level + 1)


@inputs((datetime(2024, 1, 31, 23, 0, tzinfo=timezone.utc), 3))
@workflow
class Countdown(Workflow):
    async def run(self, until: datetime, steps: int) -> list[str]:
        now = until - timedelta(hours=steps)
        shown = []
        while now < until:
            left = until - now
            shown.append(f"{left.seconds // 3600}h {until:%d %b}")
            await asyncio.sleep(3600)
            now += timedelta(hours=1)
        shown.append(await post("all", "now"))
        return shown
