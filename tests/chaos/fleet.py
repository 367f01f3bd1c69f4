"""A fleet under fire: processes that share one PostgreSQL, and everything that may die.

    python -m tests.chaos.fleet --processes 4 --minutes 10 --seed 1

Besides the processes that execute there is one that only submits. In every round each of
these happens once, in an order and at moments that the seed decides:

kill          SIGKILL for one process, and another is started in its place
stop          SIGSTOP, for less or for longer than its lease, then SIGCONT
terminate     pg_terminate_backend for connections of the writers, the pools, or all
restart       PostgreSQL falls without a checkpoint (`immediate`), and comes back
bounce        PostgreSQL throws everybody out in good order (`fast`), and comes back

Then everything is left to finish, and counted from the tables (see `census`). The last
line is that of `tests.chaos.kill`, and the exit code 1 unless all is as promised.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable

from tests.chaos.census import Census
from tests.chaos.kill import break_connections, drain, report, take_census
from tests.chaos.site import Child, Site, chaos_site
from tests.server import Server, private_server

LEASE_SECONDS = 2.0
USERS = 6


class Fleet:
    """The processes on one server. `blows` counts what happened to them."""

    def __init__(self, server: Server, site: Site, processes: int, chance: random.Random) -> None:
        self._server = server
        self._site = site
        self._chance = chance
        self.blows: Counter[str] = Counter()
        self._children = [self._spawn(place) for place in range(processes + 1)]

    def _spawn(self, place: int) -> Child:
        """A process; that of place 0 only submits."""
        options = {"queues": ""} if place == 0 else {}
        seed = self._chance.randrange(1 << 30)
        return self._site.spawn(seed, busy=USERS, lease=LEASE_SECONDS, **options)

    def suffer(self, seconds: float, pause_seconds: float) -> None:
        """Rounds of blows, so many seconds apart on average, for so long."""
        kinds: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "stop": self._stop,
            "terminate": self._terminate,
            "restart": lambda: self._server.restart(signal.SIGQUIT),
            "bounce": lambda: self._server.restart(signal.SIGINT),
        }
        for child in self._children:
            assert child.wait_ready(), f"a child does not start:\n{child.words()}"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            names = list(kinds)
            self._chance.shuffle(names)
            for name in names:
                time.sleep(self._chance.uniform(0.0, 2 * pause_seconds))
                kinds[name]()
                self.blows[name] += 1
            if sum(self.blows.values()) % 50 == 0:
                print(f"  {sum(self.blows.values())} blows", flush=True)

    def _kill(self) -> None:
        place = self._chance.randrange(len(self._children))
        self._children[place].kill()
        self._children[place] = self._spawn(place)

    def _stop(self) -> None:
        child = self._chance.choice(self._children)
        child.send(signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.1, 2 * LEASE_SECONDS))
        child.send(signal.SIGCONT)

    def _terminate(self) -> None:
        break_connections(self._site, self._chance)

    def end(self) -> None:
        for child in self._children:
            child.kill()


def ordeal(
    processes: int, seconds: float, seed: int, pause_seconds: float = 1.0
) -> tuple[Census, Counter[str]]:
    """All of it, with what became of the runs."""
    chance = random.Random(seed)
    with private_server() as server, chaos_site(server.url) as site:
        fleet = Fleet(server, site, processes, chance)
        fleet.suffer(seconds, pause_seconds)
        fleet.end()
        drain(site)
        return take_census(site, zombies=True), fleet.blows


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fleet")
    parser.add_argument("--processes", type=int, default=4, help="that execute")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between blows")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}, {options.processes} processes, {options.minutes:g} minutes")
    seconds = options.minutes * 60
    census, blows = ordeal(options.processes, seconds, options.seed, options.pause)
    print(", ".join(f"{name} {count}" for name, count in sorted(blows.items())))
    print(report(census, blows["kill"], options.seed), flush=True)
    return 0 if census.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
