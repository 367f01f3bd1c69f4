"""Programs that read like real work: agents with tools, chats, moderation, games."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, Literal, TypedDict

from pydantic import BaseModel

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

MAX_TURNS = 5
SYSTEM = "You are a helpful assistant."


class ToolCall(BaseModel):
    name: str
    arguments: dict[str, Any] = {}


class Message(BaseModel):
    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: list[ToolCall] = []


class Msg(TypedDict, total=False):
    role: str
    content: str
    tool: str
    args: dict[str, Any]


class ToolError(Exception):
    """A tool was called wrongly."""


class RateLimited(Exception):
    def __init__(self, retry_after: float) -> None:
        super().__init__(f"retry after {retry_after}s")
        self.retry_after = retry_after


class Severity(IntEnum):
    OK = 0
    SUSPICIOUS = 1
    BAD = 2


@action
async def complete(messages: list[Message]) -> Message:
    """A scripted model: looks things up, computes, then answers."""
    record("complete", len(messages), messages[-1].role)
    await asyncio.sleep(0.8)
    question = next(m.content for m in messages if m.role == "user")
    results = [m.content for m in messages if m.role == "tool"]
    if "loop" in question:
        return Message(role="assistant", tool_calls=[ToolCall(name="search", arguments={"q": "x"})])
    if "broken" in question and not results:
        return Message(role="assistant", tool_calls=[ToolCall(name="fly")])
    if len(results) == 0:
        call = ToolCall(name="search", arguments={"q": question.split()[-1]})
        return Message(role="assistant", tool_calls=[call])
    if len(results) == 1 and "and" in question:
        calls = [ToolCall(name="calculate", arguments={"a": len(question), "b": n}) for n in (2, 3)]
        return Message(role="assistant", content="computing", tool_calls=calls)
    return Message(role="assistant", content=f"answer from {len(results)}: {results[-1]}")


@action
async def search(q: str) -> str:
    record("search", q)
    await asyncio.sleep(0.4)
    return f"found {q}"


@action
async def calculate(a: int, b: int) -> int:
    record("calculate", a, b)
    await asyncio.sleep(0.1)
    return a * b


@action
async def ask_model(prompt: str, attempt: int = 0) -> str:
    record("ask_model", prompt, attempt)
    await asyncio.sleep(0.5)
    if prompt.startswith("busy") and attempt < 2:
        raise RateLimited(2.0 * (attempt + 1))
    if prompt.startswith("json"):
        return '{"ok": true, "n": 3}' if attempt else "Sure! Here is JSON: {ok"
    if prompt.startswith("score"):
        return str(len(prompt) % 10)
    return prompt.upper()


@action
async def classify(text: str) -> Severity:
    record("classify", text)
    await asyncio.sleep(0.2)
    return Severity(min(2, text.count("!")))


@action
async def post(channel: str, text: str) -> int:
    record("post", channel, text)
    await asyncio.sleep(0.05)
    return len(text)


@action
async def player_move(player: str, board: str) -> int:
    record("player_move", player, board)
    await asyncio.sleep(0.3)
    return board.index(".") if player == "x" else board.rindex(".")


@action
async def embed(chunk: str) -> list[float]:
    record("embed", chunk)
    await asyncio.sleep(0.2)
    return [float(len(chunk)), float(chunk.count("e"))]


TOOLS = {"search": search, "calculate": calculate}


@inputs(("what is tea",), ("tea and cake",), ("loop for ever",), ("broken thing",))
@workflow
class AgentWithIfs(Workflow):
    async def run(self, question: str) -> Any:
        messages = [
            Message(role="system", content=SYSTEM),
            Message(role="user", content=question),
        ]
        for turn in range(MAX_TURNS):
            reply = await complete(messages)
            messages.append(reply)
            if not reply.tool_calls:
                return {"turns": turn + 1, "answer": reply.content}
            for call in reply.tool_calls:
                if call.name == "search":
                    result = await search(**call.arguments)
                elif call.name == "calculate":
                    result = str(await calculate(**call.arguments))
                else:
                    result = f"error: no tool {call.name}"
                messages.append(Message(role="tool", content=result))
        raise RuntimeError(f"no answer after {MAX_TURNS} turns")


@inputs(("what is tea",), ("tea and cake",), ("broken thing",))
@workflow
class AgentWithToolTable(Workflow):
    async def run(self, question: str) -> str:
        messages = [Message(role="user", content=question)]
        turns = 0
        while True:
            turns += 1
            if turns > MAX_TURNS:
                return "too many turns"
            reply = await complete(messages)
            messages.append(reply)
            if not reply.tool_calls:
                break
            for call in reply.tool_calls:
                tool = TOOLS.get(call.name)
                if tool is None:
                    messages.append(Message(role="tool", content="unknown tool"))
                    continue
                output = await tool(**call.arguments)
                messages.append(Message(role="tool", content=str(output)))
        return messages[-1].content


@inputs(("tea and cake",), ("broken and odd",), ("fine",))
@workflow
class AgentParallelTools(Workflow):
    async def run(self, question: str) -> list[str]:
        transcript: list[Message] = [Message(role="user", content=question)]
        for _ in range(4):
            reply = await complete(transcript)
            transcript.append(reply)
            if not (calls := reply.tool_calls):
                break
            outputs = await asyncio.gather(
                *(self.call_tool(c) for c in calls), return_exceptions=True
            )
            for call, output in zip(calls, outputs, strict=True):
                text = f"{call.name} failed: {output}" if isinstance(output, Exception) else output
                transcript.append(Message(role="tool", content=str(text)))
        return [f"{m.role}: {m.content}" for m in transcript]

    async def call_tool(self, call: ToolCall) -> Any:
        match call:
            case ToolCall(name="search", arguments={"q": str(query)}):
                return await search(query)
            case ToolCall(name="calculate", arguments={"a": int() as a, "b": int() as b}):
                return await calculate(a, b)
            case ToolCall(name=name):
                raise ToolError(f"cannot call {name}")


@inputs(("hello",), ("busy day",))
@workflow
class RespectRateLimit(Workflow):
    async def run(self, prompt: str) -> Any:
        waited = 0.0
        for attempt in range(4):
            try:
                answer = await ask_model(prompt, attempt=attempt)
            except RateLimited as limit:
                waited += limit.retry_after
                await asyncio.sleep(limit.retry_after)
            else:
                return answer, waited
        raise TimeoutError("the model is always busy")


@inputs(("json please",), ("no idea",))
@workflow
class ParseModelJson(Workflow):
    """Ask again, with the error in the prompt, until the answer parses."""

    async def run(self, prompt: str) -> Any:
        errors: list[str] = []
        for attempt in range(3):
            text = await ask_model(prompt, attempt)
            try:
                data = json.loads(text)
            except json.JSONDecodeError as e:
                errors.append(f"{e.msg} at {e.pos}")
                continue
            return {"data": data, "errors": errors}
        return {"data": None, "errors": errors}


@inputs((["hi", "spam!", "scam!!", "ok"],), ([],))
@workflow
class ModerateChat(Workflow):
    async def run(self, texts: list[str]) -> dict[str, int]:
        strikes = Counter()
        for n, text in enumerate(texts):
            severity = await classify(text)
            strikes[severity.name] += 1
            if severity is Severity.BAD:
                await post("mods", f"#{n} removed: {text!r}")
                break
            elif severity > Severity.OK:
                await post("mods", f"#{n} flagged")
        return dict(strikes)


@inputs((["a", "b!", "c!!", "d!!", "e"],))
@workflow
class ModerateInBatches(Workflow):
    async def run(self, queue: list[str]) -> dict[str, list[str]]:
        buckets: dict[str, list[str]] = {s.name.lower(): [] for s in Severity}
        batch = 2
        while queue:
            now, queue = queue[:batch], queue[batch:]
            for text, severity in zip(now, await asyncio.gather(*map(classify, now))):
                buckets[severity.name.lower()].append(text)
        if len(buckets["bad"]) >= 2:
            await post("admin", "raid: " + ", ".join(buckets["bad"]))
        return buckets


WINS = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


@inputs((".........",), ("xx.......",), ("xoxoxoox.",))
@workflow
class TicTacToe(Workflow):
    async def run(self, board: str) -> str:
        cells = list(board)
        player = "x"
        while "." in cells:
            move = await player_move(player, "".join(cells))
            cells[move] = player
            if any(all(cells[i] == player for i in line) for line in WINS):
                await post("game", f"{player} wins")
                return "".join(cells) + f" {player} wins"
            player = "o" if player == "x" else "x"
        return "".join(cells) + " draw"


@dataclass
class Player:
    name: str
    hp: int = 10
    items: list[str] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.hp > 0


@inputs((Player("ork", 7), Player("elf", 9, ["bow"])), (Player("rat", 1), Player("cat", 3)))
@workflow
class Duel(Workflow):
    async def run(self, first: Player, second: Player) -> Any:
        rounds = 0
        attacker, defender = first, second
        log = []
        while first.alive and second.alive:
            rounds += 1
            roll = await calculate(len(attacker.name), rounds)
            damage = roll % 4 + (2 if "bow" in attacker.items else 0)
            defender.hp -= damage
            log.append(f"{attacker.name} hits {defender.name} for {damage} ({max(defender.hp, 0)})")
            attacker, defender = defender, attacker
            if rounds == 20:
                break
        winner = first if first.alive else second
        await post("arena", log[-1])
        return winner, log


@inputs((["score a", "score bb", "score cccc"],), (["score x"],))
@workflow
class BestOfN(Workflow):
    async def run(self, candidates: list[str]) -> tuple[str, int]:
        scores = await asyncio.gather(*[ask_model(c) for c in candidates])
        ranked = sorted(zip(candidates, map(int, scores)), key=lambda cs: (-cs[1], cs[0]))
        best, score = ranked[0]
        if score < 8 and len(candidates) > 1:
            again = await ask_model(best + "!")
            score = max(score, int(again))
        return best, score


@inputs(("tree of thought",))
@workflow
class TreeOfThought(Workflow):
    async def run(self, goal: str) -> Any:
        best = await self.expand(goal, depth=2)
        return best

    async def expand(self, thought: str, depth: int) -> tuple[int, str]:
        score = int(await ask_model("score " + thought))
        if depth == 0:
            return score, thought
        options = [f"{thought}/{i}" for i in range(2)]
        children = await asyncio.gather(*(self.expand(o, depth - 1) for o in options))
        return max([(score, thought), *children])


@inputs((["hi", "/name Ann", "who am i", "/quit", "unseen"],), (["/help", "/bogus"],))
@workflow
class SlashCommands(Workflow):
    async def run(self, lines: list[str]) -> list[str]:
        name = "you"
        out: list[str] = []
        for line in lines:
            match line.split(maxsplit=1):
                case ["/quit"]:
                    out.append("bye")
                    break
                case ["/name", new]:
                    name = new
                case ["/help" | "/?"]:
                    out.append("commands: /name /quit")
                case [cmd, *_] if cmd.startswith("/"):
                    out.append(f"unknown {cmd}")
                case _:
                    out.append(f"{name}: {await ask_model(line)}")
        return out


@inputs(("Please write to bob@example.com or eve@evil.org",), ("nothing here",))
@workflow
class RedactBeforeModel(Workflow):
    async def run(self, text: str) -> dict[str, Any]:
        addresses = re.findall(r"[\w.]+@[\w.]+", text)
        mapping = {a: f"<address {i}>" for i, a in enumerate(addresses)}
        clean = text
        for address, mark in mapping.items():
            clean = clean.replace(address, mark)
        answer = await ask_model(clean)
        for address, mark in mapping.items():
            answer = answer.replace(mark.upper(), address)
        return {"sent": clean, "answer": answer}


@inputs((4, 100), (10, 3))
@workflow
class RollTheDice(Workflow):
    async def run(self, rounds: int, sides: int) -> bool:
        rolls = []
        for n in range(rounds):
            rolls.append(random.randint(1, sides))
            await post("game", f"roll {n}")
        shuffled = random.sample(rolls, k=len(rolls))
        await post("game", "over")
        return sorted(shuffled) == sorted(rolls) and max(rolls) <= sides


@inputs((["q1", "q2", "busy q3"],))
@workflow
class Conversation(Workflow):
    """Keeps the conversation on self."""

    def __init__(self):
        self.history = deque(maxlen=4)
        self.tokens = 0

    async def run(self, questions):
        for q in questions:
            await self.ask(q)
        return list(self.history), self.tokens

    async def ask(self, question):
        self.history.append(("user", question))
        try:
            answer = await ask_model(question)
        except RateLimited:
            answer = "(busy)"
        self.tokens += len(question) + len(answer)
        self.history.append(("assistant", answer))


@inputs(("what is tea",), ("loop",), races=True)
@workflow
class AgentWithDeadline(Workflow):
    async def run(self, question: str) -> str:
        messages = [Message(role="user", content=question)]
        try:
            async with asyncio.timeout(4):
                while True:
                    reply = await complete(messages)
                    if not reply.tool_calls:
                        return reply.content
                    for c in reply.tool_calls:
                        messages.append(Message(role="tool", content=await search(**c.arguments)))
        except TimeoutError:
            return f"ran out of time after {len(messages)} messages"


@inputs((["alpha", "beta", "busy gamma"],), races=True)
@workflow
class FirstAnswerWins(Workflow):
    async def run(self, prompts):
        tasks = {asyncio.create_task(ask_model(p)): p for p in prompts}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for t in pending:
            t.cancel()
        return [tasks[t] for t in tasks if t in done], len(pending)


class Role(Enum):
    PLANNER = "planner"
    CODER = "coder"
    REVIEWER = "reviewer"


@inputs(("build a bridge", 3), ("x", 1))
@workflow
class RolesInTurn(Workflow):
    async def run(self, goal: str, rounds: int) -> list[str]:
        draft, notes = goal, []
        role = Role.PLANNER
        for _ in range(rounds * len(Role)):
            draft = await ask_model(f"{role.value}: {draft[:20]}")
            notes.append(f"{role.name[0]}:{len(draft)}")
            role = {
                Role.PLANNER: Role.CODER,
                Role.CODER: Role.REVIEWER,
                Role.REVIEWER: Role.PLANNER,
            }[role]
            if role is Role.PLANNER and len(draft) >= 20:
                break
        return notes
