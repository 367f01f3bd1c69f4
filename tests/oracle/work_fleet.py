"""Programs that read like real work: devices, logistics, schools, hospitals, newsrooms."""

from __future__ import annotations

import asyncio
import math
import operator
import statistics
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum, auto
from itertools import groupby, repeat
from typing import Annotated, Any, NamedTuple, NewType, TypeAlias, TypedDict
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, computed_field

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

DeviceId = NewType("DeviceId", str)
Readings: TypeAlias = dict[str, list[float]]
DEPOT = (0.0, 0.0)


class Offline(OSError):
    pass


class FirmwareError(Exception):
    def __init__(self, device: str, *, version: int) -> None:
        super().__init__(device)
        self.device = device
        self.version = version


class Level(IntEnum):
    GREEN = 1
    YELLOW = 2
    RED = 3


class Stage(Enum):
    DRAFT = auto()
    REVIEW = auto()
    LIVE = auto()

    @property
    def label(self) -> str:
        return self.name.title()


class Stop(NamedTuple):
    name: str
    x: float
    y: float

    def distance(self, other: "Stop") -> float:
        return math.hypot(self.x - other.x, self.y - other.y)


class Reading(TypedDict):
    device: str
    at: int
    value: float


class Patient(BaseModel):
    name: str
    age: Annotated[int, Field(ge=0)] = 40
    symptoms: list[str] = []

    @computed_field
    @property
    def initials(self) -> str:
        return self.name[:1].upper()


@dataclass
class Device:
    id: str
    version: int = 1
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = self.id.lower()


@dataclass(slots=True)
class Article:
    title: str
    stage: Stage = Stage.DRAFT
    notes: tuple[str, ...] = ()


@action
async def read_sensor(device: str, n: int) -> float:
    record("read_sensor", device, n)
    await asyncio.sleep(0.05)
    if device == "off":
        raise Offline(19, "no such device")
    return round(20 + 3 * math.sin(n) + len(device), 3)


@action
async def flash(device: Device, version: int) -> Device:
    record("flash", device.id, version)
    await asyncio.sleep(2)
    if device.id == "brick" and version == 3:
        raise FirmwareError(device.id, version=version)
    device.version = version
    return device


@action
async def drive(origin: str, target: str) -> float:
    record("drive", origin, target)
    await asyncio.sleep(60)
    return float(len(origin) + len(target))


@action
async def note(text: str) -> int:
    record("note", text)
    return len(text)


@action
async def grade(pupil: str, exercise: int) -> int | None:
    record("grade", pupil, exercise)
    await asyncio.sleep(0.1)
    return None if pupil == "ill" else (len(pupil) * exercise) % 6 + 1


@action
async def lab(patient: str, test: str) -> float:
    record("lab", patient, test)
    await asyncio.sleep({"blood": 3.0, "xray": 1.0}.get(test, 0.5))
    return len(patient) * len(test) / 10


@inputs((["s1", "s22"], 4), (["off"], 2), (["s1", "off"], 3))
@workflow
class CollectReadings(Workflow):
    async def run(self, devices: list[str], rounds: int) -> Readings:
        readings: Readings = {device: [] for device in devices}
        for n in range(rounds):
            values = await asyncio.gather(
                *(read_sensor(d, n) for d in devices), return_exceptions=True
            )
            for device, value in zip(devices, values):
                if isinstance(value, OSError):
                    readings[device].append(math.nan if value.errno != 19 else -1.0)
                else:
                    readings[device].append(value)
            await asyncio.sleep(60)
        return readings


@inputs(("s1", 6, 0.5), ("sensor", 2, 9.0))
@workflow
class SmoothAndAlarm(Workflow):
    async def run(self, device: str, count: int, limit: float) -> Any:
        window: deque[float] = deque(maxlen=3)
        level = Level.GREEN
        changes = []
        for n in range(count):
            window.append(await read_sensor(device, n))
            spread = statistics.stdev(window) if len(window) > 1 else 0.0
            new = Level.RED if spread > 4 * limit else Level(1 + (spread > limit))
            if new is not level:
                changes.append(f"{level.name}->{new.name}")
                level = new
                await note(changes[-1])
        return changes, level


