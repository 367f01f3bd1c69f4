"""Promises 1, 2 and 3 on the real thing: processes, connections and servers die under
load, and then everything is counted. The long form is `nox -s kill`."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.chaos.kill import FORMS, drain, report, take_census
from tests.chaos.site import Child, Site, chaos_site, until
from tests.database import aside, execute
from tests.processes import parent_of

pytestmark = pytest.mark.chaos

#: Runs that must be submitted between two blows, as proof that there is load.
RUNS_BETWEEN = 20


@pytest.fixture
def embedded() -> Iterator[Site]:
    """A site with an embedded server of its own, that may be killed."""
    with chaos_site() as site:
        yield site


@pytest.fixture
def plain(database_url: str, schema: str) -> Iterator[Site]:
    """A site on a server where only a lease tells that a worker is dead."""
    with chaos_site(database_url, schema) as site:
        yield site


def query(site: Site, sql: str, *arguments: Any) -> list[Any]:
    """Rows of `sql`, in which `{schema}` stands for the schema."""

    async def ask(url: str) -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            rows: list[Any] = await connection.fetch(
                sql.replace("{schema}", site.schema), *arguments
            )
            return rows
        finally:
            await connection.close()

    with site.database() as url:
        return aside(ask(url))


def under_load(site: Site, children: Sequence[Child] | None = None) -> None:
    """Returns when so many runs more have been submitted. All `children` must live."""
    before, living = site.submitted(), site.children if children is None else children
    until(lambda: site.submitted() >= before + RUNS_BETWEEN, "more submissions", living)


def hold_to_the_promises(site: Site, blows: int, *, zombies: bool = False) -> None:
    drain(site)
    census = take_census(site, zombies=zombies)
    assert census.clean, report(census, blows, 0)
    assert census.runs >= census.submitted >= RUNS_BETWEEN


def two_at_work(site: Site, **options: Any) -> list[Child]:
    children = [site.spawn(seed, busy=10, **options) for seed in range(2)]
    for child in children:
        assert child.wait_ready()
    under_load(site)
    return children


def test_killed_and_started_again(embedded: Site) -> None:
    """One process with its server, killed at random moments: when the next one starts,
    the proof that the last is dead is at hand."""
    FORMS["alone"](embedded, 4, random.Random(1), (0.1, 0.6))
    hold_to_the_promises(embedded, 4)


@pytest.mark.parametrize("form", ["pair", "front"])
def test_killed_while_others_live(plain: Site, form: str) -> None:
    """One of several processes is killed; the others take its runs over when its lease
    has run out, and it comes back as somebody else."""
    FORMS[form](plain, 3, random.Random(2), (0.1, 0.6))
    hold_to_the_promises(plain, 3)


def test_killed_while_it_leaves(plain: Site) -> None:
    """Somewhere between the request to stop and the end of the process, with runs that are
    being given back, attempts that still run, and callers that are being told."""
    chance = random.Random(3)
    stays = plain.spawn(0, busy=6)
    assert stays.wait_ready()
    for seed in range(1, 6):
        leaves = plain.spawn(seed, busy=10)
        assert leaves.wait_ready()
        under_load(plain, [stays, leaves])
        leaves.send(signal.SIGTERM)
        time.sleep(chance.uniform(0.0, 0.2))
        leaves.kill(leaving=True)
    stays.stop()
    hold_to_the_promises(plain, 5)


def test_postgres_is_restarted(embedded: Site) -> None:
    """The server goes down without a word (immediate shutdown, no checkpoint) and comes
    back; both processes go on by themselves."""
    children = two_at_work(embedded)
    for _ in range(2):
        pid = embedded.kill_server(signal.SIGQUIT)
        until(lambda: embedded.server_pid() not in (0, pid), "the server to come back", children)  # noqa: B023
        under_load(embedded)
    for child in children:
        child.stop()
    hold_to_the_promises(embedded, 2)


def test_the_supervisor_dies_with_its_server(embedded: Site) -> None:
    """With nobody left to start the server again, the processes that need it do."""
    children = two_at_work(embedded)
    supervisor = parent_of(embedded.server_pid())
    assert supervisor not in (0, 1, os.getpid())
    os.kill(supervisor, signal.SIGSTOP)
    pid = embedded.kill_server(signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: embedded.server_pid() not in (0, pid), "the server to come back", children)
    under_load(embedded)
    for child in children:
        child.stop()
    hold_to_the_promises(embedded, 1)


def terminated(site: Site, kind: str) -> bool:
    """Terminate connections of one kind. Whether there were any."""
    ended = query(
        site,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name like $1 and (query like '%\"{schema}\"%' or query = '')",
        kind,
    )
    return bool(ended)


def test_connections_are_terminated(plain: Site) -> None:
    """Connections of the writer, and then of everything, break under load."""
    children = two_at_work(plain)
    for blow in range(12):
        kind = "waymark writer%" if blow % 3 else "waymark %"
        # Until one was hit: on a busy machine they may not have connected since the last blow.
        until(partial(terminated, plain, kind), "connections to terminate", children)
        under_load(plain)
    for child in children:
        child.stop()
    hold_to_the_promises(plain, 12)


def test_a_stopped_process_writes_nothing_when_it_goes_on(plain: Site) -> None:
    """Of two processes one is stopped for longer than its lease. The other takes its
    runs over; when the first goes on, nothing is written for a worker that is dead."""
    stopped, living = two_at_work(plain, lease=1.0)
    assert plain.url is not None
    execute(plain.url, WATCH_THE_DEAD.replace("{schema}", plain.schema))
    for _ in range(2):
        worker = worker_of(plain, stopped)
        stopped.send(signal.SIGSTOP)
        until(lambda: not alive(plain, worker), "its lease to run out", [living])  # noqa: B023
        stopped.send(signal.SIGCONT)
        until(lambda: worker_of(plain, stopped), "it to begin anew", [stopped, living])
        under_load(plain)
    for child in (stopped, living):
        child.stop()
    breaches = query(plain, "select what, id from {schema}.breaches")
    assert breaches == []
    hold_to_the_promises(plain, 2, zombies=True)


#: Notes each row that is written for an owner who has no row among the workers. A run
#: may be taken from a dead one (the epoch rises) or be marked as blocked (5).
WATCH_THE_DEAD = """
create table {schema}.breaches (what text, id uuid);

