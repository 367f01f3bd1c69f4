"""Programs that read like real work: pipelines, deployments, rollouts, webhooks, clean-up."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import hashlib
import json
import statistics
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import PurePosixPath
from typing import Any, NotRequired, TypedDict
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlparse

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

PIPELINE = {
    "checkout": [],
    "lint": ["checkout"],
    "build": ["checkout"],
    "test": ["build"],
    "package": ["build", "lint"],
    "publish": ["package", "test"],
}


class JobFailed(Exception):
    def __init__(self, job: str, code: int = 1) -> None:
        super().__init__(f"{job} exited with {code}")
        self.job = job
        self.code = code


class Unhealthy(RuntimeError):
    pass


class Hook(TypedDict):
    url: str
    events: list[str]
    secret: NotRequired[str]


@dataclass
class Health:
    host: str
    latency: float
    errors: int = 0

    @property
    def healthy(self) -> bool:
        return self.errors == 0 and self.latency < 1.0


@dataclass
class Rollout:
    flag: str
    percent: int = 0
    history: list[int] = field(default_factory=list)


@action
async def run_job(name: str, *, fail: bool = False) -> str:
    record("run_job", name)
    await asyncio.sleep(0.5 + len(name) / 10)
    if fail:
        raise JobFailed(name, len(name))
    return f"{name} ok"


@action
async def probe(host: str, round_number: int = 0) -> Health:
    record("probe", host, round_number)
    await asyncio.sleep(0.1)
    if host == "dead":
        raise ConnectionRefusedError(111, "refused")
    slow = host.startswith("slow") and round_number < 2
    return Health(host, 1.5 if slow else 0.2, errors=host.count("x"))


@action
async def switch(host: str, version: str) -> str:
    record("switch", host, version)
    await asyncio.sleep(0.4)
    return f"{host}@{version}"


@action
async def set_percent(flag: str, percent: int) -> None:
    record("set_percent", flag, percent)
    await asyncio.sleep(0.2)


@action
async def error_rate(flag: str, percent: int) -> float:
    record("error_rate", flag, percent)
    await asyncio.sleep(1)
    return 0.5 if flag == "risky" and percent > 20 else 0.01 * percent / 100


@action
async def deliver(url: str, payload: dict[str, Any], attempt: int = 1) -> int:
    record("deliver", url, payload, attempt)
    await asyncio.sleep(0.3 * attempt)
    if "down" in url and attempt < 3:
        raise ConnectionError(f"{url} is down")
    if "gone" in url:
        return 410
    return 200


@action
async def delete_data(system: str, user: str) -> int:
    record("delete_data", system, user)
    await asyncio.sleep(0.2)
    if system == "legacy":
        raise TimeoutError("legacy does not answer")
    return len(system)


@action
async def page_oncall(who: str, text: str) -> None:
    record("page_oncall", who, text)
    await asyncio.sleep(0.01)


@action
async def list_objects(prefix: str) -> list[str]:
    record("list_objects", prefix)
    await asyncio.sleep(0.1)
    tree = {"": ["a/", "top.log"], "a/": ["a/b/", "a/x.log", "a/y.txt"], "a/b/": ["a/b/z.log"]}
    return tree.get(prefix, [])


@inputs((PIPELINE, []), (PIPELINE, ["lint"]), (PIPELINE, ["build"]))
@workflow
class PipelineByLevels(Workflow):
    async def run(self, jobs: dict[str, list[str]], broken: list[str]) -> Any:
        done: dict[str, str] = {}
        skipped: set[str] = set()
        waiting = dict(jobs)
        while waiting:
            ready = [j for j, needs in waiting.items() if all(n in done for n in needs)]
            if not ready:
                skipped.update(waiting)
                break
            results = await asyncio.gather(
                *(run_job(j, fail=j in broken) for j in ready), return_exceptions=True
            )
            for job, result in zip(ready, results):
                del waiting[job]
                if isinstance(result, JobFailed):
                    skipped.add(job)
                else:
                    done[job] = result
        return list(done), sorted(skipped)


@inputs((PIPELINE,), ({"a": ["b"], "b": ["a"]},))
@workflow
class PipelineByDepth(Workflow):
    async def run(self, jobs: dict[str, list[str]]) -> list[str]:
        order: list[str] = []
        state: dict[str, str] = {}
        for job in jobs:
            await self.visit(job, jobs, state, order)
        return order

    async def visit(self, job, jobs, state, order):
        if state.get(job) == "done":
            return
        if state.get(job) == "active":
            raise ValueError(f"cycle through {job}")
        state[job] = "active"
        for needed in jobs[job]:
            await self.visit(needed, jobs, state, order)
        await run_job(job)
        state[job] = "done"
        order.append(job)


@inputs((["web1", "web2", "slow3"], "v2"), (["web1", "dead"], "v2"), (["webx"], "v3"))
@workflow
class CanaryDeploy(Workflow):
    async def run(self, hosts: list[str], version: str) -> dict[str, str]:
        canary, *rest = hosts
        deployed = {canary: await switch(canary, version)}
        health = await probe(canary)
        if not health.healthy:
            await switch(canary, "v1")
            raise Unhealthy(f"{canary}: {health.errors} errors")
        for host in rest:
            deployed[host] = await switch(host, version)
            for attempt in range(3):
                try:
                    if (await probe(host, attempt)).healthy:
                        break
                except ConnectionRefusedError as refused:
                    deployed[host] = f"errno {refused.errno}"
                    break
                await asyncio.sleep(5)
            else:
                deployed[host] = "unhealthy"
        return deployed


@inputs(("safe", [5, 25, 50, 100]), ("risky", [5, 25, 50, 100]))
@workflow
class FeatureRollout(Workflow):
    async def run(self, flag: str, steps: list[int]) -> Rollout:
        rollout = Rollout(flag)
        for percent in steps:
            await set_percent(flag, percent)
            rollout.percent = percent
            rollout.history.append(percent)
            await asyncio.sleep(3600)
            rate = await error_rate(flag, percent)
            if rate > 0.05:
                await set_percent(flag, 0)
                rollout.percent = 0
                await page_oncall("owner", f"{flag} rolled back at {percent}%: {rate:.1%}")
                break
        return rollout


HOOKS: list[Hook] = [
    {"url": "https://a/hook", "events": ["order.*"]},
    {"url": "https://down/hook", "events": ["*"], "secret": "s"},
    {"url": "https://gone/hook", "events": ["order.paid", "user.new"]},
]


@inputs((HOOKS, "order.paid"), (HOOKS, "user.new"), (HOOKS[:1], "x"))
@workflow
class WebhookFanOut(Workflow):
    async def run(self, hooks: list[Hook], event: str) -> dict[str, Any]:
        matching = [h for h in hooks if any(fnmatch.fnmatch(event, p) for p in h["events"])]
        outcomes = await asyncio.gather(*[self.deliver_with_retry(h, event) for h in matching])
        return {hook["url"]: outcome for hook, outcome in zip(matching, outcomes)}

    async def deliver_with_retry(self, hook: Hook, event: str) -> str:
        payload = {"event": event}
        if "secret" in hook:
            text = hook["secret"] + json.dumps(payload)
            payload["signature"] = hashlib.sha256(text.encode()).hexdigest()[:8]
        for attempt in range(1, 4):
            try:
                status = await deliver(hook["url"], payload, attempt)
            except ConnectionError:
                await asyncio.sleep(2**attempt)
                continue
            if status == 410:
                return "unsubscribed"
            return f"{status} after {attempt}"
        return "failed"


@inputs(("ann", ["db", "mail", "legacy", "search"]), ("bob", ["db"]))
@workflow
class GdprDeletion(Workflow):
    async def run(self, user: str, systems: list[str]) -> Any:
        remaining = list(systems)
        deleted: dict[str, int] = {}
        for attempt in range(2):
            failed = []
            for system in remaining:
                try:
                    deleted[system] = await delete_data(system, user)
                except TimeoutError:
                    failed.append(system)
            remaining = failed
            if not remaining:
                break
            await asyncio.sleep(86400)
        if remaining:
            await page_oncall("dpo", f"{user} is still in {', '.join(remaining)}")
        return {"deleted": sum(deleted.values()), "open": remaining}


@inputs(([0.1, 0.2, 5.0, 0.3],), ([1.0, 1.0],))
@workflow
class AlertOnOutlier(Workflow):
    async def run(self, samples: list[float]) -> Any:
        mean, spread = statistics.fmean(samples), statistics.pstdev(samples)
        outliers = [
            (i, s) for i, s in enumerate(samples) if spread and abs(s - mean) > 1.5 * spread
        ]
        for index, sample in outliers:
            await page_oncall("ops", f"sample {index} is {sample:.1f}, mean {mean:.2f}")
        return {"median": statistics.median(samples), "outliers": outliers}


@inputs(("",), ("a/",), ("none/",))
@workflow
class DeleteOldLogs(Workflow):
    async def run(self, prefix: str) -> list[str]:
        found = []
        stack = [prefix]
        while stack:
            for name in await list_objects(stack.pop()):
                if name.endswith("/"):
                    stack.append(name)
                elif PurePosixPath(name).suffix == ".log":
                    found.append(name)
        return found


@inputs(("https://shop.example/a/b?x=1&y=2#top",))
@workflow
class RewriteLinks(Workflow):
    async def run(self, url: str) -> Any:
        parts = urlparse(url)
        query = {k: v[-1] for k, v in parse_qs(parts.query).items()}
        query["ref"] = "mail & more"
        status = await deliver(urljoin(url, "../c"), {"q": urlencode(query)})
        return parts.netloc, quote("a b/ü"), status


@inputs((["w1", "slow1", "dead", "wxx"],))
@workflow
class HealthReport(Workflow):
    async def run(self, hosts):
        results = await asyncio.gather(*[probe(h) for h in hosts], return_exceptions=True)
        kinds = Counter(
            "error" if isinstance(r, Exception) else "ok" if r.healthy else "bad" for r in results
        )
        worst = max((r for r in results if isinstance(r, Health)), key=lambda r: r.latency)
        text = "; ".join(f"{k}: {n}" for k, n in sorted(kinds.items()))
        if kinds["error"]:
            await page_oncall("ops", text)
        return text, worst.host


@inputs(("slow1", 5), ("dead", 2))
@workflow
class WaitUntilHealthy(Workflow):
    async def run(self, host: str, tries: int) -> int:
        pause = 1
        for n in range(tries):
            with contextlib.suppress(ConnectionRefusedError):
                if (await probe(host, n)).healthy:
                    return n
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10)
        raise Unhealthy(host)


@inputs((["build", "test"], True), (["build", "test"], False))
@workflow
class ReleaseNotes(Workflow):
    async def run(self, jobs, publish):
        lines = []
        try:
            for n, job in enumerate(jobs, 1):
                lines.append(f"{n}. {(await run_job(job)).title()}")
            if not publish:
                return lines
            lines.append("published " + await run_job("publish"))
        finally:
            await page_oncall("release", f"{len(lines)} lines")
        return lines


@inputs((3,), (1,))
@workflow
class IncidentTimeline(Workflow):
    async def run(self, steps: int) -> Any:
        started = datetime.now(UTC)
        incident = uuid.uuid4().hex
        seen = [started]
        for n in range(steps):
            await page_oncall(f"level{n}", "help")
            seen.append(datetime.now(tz=UTC))
        ordered = all(a <= b for a, b in zip(seen, seen[1:]))
        return ordered, len(incident), seen[-1] - started < timedelta(days=1)


@inputs((PIPELINE,))
@workflow
class Toposort(Workflow):
    async def run(self, jobs: dict[str, list[str]]) -> list[str]:
        order = list(TopologicalSorter(jobs).static_order())
        return [await run_job(job) for job in order]


@inputs((["lint", "build", "test"], "build"), (["lint", "test"], ""), races=True)
@workflow
class JobsInTaskGroup(Workflow):
    async def run(self, jobs: list[str], broken: str) -> Any:
        try:
            async with asyncio.TaskGroup() as tg:
                tasks = {job: tg.create_task(run_job(job, fail=job == broken)) for job in jobs}
        except ExceptionGroup as eg:
            failures = [e.job for e in eg.exceptions if isinstance(e, JobFailed)]
            return {"failed": failures, "cancelled": [j for j, t in tasks.items() if t.cancelled()]}
        return {job: task.result() for job, task in tasks.items()}


@inputs((["a", "b", "c"], 0.65), (["a"], 9), races=True)
@workflow
class DrainWithDeadline(Workflow):
    async def run(self, hosts: list[str], deadline: float) -> dict[str, list[str]]:
        tasks = [asyncio.create_task(self.drain(h, n)) for n, h in enumerate(hosts)]
        done, pending = await asyncio.wait(tasks, timeout=deadline)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        drained = [t.result() for t in tasks if not t.cancelled()]
        return {"drained": drained, "killed": [h for h in hosts if h not in drained]}

    async def drain(self, host, n):
        await asyncio.sleep(n / 2)
        await switch(host, "drained")
        return host