@inputs(([Device("A"), Device("Brick"), Device("c", 2)], 3), ([Device("x", 3)], 3))
@workflow
class UpdateFleet(Workflow):
    async def run(self, fleet: list[Device], target: int) -> Any:
        report = Counter()
        for index, device in enumerate(fleet):
            try:
                while device.version < target:
                    device = await flash(device, device.version + 1)
                    device.log.append(f"v{device.version}")
            except FirmwareError as e:
                report["failed"] += 1
                device.log.append(f"stuck before {e.version}")
            else:
                report["ok"] += 1
            finally:
                fleet[index] = device
        return dict(report), fleet


STOPS = [Stop("a", 3, 4), Stop("b", 1, 1), Stop("c", 6, 8)]


@inputs((STOPS,), ([],))
@workflow
class NearestNeighbourTour(Workflow):
    async def run(self, stops: list[Stop]) -> Any:
        here = Stop("depot", *DEPOT)
        left, tour, hours = list(stops), [], 0.0
        while left:
            nearest = min(left, key=lambda s: (here.distance(s), s.name))
            hours += await drive(here.name, nearest.name)
            left.remove(nearest)
            tour.append(nearest.name)
            here = nearest
        if tour:
            hours += await drive(here.name, "depot")
        return tour, hours


@inputs(
    (["ann", "ill", "bob"], 3),
)
@workflow
class Grades(Workflow):
    async def run(self, pupils: list[str], exercises: int) -> dict[str, float | str]:
        grades = {
            pupil: [await grade(pupil, n) for n in range(1, exercises + 1)] for pupil in pupils
        }
        averages: dict[str, float | str] = {}
        for pupil, marks in grades.items():
            given = [m for m in marks if m is not None]
            averages[pupil] = round(sum(given) / len(given), 2) if given else "absent"
        best = min((a, p) for p, a in averages.items() if not isinstance(a, str))[1]
        await note(f"best: {best}")
        return averages


@inputs((Patient(name="zoe", symptoms=["cough"]),), (Patient(name="al", age=80),))
@workflow
class Triage(Workflow):
    async def run(self, patient: Patient) -> dict[str, Any]:
        tests = ["blood"]
        if "cough" in patient.symptoms or patient.age >= 65:
            tests.append("xray")
        values = dict(zip(tests, await asyncio.gather(*(lab(patient.name, t) for t in tests))))
        match values:
            case {"xray": x} if x > 1.1:
                verdict = "admit"
            case {"blood": b, **rest} if b > 1 and not rest:
                verdict = "observe"
            case _:
                verdict = "home"
        await note(f"{patient.initials}: {verdict}")
        return {**values, "verdict": verdict}


@inputs(([Article("x"), Article("yy", Stage.REVIEW)],))
@workflow
class Newsroom(Workflow):
    async def run(self, articles: list[Article]) -> list[str]:
        order = list(Stage)
        for _ in range(2):
            for article in articles:
                if article.stage is Stage.LIVE:
                    continue
                article.stage = order[order.index(article.stage) + 1]
                length = await note(f"{article.title} is in {article.stage.label}")
                article.notes += (f"{length}",)
        return [f"{a.title}/{a.stage.label}/{'+'.join(a.notes)}" for a in articles]


@inputs(
    (datetime(2024, 3, 31, 0, 30, tzinfo=UTC), "Europe/Berlin"),
)
@workflow
class WorldClock(Workflow):
    async def run(self, at: datetime, zone: str) -> list[str]:
        local = at.astimezone(ZoneInfo(zone))
        times = [local.isoformat()]
        for hours in (1, 2):
            later = (at + timedelta(hours=hours)).astimezone(ZoneInfo(zone))
            times.append(f"{later:%H:%M %z}")
            await note(times[-1])
        tokyo = at.astimezone(timezone(timedelta(hours=9)))
        return [*times, tokyo.strftime("%d %b"), str(local.utcoffset())]


