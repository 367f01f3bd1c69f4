"""A web app whose loop Waymark shares: what its users feel, and what is left for runs.

uvicorn and FastAPI answer in this process. The client is a process of its own, which sends
requests at fixed times over a few connections and counts from when each was due. Three
times: nothing else to do; half of the runs that the process can do; as many as it can. All
that again with `tune_gc=True`, since a full collection is the longest pause of such a loop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

from .bed import Bed
from .figures import Figure, paired
from .loaded import SHARE, arrive, saturated_rate
from .ticker import percentile
from .workloads import run_many

RATE, SECONDS, CONNECTIONS = 200, 3.0, 8
IN_FLIGHT, BATCH_RUNS = 200, 1_000
REQUEST = b"GET /items/7 HTTP/1.1\r\nHost: bench\r\n\r\n"

#: Percentiles of a request, in ms: p50, p99.
Feel = tuple[float, float]


async def web(bed: Bed) -> list[Figure]:
    """What a handler feels, in default settings and with a tuned collector."""
    return [figure for tuned in (False, True) for figure in await felt(bed, tuned)]


async def felt(bed: Bed, tuned: bool) -> list[Figure]:
    """p50 and p99 of a handler with and without Waymark at work, and the runs beside it."""
    setting, suffix = (", tune_gc=True", "_tuned") if tuned else ("", "")
    alone: list[Feel] = []
    half: list[Feel] = []
    full: list[Feel] = []
    speeds: list[tuple[float, float]] = []
    async with bed.waymark(tune_gc=tuned), serving() as port:
        await requests(port, 0.5)
        for _ in range(bed.repeat):
            limit = await bed.limit.runs()
            alone.append(await requests(port, SECONDS))
            rate = await saturated_rate() * SHARE
            feel, _ = await asyncio.gather(requests(port, SECONDS), arrive(rate, SECONDS))
            half.append(feel)
            feel, speed = await beside(requests(port, SECONDS))
            full.append(feel)
            speeds.append((limit, speed))
    whats = {"alone": alone, f"beside {SHARE:.0%} of the runs": half, "beside all runs": full}
    figures = [
        Figure(
            f"web_{name}_p{percent}{suffix}",
            f"a FastAPI handler {what}, p{percent}{setting}",
            median(feel[at] for feel in feels),
            "ms",
            *(() if feels is alone else beside_alone(feels, alone, at)),
        )
        for name, (what, feels) in zip(("alone", "half", "full"), whats.items(), strict=True)
        for at, percent in enumerate((50, 99))
    ]
    what = f"one-action runs beside {RATE} requests/s{setting}"
    return [*figures, paired(f"web_runs{suffix}", what, "runs/s", speeds)]


def beside_alone(feels: list[Feel], alone: list[Feel], at: int) -> tuple[float, float]:
    """The handler alone is its own limit: its median, and how many times as long it takes."""
    ratio = median(feel[at] / own[at] for feel, own in zip(feels, alone, strict=True))
    return median(own[at] for own in alone), ratio


async def beside(measured: Awaitable[Feel]) -> tuple[Feel, float]:
    """Saturate the process while requests are measured; runs per second."""
    task = asyncio.ensure_future(measured)
    done, started = 0, time.perf_counter()
    while not task.done():
        await run_many(BATCH_RUNS, IN_FLIGHT)
        done += BATCH_RUNS
    return await task, done / (time.perf_counter() - started)


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """uvicorn on this loop; its port."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> dict[str, Any]:
        return {"item": item, "name": "a thing", "price": 12.5}

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    task = asyncio.ensure_future(server.serve())
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells no one
        await asyncio.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task


async def requests(port: int, seconds: float) -> Feel:
    """What a client in another process measures."""
    command = ("-m", "benches.web", str(port), "--seconds", str(seconds))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the client failed; its own message stands above")
    times = json.loads(output)
    assert len(times) == int(RATE * seconds), "a request was not answered"
    return percentile(times, 50), percentile(times, 99)


async def client(port: int, seconds: float) -> list[float]:
    """Each connection sends its share of the requests; ms from when each was due."""
    times: list[float] = []
    started = time.perf_counter() + 0.05

    async def connection(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, int(RATE * seconds), CONNECTIONS):
            due = started + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(line for line in head.split(b"\r\n") if b"content-length" in line)
            await reader.readexactly(int(length.split(b":")[1]))
            times.append((time.perf_counter() - due) * 1000)
        writer.close()

    await asyncio.gather(*(connection(first) for first in range(CONNECTIONS)))
    return times


def main() -> None:
    """The client: prints the ms of each request as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benches.web")
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(client(options.port, options.seconds))))


if __name__ == "__main__":
    main()
