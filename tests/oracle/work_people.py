"""Programs that read like real work: onboarding, approvals, hiring, support, newsletters."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections import defaultdict, namedtuple
from dataclasses import dataclass, field
from enum import Enum
from itertools import cycle, islice, pairwise, zip_longest
from operator import itemgetter
from typing import Any, Final, Literal, Mapping, Optional, Sequence

from pydantic import BaseModel, Field

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

Decision = Literal["approve", "reject", "abstain"]
DAY: Final = 86_400
CHAIN = {"ann": "bob", "bob": "cleo", "cleo": None}
Slot = namedtuple("Slot", "day hour")


class Status(Enum):
    OPEN = 1
    WAITING = 2
    SOLVED = 3


class Rejected(Exception):
    def __init__(self, by: str, reason: str = "") -> None:
        super().__init__(f"rejected by {by}" + (f": {reason}" if reason else ""))
        self.by = by


class Candidate(BaseModel):
    name: str
    scores: dict[str, int] = Field(default_factory=dict)
    stage: str = "applied"

    def average(self) -> float:
        return sum(self.scores.values()) / len(self.scores) if self.scores else 0.0


class Profile(BaseModel):
    name: str
    email: str
    language: str = "en"
    interests: set[str] = set()


@dataclass
class Ticket:
    id: int
    text: str
    status: Status = Status.OPEN
    replies: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Expense:
    who: str
    cents: int
    purpose: str = "travel"


@action
async def mail(to: str, subject: str, body: str = "") -> bool:
    record("mail", to, subject, body)
    await asyncio.sleep(0.1)
    return "@" in to


@action
async def ask_for_decision(approver: str, what: str, reminder: int = 0) -> Decision | None:
    record("ask_for_decision", approver, what, reminder)
    await asyncio.sleep(0.5)
    if approver == "bob" and reminder < 2:
        return None
    if approver == "cleo":
        return "reject" if "yacht" in what else "abstain"
    return "approve"


@action
async def create_account(system: str, name: str) -> str:
    record("create_account", system, name)
    await asyncio.sleep(0.3 if system != "vpn" else 1.2)
    if system == "badge" and name == "zed":
        raise LookupError(f"no photo of {name}")
    return f"{name}@{system}"


@action
async def has_logged_in(name: str, day: int) -> bool:
    record("has_logged_in", name, day)
    await asyncio.sleep(0.05)
    return day >= len(name)


@action
async def interview(candidate: str, topic: str) -> int:
    record("interview", candidate, topic)
    await asyncio.sleep(1 + len(topic) / 10)
    return (len(candidate) * len(topic)) % 5 + 1


@action
async def answer_ticket(ticket: Ticket) -> Ticket:
    record("answer_ticket", ticket.id, ticket.status.name)
    await asyncio.sleep(0.4)
    ticket.replies.append(f"reply {len(ticket.replies) + 1}")
    if len(ticket.replies) > ticket.id:
        ticket.status = Status.SOLVED
    return ticket


@action
async def subscribers(segment: str) -> list[Profile]:
    record("subscribers", segment)
    await asyncio.sleep(0.2)
    people = [
        Profile(name="Ann", email="ann@x", interests={"tea"}),
        Profile(name="Bob", email="bob", language="de"),
        Profile(name="Cid", email="cid@x", language="de", interests={"cars", "tea"}),
    ]
    return [p for p in people if segment in ("all", p.language)]


@action
async def free_slots(person: str) -> list[tuple[int, int]]:
    record("free_slots", person)
    await asyncio.sleep(0.1)
    return [(d, h) for d in range(2) for h in range(9, 12) if (d + h + len(person)) % 2]


@inputs(("zoe", ["mail", "vpn", "chat"]), ("zed", ["mail", "badge"]), ("li", []))
@workflow
class Onboarding(Workflow):
    async def run(self, name: str, systems: list[str]) -> dict[str, Any]:
        accounts = await asyncio.gather(
            *[create_account(system, name) for system in systems], return_exceptions=True
        )
        created = {s: a for s, a in zip(systems, accounts) if not isinstance(a, BaseException)}
        problems = {s: repr(a) for s, a in zip(systems, accounts) if isinstance(a, BaseException)}
        if problems:
            await mail("it@x", f"accounts for {name}", "\n".join(problems.values()))
        await mail(f"{name}@x", "welcome", ", ".join(sorted(created)))
        return {"created": created, "problems": problems}


@inputs(("ann",), ("konstantin",))
@workflow
class DripCampaign(Workflow):
    SCHEDULE = [(0, "welcome"), (2, "tips"), (5, "we miss you"), (9, "last call")]

    async def run(self, name: str) -> list[str]:
        sent: list[str] = []
        today = 0
        for day, template in self.SCHEDULE:
            await asyncio.sleep((day - today) * DAY)
            today = day
            if day and await has_logged_in(name, day):
                sent.append(f"active on day {day}")
                break
            if await mail(f"{name}@x", template):
                sent.append(template)
        return sent


@inputs((Expense("ann", 20_000),), (Expense("ann", 900_000, "yacht"),), (Expense("bob", 10),))
@workflow
class ExpenseApproval(Workflow):
    async def run(self, expense: Expense) -> list[str]:
        approvals: list[str] = []
        manager = CHAIN[expense.who]
        limit = 5_000
        while manager is not None:
            decision = await self.decide(manager, expense)
            if decision == "reject":
                await mail(f"{expense.who}@x", "rejected")
                raise Rejected(manager, expense.purpose)
            approvals.append(f"{manager}: {decision}")
            if expense.cents <= limit:
                break
            limit *= 10
            manager = CHAIN.get(manager)
        return approvals

    async def decide(self, manager: str, expense: Expense) -> Decision:
        for reminder in range(4):
            answer = await ask_for_decision(manager, expense.purpose, reminder)
            if answer is not None:
                return answer
            await asyncio.sleep(DAY / 2)
        return "abstain"


@inputs((["ann", "bob", "cleo"], "chairs", 2), (["cleo"], "chairs", 1), (["ann", "eve"], "x", 1))
@workflow
class Quorum(Workflow):
    async def run(self, voters: Sequence[str], what: str, needed: int) -> str:
        votes = defaultdict(list)
        answers = await asyncio.gather(*[ask_for_decision(v, what, 9) for v in voters])
        for voter, answer in zip(voters, answers):
            votes[answer].append(voter)
        if votes["reject"]:
            return f"rejected by {' and '.join(votes['reject'])}"
        return "approved" if len(votes["approve"]) >= needed else "no quorum"


@inputs((["ann", "bob"],), (["maximilian"],))
@workflow
class Hiring(Workflow):
    TOPICS = ("code", "design", "people")

    async def run(self, names: list[str]) -> list[Candidate]:
        candidates = [Candidate(name=n) for n in names]
        for topic in self.TOPICS:
            still_in = [c for c in candidates if c.stage != "rejected"]
            scores = await asyncio.gather(*(interview(c.name, topic) for c in still_in))
            for candidate, score in zip(still_in, scores, strict=True):
                candidate.scores[topic] = score
                candidate.stage = topic if score > 1 else "rejected"
        best = max(candidates, key=lambda c: c.average())
        if best.average() >= 2.5 and best.stage != "rejected":
            best.stage = "offer"
            await mail(f"{best.name}@x", "offer")
        return candidates


@inputs((Ticket(1, "help"),), (Ticket(9, "hard"),), (Ticket(3, "old", Status.SOLVED),))
@workflow
class SupportTicket(Workflow):
    async def run(self, ticket: Ticket) -> Ticket:
        rounds = 0
        while ticket.status is not Status.SOLVED:
            ticket = await answer_ticket(ticket)
            rounds += 1
            if rounds >= 3 and ticket.status != Status.SOLVED:
                ticket.status = Status.WAITING
                await mail("lead@x", f"ticket {ticket.id} takes long", "; ".join(ticket.replies))
                break
            await asyncio.sleep(60 * rounds)
        return ticket


GREETINGS = {"en": "Hello {name}", "de": "Hallo {name}"}


@inputs((["ann", "bobby", "cid"],), (["ann"],))
@workflow
class FindMeeting(Workflow):
    async def run(self, people: list[str]) -> Optional[tuple[int, int]]:
        calendars = await asyncio.gather(*(free_slots(p) for p in people))
        common = set(map(tuple, calendars[0]))
        for slots in calendars[1:]:
            common &= {tuple(s) for s in slots}
        if not common:
            await mail("all@x", "no common slot")
            return None
        slot = Slot(*min(common))
        await mail("all@x", f"day {slot.day} at {slot.hour:02}:00")
        return slot.day, slot.hour


@inputs((["ann", "bob", "cid"], ["wash", "cook", "shop", "sweep", "mow"]))
@workflow
class Chores(Workflow):
    async def run(self, people: list[str], chores: list[str]) -> Any:
        rota = list(zip(chores, islice(cycle(people), len(chores))))
        for chore, person in rota:
            await mail(f"{person}@x", chore)
        load = {p: [c for c, q in rota if q == p] for p in people}
        return sorted(load.items(), key=lambda kv: (-len(kv[1]), kv[0]))


@inputs(("ann",))
@workflow
class PasswordReset(Workflow):
    async def run(self, user: str) -> Any:
        token = secrets.token_hex(8)
        alphabet = string.ascii_letters + string.digits
        hint = "".join(secrets.choice(alphabet) for _ in range(4))
        await mail(f"{user}@x", "reset", f"{len(token)} characters")
        await asyncio.sleep(15 * 60)
        await mail(f"{user}@x", "expired", str(len(hint)))
        return len(token), all(c in alphabet for c in hint), token == token.lower()


@inputs(([("ann", 3), ("bob", 3), ("cid", 8)],), ([],))
@workflow
class Leaderboard(Workflow):
    async def run(self, scores: list[tuple[str, int]]) -> list[str]:
        ranked = sorted(scores, key=itemgetter(1), reverse=True)
        lines, place = [], 0
        last = None
        for index, (name, score) in enumerate(ranked, start=1):
            if score != last:
                place, last = index, score
            lines.append(f"{place}. {name} ({score})")
        if lines:
            await mail("all@x", "results", "\n".join(lines))
        return lines


@inputs((3,), (10,))
@workflow
class VacationHandover(Workflow):
    async def run(self, days: int) -> int:
        sent = 0
        try:
            await mail("me@x", "out of office on")
            for day in range(days):
                if day % 7 in (5, 6):
                    continue
                sent += await mail("deputy@x", f"day {day}")
                await asyncio.sleep(DAY)
        finally:
            await mail("me@x", "out of office off")
        return sent


@inputs(([1, 3, 7, 8], 2), ([5], 1))
@workflow
class GapsInSchedule(Workflow):
    async def run(self, shifts: list[int], gap: int) -> Any:
        holes = [(a, b) for a, b in pairwise(shifts) if b - a > gap]
        for a, b in holes:
            await mail("planner@x", f"nobody between {a} and {b}")
        pairs = list(zip_longest(shifts[::2], shifts[1::2], fillvalue=0))
        return holes, pairs


@inputs(("ann", {"vpn": True, "mail": False}), ("li", {}))
@workflow
class Offboarding(Workflow):
    async def run(self, name: str, systems: Mapping[str, bool]):
        kept, closed = [], []
        for system, keep in systems.items():
            (kept if keep else closed).append(system)
            if not keep:
                await mail(f"{system}@x", f"close {name}")
        return {"kept": kept, "closed": closed} if systems else None


@inputs((["yes", "no", "later", "maybe?"],), (["stop", "yes"],))
@workflow
class Survey(Workflow):
    async def run(self, answers):
        tally = {"yes": 0, "no": 0}
        for answer in answers:
            match answer:
                case "yes" | "no":
                    tally[answer] += 1
                case "stop":
                    break
                case str(x) if x.endswith("?"):
                    await mail("research@x", f"unclear: {x}")
                case _:
                    await asyncio.sleep(DAY)
                    tally["no"] += await mail("someone@x", "ask again")
        return tally


@inputs(("ann", 2.2), ("ann", 10.0), races=True)
@workflow
class DecisionRace(Workflow):
    """The first of two approvers decides; nobody within the time means no."""

    async def run(self, who, patience):
        asked = [asyncio.ensure_future(self.slowly(a, n)) for n, a in enumerate((who, "cleo"), 2)]
        done, rest = await asyncio.wait(
            asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        for task in rest:
            task.cancel()
        return [t.result() for t in done] or "nobody"

    async def slowly(self, approver, seconds):
        await asyncio.sleep(seconds)
        return approver, await ask_for_decision(approver, "desk", 5)


@inputs(([3, 1, 2],), ([],))
@workflow
class ReminderTasks(Workflow):
    async def run(self, days: list[int]) -> list[int]:
        sent: list[int] = []
        async with asyncio.TaskGroup() as tg:
            for day in days:
                tg.create_task(self.remind(day, sent))
        return sent

    async def remind(self, day: int, sent: list[int]) -> None:
        await asyncio.sleep(day * DAY)
        await mail("me@x", f"reminder of day {day}")
        sent.append(day)