create function {schema}.dead(owner uuid) returns boolean language sql as
    $$ select owner is not null and not exists (select from {schema}.workers where id = owner) $$;

create function {schema}.watch_runs() returns trigger language plpgsql as $$
begin
    if {schema}.dead(new.owner) then
        insert into {schema}.breaches values ('owned by the dead', new.id);
    elsif tg_op = 'UPDATE' and new.epoch = old.epoch and new.state <> 5 and {schema}.dead(old.owner)
    then
        insert into {schema}.breaches values ('settled by the dead', new.id);
    end if;
    return new;
end $$;

create function {schema}.watch_journal() returns trigger language plpgsql as $$
begin
    if {schema}.dead((select owner from {schema}.runs where id = new.run_id)) then
        insert into {schema}.breaches values ('recorded by the dead', new.run_id);
    end if;
    return new;
end $$;

create trigger watch before insert or update on {schema}.runs
    for each row execute function {schema}.watch_runs();
create trigger watch before insert on {schema}.journal
    for each row execute function {schema}.watch_journal();
"""


def worker_of(site: Site, child: Child) -> UUID | None:
    rows = query(site, "select id from {schema}.workers where (about->>'pid')::int = $1", child.pid)
    return rows[0]["id"] if rows else None


def alive(site: Site, worker: UUID | None) -> bool:
    return bool(query(site, "select from {schema}.workers where id = $1", worker))