@inputs((5,), (0,))
@workflow
class TimedSteps(Workflow):
    async def run(self, steps: int) -> Any:
        begun = time.time()
        stamps = []
        for n in range(steps):
            await asyncio.sleep(n)
            stamps.append(time.time() - begun)
        ids = {str(uuid.uuid4()) for _ in range(steps)}
        await note(f"{len(ids)} ids")
        return all(a <= b for a, b in zip(stamps, stamps[1:])), len(ids)


@inputs(
    ({"a": {"x": 1}, "b": 2}, {"a": {"y": 3}, "c": 4}),
)
@workflow
class DeepMerge(Workflow):
    async def run(self, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
        return await self.merge(left, right, "")

    async def merge(self, left, right, path):
        merged = dict(left)
        for key, value in right.items():
            if isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = await self.merge(merged[key], value, f"{path}.{key}")
            else:
                merged[key] = value
                await note(f"{path}.{key}")
        return merged


@inputs((["a", "b", "c"], 2), ([], 2))
@workflow
class RoundRobin(Workflow):
    async def run(self, teams: list[str], legs: int) -> list[str]:
        teams = teams + ["bye"] * (len(teams) % 2)
        games = []
        for leg in range(legs):
            for _ in range(len(teams) - 1):
                half = len(teams) // 2
                for home, away in zip(teams[:half], reversed(teams[half:])):
                    if "bye" not in (home, away):
                        games.append(f"{home}-{away}" if leg % 2 == 0 else f"{away}-{home}")
                teams = [teams[0], teams[-1], *teams[1:-1]]
        for number, game in enumerate(games):
            await note(f"{number}: {game}")
        return games


@inputs((10.0, 0.1), (1e9, 0.5))
@workflow
class Newton(Workflow):
    async def run(self, x: float, precision: float) -> Any:
        guess, steps = x, 0
        while abs(guess * guess - x) > precision:
            guess = (guess + x / guess) / 2
            steps += 1
            if not steps % 3:
                await note(f"{guess:.6g}")
        return round(guess, 4), steps


@inputs((["2024-01-01 in", "2024-01-01 out", "2024-01-03 in", "junk"],))
@workflow
class Attendance(Workflow):
    async def run(self, lines: list[str]) -> Any:
        rows = [(p[0], p[1]) for line in lines if len(p := line.split()) == 2]
        days = {
            day: [kind for _, kind in group]
            for day, group in groupby(rows, key=operator.itemgetter(0))
        }
        incomplete = [d for d, kinds in days.items() if kinds != ["in", "out"]]
        for d in incomplete:
            await note(f"{datetime.strptime(d, '%Y-%m-%d'):%A} incomplete")
        return days, incomplete


@inputs((b"\x01\x00\x05hello\x02\x00\x01!",), (b"\x01\x00\x09x",))
@workflow
class DecodeFrames(Workflow):
    async def run(self, data: bytes) -> list[tuple[int, str]]:
        frames = []
        position = 0
        while position < len(data):
            kind = data[position]
            length = int.from_bytes(data[position + 1 : position + 3], "big")
            body = data[position + 3 : position + 3 + length]
            if len(body) != length:
                raise EOFError(f"{length - len(body)} bytes are missing")
            frames.append((kind, body.decode()))
            position += 3 + length
            await note(body.hex())
        return frames


@inputs((("dev", "s1"), 2), (("dev", "s2"), 0))
@workflow
class Tuples(Workflow):
    async def run(self, pair: tuple[str, str], times: int) -> Any:
        (kind, name), *rest = pair, *repeat("x", times)
        value = await read_sensor(name, times)
        low, high = (value, value + 1) if value % 2 < 1 else (value - 1, value)
        head, *middle, tail = [kind, *rest, low, high]
        return head, middle, tail, kind in pair


@inputs((3,), (-1,))
@workflow
class AssertsAndDel(Workflow):
    async def run(self, n: int) -> Any:
        assert n >= 0, f"negative: {await note(str(n))}"
        state = {"a": n, "b": [1, 2, 3]}
        del state["b"][0], state["a"]
        total = await note(str(state))
        backup = state
        del state
        return backup, total
