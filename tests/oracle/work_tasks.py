"""Programs that read like real work: tasks, groups, timeouts, locks, races."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, Semaphore, TaskGroup, create_task, gather, sleep, wait_for
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow


class Broken(Exception):
    pass


class Busy(Exception):
    pass


@dataclass
class Quote:
    supplier: str
    price: int


@action
async def work(name: str, seconds: float = 1.0) -> str:
    record("work", name)
    await asyncio.sleep(seconds)
    if name.startswith("bad"):
        raise Broken(name)
    if name.startswith("busy"):
        raise Busy(name)
    return name.upper()


@action
async def quote(supplier: str) -> Quote:
    record("quote", supplier)
    await asyncio.sleep(len(supplier))
    if supplier == "closed":
        raise ConnectionError("closed today")
    return Quote(supplier, 100 - len(supplier) * 7)


@action
async def ping(n: int) -> None:
    record("ping", n)


@action
async def ready(job: str) -> bool:
    """True from the fifth second on."""
    record("ready", job)
    await asyncio.sleep(0.25)
    return asyncio.get_running_loop().time() > 5


@action
async def undo(name: str) -> None:
    record("undo", name)
    await asyncio.sleep(0.5)


@inputs((["a", "b", "c"],), (["a", "bad", "c"],), ([],), races=True)
@workflow
class GroupOfWork(Workflow):
    async def run(self, names: list[str]) -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work(name, 1 + n)) for n, name in enumerate(names)]
        except* Broken as broken:
            return_value = [str(e) for e in broken.exceptions]
            await undo(return_value[0])
        else:
            return_value = [task.result() for task in tasks]
        return return_value


@inputs((["bad1", "busy1", "ok"],), (["busy"],), (["ok"],), races=True)
@workflow
class SortsFailures(Workflow):
    async def run(self, names):
        seen = []
        try:
            async with TaskGroup() as tg:
                for name in names:
                    tg.create_task(work(name))
        except* Broken as eg:
            seen += [f"broken {e}" for e in eg.exceptions]
        except* Busy as eg:
            await sleep(1)
            seen += [f"busy {e}" for e in eg.exceptions]
        finally:
            await ping(len(seen))
        return seen


@inputs((2.0,), (20.0,), races=True)
@workflow
class PollUntilReady(Workflow):
    async def run(self, patience: float) -> tuple[str, int]:
        polls = 0
        try:
            async with asyncio.timeout(patience):
                while not await ready("render"):
                    polls += 1
                    await asyncio.sleep(1)
        except TimeoutError:
            return "timeout", polls
        return "ready", polls


@inputs((["shop", "market", "closed"],), (["closed"],), races=True)
@workflow
class FirstGoodQuote(Workflow):
    async def run(self, suppliers: list[str]) -> Quote | None:
        for finished in asyncio.as_completed([create_task(quote(s)) for s in suppliers]):
            try:
                return await finished
            except ConnectionError:
                continue
        return None


@inputs((["shop", "market", "supermarket"], 7.0), (["supermarket"], 1), races=True)
@workflow
class QuotesUntilDeadline(Workflow):
    async def run(self, suppliers: list[str], deadline: float) -> Any:
        tasks = {asyncio.create_task(quote(s), name=s) for s in suppliers}
        done, late = await asyncio.wait(tasks, timeout=deadline)
        for task in late:
            task.cancel()
        best = min((t.result() for t in done), key=lambda q: q.price, default=None)
        return best, sorted(t.get_name() for t in late)


@inputs((3, 2.5), (1, 0.1), races=True)
@workflow
class Heartbeat(Workflow):
    async def run(self, jobs: int, pause: float) -> list[str]:
        log: list[str] = []
        heart = create_task(self.beat(pause, log))
        try:
            for n in range(jobs):
                log.append(await work(f"job{n}", 2))
        finally:
            heart.cancel()
            with suppress(CancelledError):
                await heart
        return log

    async def beat(self, pause: float, log: list[str]) -> None:
        n = 0
        try:
            while n < 10:
                await sleep(pause)
                n += 1
                log.append(f"beat {n}")
        except CancelledError:
            log.append("beat stopped")
            raise


@inputs((["a", "b", "c", "d", "e"], 2), (["a", "bad", "c"], 1), races=True)
@workflow
class AtMostSome(Workflow):
    async def run(self, names: list[str], limit: int) -> Any:
        gate = Semaphore(limit)
        running = Counter()
        peak = 0

        async def guarded(name: str) -> str:
            nonlocal_peak = 0
            async with gate:
                running["now"] += 1
                running["peak"] = max(running["peak"], running["now"])
                try:
                    return await work(name)
                finally:
                    running["now"] -= 1

        results = await gather(*map(guarded, names), return_exceptions=True)
        return [str(r) for r in results], running["peak"], running["now"]


@inputs((["ann", "bob", "cid"], 10), races=True)
@workflow
class AccountWithLock(Workflow):
    def __init__(self):
        self.lock = asyncio.Lock()
        self.balance = 0

    async def run(self, names, amount):
        await asyncio.gather(*[self.deposit(n, amount) for n in names])
        return self.balance

    async def deposit(self, name, amount):
        async with self.lock:
            before = self.balance
            await work(name, 0.5)
            self.balance = before + amount


@inputs((0.5,), (3.0,), races=True)
@workflow
class FallbackAfterTimeout(Workflow):
    async def run(self, seconds: float) -> str:
        try:
            return await wait_for(work("primary", 1.0), seconds)
        except asyncio.TimeoutError:
            return await work("secondary", 0.2)


@inputs((1.5,), (9.0,), races=True)
@workflow
class HedgedRequest(Workflow):
    """When the first answer takes long, ask a second one; the first of both wins."""

    async def run(self, primary_seconds: float) -> Any:
        first = create_task(work("first", primary_seconds))
        done, _ = await asyncio.wait({first}, timeout=2)
        if done:
            return first.result(), "first"
        second = create_task(work("second", 1))
        done, pending = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        winner = done.pop()
        return winner.result(), "hedged"


@inputs((1.0,), (5.0,), races=True)
@workflow
class ShieldedCommit(Workflow):
    async def run(self, cancel_after: float) -> list[str]:
        log: list[str] = []
        task = create_task(self.transaction(log))
        await sleep(cancel_after)
        log.append(f"cancel {task.cancel()}")
        try:
            log.append(await task)
        except CancelledError:
            log.append("cancelled")
        return log

    async def transaction(self, log: list[str]) -> str:
        await work("prepare", 0.5)
        commit = create_task(work("commit", 2))
        try:
            return await asyncio.shield(commit)
        except CancelledError:
            log.append(await commit)
            raise


@inputs((["a", "bad"],), (["a", "b"],), races=True)
@workflow
class CleanupInFinally(Workflow):
    async def run(self, names):
        try:
            async with TaskGroup() as tg:
                for i, name in enumerate(names):
                    tg.create_task(self.one(name, i))
        except ExceptionGroup as eg:
            return eg.message, [repr(e) for e in eg.exceptions]
        return "fine"

    async def one(self, name, i):
        try:
            await work(name, 1 + 2 * i)
            await sleep(10)
        finally:
            await undo(name)


@inputs((2,), (0,), races=True)
@workflow
class StartSignal(Workflow):
    async def run(self, runners: int) -> list[str]:
        start = asyncio.Event()
        finished: list[str] = []

        async def runner(n: int) -> None:
            await start.wait()
            finished.append(await work(f"runner{n}", 3 - n))

        tasks = [create_task(runner(n)) for n in range(runners)]
        await work("countdown", 2)
        start.set()
        await gather(*tasks)
        return finished


@inputs(races=True)
@workflow
class NestedTimeouts(Workflow):
    async def run(self) -> list[str]:
        log = []
        try:
            async with asyncio.timeout(3):
                try:
                    async with asyncio.timeout(1):
                        await work("slow", 2)
                except TimeoutError:
                    log.append("inner")
                    await work("slower", 4)
        except TimeoutError:
            log.append("outer")
        return log


@inputs((True,), (False,), races=True)
@workflow
class GatherHeld(Workflow):
    async def run(self, wait: bool) -> Any:
        both = gather(work("a", 2), work("b", 1))
        meanwhile = await work("meanwhile", 1.5)
        if not wait:
            both.cancel()
            with suppress(CancelledError):
                await both
            return meanwhile
        return [meanwhile, *await both]


@inputs((["a", "bad", "c"],), races=True)
@workflow
class ResultsAndErrors(Workflow):
    async def run(self, names):
        tasks = {n: create_task(work(n, i + 1)) for i, n in enumerate(names)}
        await asyncio.wait(tasks.values())
        return {n: repr(t.exception()) if t.exception() else t.result() for n, t in tasks.items()}


@inputs((["a", "b", "bad", "d"],), (["a", "b"],), races=True)
@workflow
class StopAtFirstError(Workflow):
    async def run(self, names: list[str]) -> Any:
        tasks = [create_task(work(n, len(names) - i)) for i, n in enumerate(names)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in pending:
            task.cancel()
        states = []
        await gather(*pending, return_exceptions=True)
        for task in tasks:
            if task.cancelled():
                states.append("cancelled")
            elif error := task.exception():
                states.append(repr(error))
            else:
                states.append(task.result())
        return states


@inputs((["a", "b", "c", "d"], 2), races=True)
@workflow
class WorkersOverList(Workflow):
    async def run(self, names: list[str], workers: int) -> Any:
        todo = list(reversed(names))
        done: dict[str, list[str]] = {}

        async def worker(label: str) -> None:
            mine = done.setdefault(label, [])
            while todo:
                name = todo.pop()
                mine.append(await work(name, 1 if label == "w0" else 2.5))

        await gather(*(worker(f"w{n}") for n in range(workers)))
        return done


@inputs((3,), races=True)
@workflow
class PingEvery(Workflow):
    async def run(self, times: int) -> int:
        async def pinger() -> int:
            for n in range(times):
                await ping(n)
                await sleep(1)
            return times

        background = create_task(pinger())
        await work("main", 1.5)
        return await background


@inputs(races=True)
@workflow
class UnfinishedTask(Workflow):
    """What still runs at the end is cancelled, as `asyncio.run` does."""

    async def run(self) -> str:
        create_task(self.forever())
        return await work("short")

    async def forever(self) -> None:
        try:
            await sleep(1000)
        finally:
            await undo("forever")


@inputs((0.5,), (5.0,), races=True)
@workflow
class GatherInTimeout(Workflow):
    async def run(self, seconds: float) -> Any:
        finished: list[str] = []
        try:
            async with asyncio.timeout(seconds) as scope:
                for part in (["a", "b"], ["c", "d"]):
                    finished += await gather(*(work(n, 0.4) for n in part))
                    scope.reschedule(scope.when() + 0.1)
        except TimeoutError:
            await undo("rest")
        return finished, scope.expired()


@inputs((4,), (1,), races=True)
@workflow
class RateLimited(Workflow):
    """One call per second, however long each takes."""

    async def run(self, calls: int) -> list[str]:
        tasks = []
        for n in range(calls):
            tasks.append(create_task(work(f"call{n}", 1.7)))
            if n + 1 < calls:
                await sleep(1)
        return list(await gather(*tasks))


@inputs(races=True)
@workflow
class CancelMessage(Workflow):
    async def run(self):
        task = create_task(work("x", 5))
        await sleep(1)
        task.cancel("no longer needed")
        try:
            await task
        except CancelledError as e:
            return e.args, task.cancelled(), task.done()


@inputs((["a", "b"],), races=True)
@workflow
class InOrderOfCompletion(Workflow):
    async def run(self, names: list[str]) -> list[str]:
        found = []
        tasks = [create_task(work(n, 2 - i)) for i, n in enumerate(names)]
        for next_done in asyncio.as_completed(tasks, timeout=9):
            found.append(await next_done)
        return found
