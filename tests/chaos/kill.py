"""Kill processes under load, again and again, and count what became of their runs.

    python -m tests.chaos.kill --kills 200                       # the embedded PostgreSQL
    python -m tests.chaos.kill --kills 200 --url postgresql://…  # a server of your own

Forms: `alone`, one process that dies and is started again; `pair`, two on the same
server, one of which is killed while the other lives and takes over its runs; `front`,
one that only submits and two that execute, any of which is killed; `storm`, a pair
among broken connections, processes that stand still and servers that fall. The last
line is

    chaos: kills N, runs N, lost N, double outcomes N, stuck N, other N

and the exit code is 1 unless all but the first two are 0. The same seed gives the same
moments and inputs; what the operating system makes of them differs.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from tests.chaos.census import Census, count, unfinished
from tests.chaos.site import Child, Site, chaos_site

#: Without a single run that ends for this long, the rest is stuck.
STILL_SECONDS = 30.0

#: How often a process is killed while it starts, rather than once it takes work.
EARLY_KILL_CHANCE = 0.15


def kill_alone(site: Site, kills: int, chance: random.Random, pause: tuple[float, float]) -> None:
    """One process at a time."""
    for number in range(kills):
        child = site.spawn(chance.randrange(1 << 30), busy=20)
        _strike(child, chance, pause)
        _say(number + 1, kills)


def kill_pair(site: Site, kills: int, chance: random.Random, pause: tuple[float, float]) -> None:
    """Two at a time; the survivor takes over."""
    children = [site.spawn(chance.randrange(1 << 30), busy=10) for _ in range(2)]
    for number in range(kills):
        victim = chance.randrange(2)
        _strike(children[victim], chance, pause)
        children[victim] = site.spawn(chance.randrange(1 << 30), busy=10)
        _say(number + 1, kills)
    for child in children:
        child.kill()


def kill_front(site: Site, kills: int, chance: random.Random, pause: tuple[float, float]) -> None:
    """One submits for others to execute."""

    def spawn(place: int) -> Child:
        options = {"busy": 20, "queues": ""} if place == 0 else {}
        return site.spawn(chance.randrange(1 << 30), **options)

    children = [spawn(place) for place in range(3)]
    for number in range(kills):
        victim = chance.randrange(3)
        _strike(children[victim], chance, pause)
        children[victim] = spawn(victim)
        _say(number + 1, kills)
    for child in children:
        child.kill()


def kill_storm(site: Site, kills: int, chance: random.Random, pause: tuple[float, float]) -> None:
    """Two at a time; between kills everything else goes wrong as well: a process stands
    still for about its lease, connections break, the embedded server goes down."""
    children = [site.spawn(chance.randrange(1 << 30), busy=10) for _ in range(2)]
    for number in range(kills):
        for child in children:
            assert child.wait_ready(), f"a child does not start:\n{child.words()}"
        for _ in range(chance.randrange(4)):
            BLOWS[chance.randrange(len(BLOWS))](site, chance.choice(children), chance)
            time.sleep(chance.uniform(0.0, pause[1]))
        victim = chance.randrange(2)
        _strike(children[victim], chance, pause)
        children[victim] = site.spawn(chance.randrange(1 << 30), busy=10)
        _say(number + 1, kills)
    for child in children:
        child.kill()


def _stand_still(site: Site, child: Child, chance: random.Random) -> None:
    child.send(signal.SIGSTOP)
    time.sleep(chance.uniform(0.0, 3.0))
    child.send(signal.SIGCONT)


def break_connections(site: Site, chance: random.Random) -> None:
    """Terminate connections of whatever process, as far as the server can be reached."""

    async def terminate(url: str) -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like $1 and random() < 0.7",
            chance.choice(["waymark writer%", "waymark pool%", "waymark %"]),
        )
        await connection.close()

    with site.database() as url, suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        asyncio.run(terminate(url))


def _fell_server(site: Site, child: Child, chance: random.Random) -> None:
    if site.url is None:
        with suppress(ProcessLookupError, AssertionError):  # It is down already.
            site.kill_server(chance.choice([signal.SIGQUIT, signal.SIGKILL]))


BLOWS: list[Callable[[Site, Child, random.Random], None]] = [
    _stand_still,
    lambda site, child, chance: break_connections(site, chance),
    _fell_server,
]

FORMS: dict[str, Callable[[Site, int, random.Random, tuple[float, float]], None]] = {
    "alone": kill_alone,
    "pair": kill_pair,
    "front": kill_front,
    "storm": kill_storm,
}


def _strike(child: Child, chance: random.Random, pause: tuple[float, float]) -> None:
    """Kill a process some time after it took work, or while it starts."""
    if chance.random() < EARLY_KILL_CHANCE:
        time.sleep(chance.uniform(0.0, pause[1]))
    else:
        assert child.wait_ready(), f"a child does not start:\n{child.words()}"
        time.sleep(chance.uniform(*pause))
    child.kill()


def _say(number: int, kills: int) -> None:
    if number % 10 == 0:
        print(f"  {number} of {kills} kills", flush=True)


def drain(site: Site, lease: float = 2.0) -> None:
    """Let one process finish everything that is there; it is stopped in good order."""
    child = site.spawn(0, lease=lease, resident=1000)
    try:
        assert child.wait_ready(), f"the last child does not start:\n{child.words()}"
        with site.database() as url:
            asyncio.run(_until_still(url, site.schema))
    finally:
        child.stop()


async def _until_still(url: str, schema: str) -> None:
    """Returns when every run has ended, or none has for a long time."""
    left, moved_at = -1, time.monotonic()
    while left and time.monotonic() - moved_at < STILL_SECONDS:
        try:
            now = await unfinished(url, schema)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            now = left  # The server comes back.
        if now != left:
            left, moved_at = now, time.monotonic()
        await asyncio.sleep(0.1)


def take_census(site: Site, *, zombies: bool = False) -> Census:
    """Count, once everything is drained."""
    with site.database() as url:
        return asyncio.run(count(url, site.schema, site.acked, site.effects, zombies=zombies))


def report(census: Census, kills: int, seed: int) -> str:
    """What is to be said at the end, the line of counts last."""
    details = "".join(f"  {example}\n" for example in census.examples)
    return (
        f"{details}seed {seed}: {census.submitted} submissions returned,"
        f" {census.attempts} attempts, {census.claims} claims\n{census.line(kills)}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kill")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--url", help="default: the embedded PostgreSQL in a new directory")
    parser.add_argument("--schema", default="waymark_chaos", help="new, or of an earlier run")
    parser.add_argument("--form", choices=[*FORMS, "all"], default="all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--pause", type=float, nargs=2, default=(0.1, 1.0), metavar="SECONDS")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    forms = list(FORMS) if options.form == "all" else [options.form]
    with chaos_site(options.url, options.schema) as site:
        for place, form in enumerate(forms):
            share = options.kills * (place + 1) // len(forms) - options.kills * place // len(forms)
            print(f"{form}: {share} kills", flush=True)
            FORMS[form](site, share, chance, tuple(options.pause))
        drain(site)
        census = take_census(site, zombies="storm" in forms)
        print(report(census, options.kills, options.seed), flush=True)
        if not census.clean:
            raise SystemExit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
