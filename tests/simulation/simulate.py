"""One seed: some processes, some runs, everything that can go wrong, and the account.

    python -m tests.simulation --seeds 1000 --first 1

The real engine, scheduler, writer, sweep and leases run in each simulated process, over
`server` and in the time of `loop`. The seed decides how many processes and runs there
are, when processes are killed, paused, held up and stopped, how the network loses
statements and how long the server is away. After some time all faults end; then
everything that was promised must come true.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import random as global_random
import sys
from collections.abc import Callable, Coroutine
from functools import lru_cache
from random import Random
from typing import Any
from uuid import UUID

from anyio._backends._asyncio import _task_states

from waymark.authoring.workflow import WorkflowDefinition, definition_of
from waymark.engine.links import Links
from waymark.engine.program import Program, load_program
from waymark.errors import WaymarkError
from waymark.graph.model import Graph
from waymark.runtime import parking, programs, retention
from waymark.runtime.backing import Backing
from waymark.runtime.offers import ORPHANS_SECONDS
from waymark.runtime.runtime import Runtime
from waymark.runtime.surroundings import Surroundings
from waymark.settings import Settings
from waymark.store.records import RunState

from . import clients, work
from .account import Account, Complaints
from .clock import SimClock
from .loop import Domain, SimLoop, current_domain, until
from .server import Server, SimStore

#: Seconds of faults, and of peace after them, in which all must end.
FAULTS_SECONDS = 15.0
PEACE_SECONDS = 900.0
STOP_SECONDS = 15.0
#: How often there is a run that kills its processes.
POISON_CHANCE = 0.15
#: What processes serve; the first is everything.
QUEUES = [("default", "gpu"), ("default",), ("default",), ("gpu",)]
#: After what time what ended is removed: longer than any fault lasts.
RETENTION_DAYS = (None, 40 / retention.DAY_SECONDS, 90 / retention.DAY_SECONDS)
#: How often a coroutine that awaits while it is closed is closed again.
CLOSES = 10


class Process:
    """One simulated process: its app's loop and its heartbeat's thread are domains."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self.simulation = simulation
        self.name = name
        self.app = Domain(f"{name} app")
        self.beats = Domain(f"{name} heartbeat")
        self.runtime: Runtime | None = None
        self.dead = False
        self.store = SimStore(simulation.server, self.app)
        #: Some only help with what others own, and not all do what is for machines like these.
        self.queues = simulation.random.choice(QUEUES) if not simulation.healing else QUEUES[0]
        self.task = self.spawn(self.main())

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of the app's loop."""
        task = self.simulation.loop.create_task(coroutine, context=self.app.context)
        self.simulation.hold(task)
        return task

    def aside(self, beat: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.simulation.hold(self.simulation.loop.create_task(beat(), context=self.beats.context))

    async def main(self) -> None:
        simulation = self.simulation
        random = simulation.random
        settings = Settings(
            database_url="memory://",
            lease_seconds=simulation.lease_seconds,
            poll_seconds=simulation.poll_seconds,
            park_after_seconds=random.choice([0.05, 0.5, 1000.0]),
            drain_seconds=random.choice([0.0, 0.5, 5.0]),
            concurrency=random.choice([1, 3, 50]),
            resident_runs_max=random.choice([2, 5, 1000]),
            flush_rows_max=random.choice([1, 4, 500]),
            unflushed_rows_max=random.choice([1, 10, 10_000]),
            queues=self.queues,
            snapshot_entries=Random(f"snapshots {simulation.seed}").choice([1, 2, 5, 1000]),
            submit_timeout_seconds=random.choice([1.0, 30.0]),
            retention_days=simulation.retention_days,
        )
        surroundings = Surroundings(
            clock=SimClock(simulation.loop, random.uniform(-3.0, 3.0), simulation.account.complain),
            new_run=simulation.new_id,
            new_worker=simulation.new_id,
            aside=self.aside,
        )
        await self.store.open()
        runtime = Runtime(Backing(self.store, "simulated://"), settings, surroundings)
        runtime.sim_domain = self.app  # type: ignore[attr-defined]  # see SimLoop
        runtime.owner = asyncio.current_task()
        try:
            await runtime.prepare(link=False)
        except WaymarkError:
            await runtime.discard()
            self.dead = True
            await asyncio.sleep(1.0)
            simulation.start_process()
            return
        self.runtime = runtime
        await runtime.serve()
        self.runtime = None
        self.dead = True

    def kill(self) -> None:
        """`kill -9`."""
        self.dead = True
        self.app.kill()
        self.beats.kill()
        server = self.simulation.server
        server.later(server.delay(), self.store.end_session)


@lru_cache(maxsize=100)
def _linked(hash: bytes) -> list[Program]:
    return []


def _load_program(graph: Graph, hash: bytes, links: Links) -> Program:
    """Linking is done once for all processes: their runs never run at the same time."""
    known = _linked(hash)
    if not known:
        known.append(load_program(graph, hash, links))
    return known[0]


class Simulation:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random, self.optional = Random(seed), Random(-seed - 1)
        self.loop = SimLoop()
        self.context = contextvars.copy_context()
        self.server = Server(self.loop, self.random)
        self.account = Account(self.server.database)
        self.server.remove, self.server.wrote = self.account.removing, self.account.wrote
        self.processes: list[Process] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.names = 0
        self.healing = False
        self.slowness = 1.0
        self.lease_seconds = self.random.choice([1.0, 4.0])
        # Drawn aside, so that a seed means what it meant before there was retention.
        self.retention_days = Random(f"retention {seed}").choice(RETENTION_DAYS)
        self.poll_seconds = Random(f"polls {seed}").choice([0.3, 1.0])
        self.history: list[str] = []
        #: Clients that wait for a run, in their process.
        self.waiting: dict[UUID, Process] = {}
        #: Processes in which somebody submits, once for each.
        self.submitting: list[Process] = []

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def hold(self, task: asyncio.Task[Any]) -> None:
        """Keep a task until it is over."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def say(self, text: str) -> None:
        self.history.append(f"{self.loop.time():9.4f} {text}")

    # Processes

    def start_process(self) -> None:
        self.names += 1
        process = Process(self, f"p{self.names}")
        self.say(f"{process.name} starts")
        self.processes.append(process)

    def living(self) -> list[Process]:
        return [process for process in self.processes if not process.dead]

    def ready(self) -> list[Process]:
        return [p for p in self.living() if p.runtime is not None and not p.app.paused]

    # What goes wrong

    async def trouble(self) -> None:
        random, loop = self.random, self.loop
        faults: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self.kill,
            self.kill,
            self.pause,
            self.hold_up,
            self.stop,
            self.restart_server,
            self.break_session,
            self.refuse_writes,
            self.lag_behind,
            self.join,
        ]
        chosen = [fault for fault in faults if random.random() < 0.6]
        pause = random.choice([0.3, 1.0, 4.0])
        while chosen and loop.time() < FAULTS_SECONDS:
            await asyncio.sleep(random.expovariate(1 / pause))
            fault = random.choice(chosen)
            self.hold(loop.create_task(fault()))

    async def kill(self) -> None:
        for process in self.living()[:1]:
            self.say(f"{process.name} is killed")
            process.kill()
            await asyncio.sleep(self.random.choice([0.0, 0.2, 3.0]))
            self.start_process()

    async def pause(self) -> None:
        """SIGSTOP, SIGCONT."""
        living = self.living()
        if living:
            process = self.random.choice(living)
            self.say(f"{process.name} is paused")
            process.app.pause()
            process.beats.pause()
            await asyncio.sleep(self.random.choice([0.1, 1.5, 9.0]))
            process.app.resume(self.loop)
            process.beats.resume(self.loop)
            self.say(f"{process.name} goes on")

    async def hold_up(self) -> None:
        """Code that blocks the app's loop; the heartbeat goes on."""
        living = self.living()
        if living:
            process = self.random.choice(living)
            self.say(f"{process.name} is held up")
            process.app.pause()
            await asyncio.sleep(self.random.choice([0.1, 1.5, 9.0]))
            process.app.resume(self.loop)

    async def stop(self) -> None:
        living = [process for process in self.living() if process.runtime is not None]
        if living:
            process = self.random.choice(living)
            self.say(f"{process.name} stops")
            assert process.runtime is not None
            runtime = process.runtime
            self.loop.call_soon(runtime.request_stop, context=process.app.context)
            self.start_process()

    async def break_session(self) -> None:
        """A heartbeat's connection is terminated; its process lives."""
        living = self.living()
        if living:
            process = self.random.choice(living)
            self.say(f"{process.name} loses the session of its heartbeat")
            process.store.end_session()

    async def restart_server(self) -> None:
        if not self.server.away and not self.healing:
            self.say("the server goes away")
            self.server.stop()
            await asyncio.sleep(self.random.choice([0.05, 1.0, 6.0]))
            self.server.begin()
            self.say("the server is back")

    async def refuse_writes(self) -> None:
        """A failover before it is complete, a full disk."""
        if not self.healing:
            self.say("the server refuses to write")
            self.server.read_only = True
            await asyncio.sleep(self.random.choice([0.1, 1.0, 6.0]))
            self.server.read_only = False
            self.say("the server writes again")

    async def lag_behind(self) -> None:
        """A standby takes over that lacks what was committed last."""
        tables = self.server.remember()
        await asyncio.sleep(self.random.choice([0.01, 0.1, 0.5]))
        if not self.server.away and not self.healing:
            self.say("the server falls back")
            self.account.before_loss()
            self.server.fall_back(tables)
            self.account.after_loss()
            await asyncio.sleep(self.random.choice([0.0, 0.05, 2.0]))
            self.server.begin()
            self.say("the server is back, without its last commits")

    async def join(self) -> None:
        if len(self.living()) < 4:
            self.start_process()

    # Work

    async def submitter(self) -> None:
        random = self.random
        pause = random.choice([0.0, 0.3, 2.0])
        for _ in range(random.choice([2, 6, 14])):
            shape, choices = random.choice(work.SHAPES)
            args = random.choice(choices)
            await asyncio.sleep(random.expovariate(1 / pause) if pause else 0.0)
            await until(lambda: bool(self.ready()))
            process = random.choice(self.ready())
            self.ask(process, definition_of(shape), args)

    def ask(self, process: Process, definition: WorkflowDefinition, args: tuple[Any, ...]) -> None:
        self.submitting.append(process)
        process.spawn(self.submit(process, definition, args))

    async def submit(
        self, process: Process, definition: WorkflowDefinition, args: tuple[Any, ...]
    ) -> None:
        """One client's request, in a process."""
        assert process.runtime is not None
        client, random = process.runtime.client, self.random
        packed = definition.arguments.record(args, {})
        try:
            run_id = await client.submit(definition, packed, clients.options(self.optional))
        except WaymarkError as error:
            self.say(f"{process.name}: not submitted: {error}")
            return
        finally:
            self.submitting.remove(process)
        self.account.submitted(run_id, definition, args)
        self.say(f"{process.name}: submitted {run_id} {definition.name}")
        if definition.cls is work.Listening:
            clients.begin(self, clients.say_words(self, run_id, *args))
        elif definition.cls is work.Resting:
            clients.begin(self, clients.insist(self, run_id, "cancel"))
        if random.random() < 0.5:
            self.waiting[run_id] = process
            try:
                await client.result(run_id, definition, None)
            except WaymarkError as error:
                self.say(f"{process.name}: told of {run_id}: {error!r}")
            except ValueError:
                self.account.told(run_id)
            else:
                self.account.told(run_id)
            self.waiting.pop(run_id, None)

    async def poison(self) -> None:
        """One run that kills its processes, somewhere among the others."""
        await asyncio.sleep(self.random.uniform(0.0, FAULTS_SECONDS))
        await until(lambda: bool(self.ready()))
        process = self.random.choice(self.ready())
        self.ask(process, definition_of(work.Poisonous), ())

    async def die(self) -> None:
        """What a poisonous attempt does."""
        process = next(p for p in self.processes if p.app is current_domain())
        self.say(f"{process.name} is poisoned")
        process.kill()
        self.server.later(self.random.choice([0.0, 0.2, 3.0]), self.start_process)
        await asyncio.sleep(1e9)

    async def perform(self, seconds: float, begun: bool = False) -> None:
        """What an attempt does, first or, `begun`, later: then its process may have been
        paused meanwhile, and its run gone on elsewhere."""
        runtime = next(p.runtime for p in self.processes if p.app is current_domain())
        if runtime is not None and not begun:
            self.account.attempt(runtime.worker, self.lease_seconds)
        await asyncio.sleep(seconds * self.slowness * self.random.expovariate(1.0))

    # The whole

    async def main(self) -> None:
        for _ in range(self.random.choice([1, 2, 3])):
            self.start_process()
        self.slowness = self.random.choice([0.1, 1.0, 3.0])
        self.server.loss = self.random.choice([0.1, 0.0, 0.02, 0.2])
        self.server.slow = self.random.choice([0.0, 0.0, 0.1])
        self.server.seconds = self.random.choice([0.0, 0.001, 0.05])
        self.server.timeouts = self.random.choice([0.0, 0.0, 0.05])
        trouble = self.loop.create_task(self.trouble())
        submitters = [self.loop.create_task(self.submitter())]
        if self.random.random() < POISON_CHANCE:
            submitters.append(self.loop.create_task(self.poison()))
        await trouble
        await asyncio.sleep(max(0.0, FAULTS_SECONDS - self.loop.time()))
        self.say("peace")
        self.healing = True
        self.server.heal()
        await asyncio.gather(*submitters)
        await asyncio.sleep(3.0)
        if not self.living():
            self.start_process()
            await asyncio.sleep(2.0)
        self.start_process()  # One that serves all queues; of those that live, some may be leaving.
        await until(lambda: all(p.dead for p in self.submitting), PEACE_SECONDS)
        clients.begin(self, clients.tidy(self))
        await until(lambda: self.written() and not self.unfinished(), PEACE_SECONDS)
        await until(lambda: not self.server.database.tasks, ORPHANS_SECONDS + 5.0)
        await until(lambda: len(self.ready()) == len(self.living()), STOP_SECONDS)
        await asyncio.sleep(5.0)
        if self.retention_days is not None:
            self.server.grow_old(self.retention_days * retention.DAY_SECONDS)
            await until(lambda: not self.finished(), PEACE_SECONDS)
            for run_id in self.finished():
                self.account.complain(f"run {run_id} is never removed")
        for run_id, process in self.waiting.items():
            if not process.dead:
                self.account.complain(f"{process.name} still waits for run {run_id}")
        for process in self.living():
            if process.runtime is not None:
                self.account.at_rest(process.name, process.runtime)
                self.loop.call_soon(process.runtime.request_stop, context=process.app.context)
        await until(lambda: not self.living(), STOP_SECONDS)
        for process in self.living():
            self.account.complain(f"{process.name} does not stop")

    def written(self) -> bool:
        """Nothing waits to be written: not even a run whose client was told that it may
        be stored, by a process that has been held up since."""
        runtimes = [process.runtime for process in self.living()]
        return all(runtime is None or runtime._writer.idle for runtime in runtimes)

    def finished(self) -> list[UUID]:
        """Runs that are to be removed; a child stays until its parent has ended."""
        runs = self.server.database.runs
        ended = {run.id for run in runs.values() if run.finished_at}
        return [key for key in ended if runs[key].parent not in runs.keys() - ended]

    def unfinished(self) -> list[UUID]:
        """Runs that must still come to something."""
        runs = self.server.database.runs.values()
        going = [run.id for run in runs if run.state < RunState.QUARANTINED]
        return [run_id for run_id in going if not self.account.may_stay(run_id)]

    def run(self) -> list[str]:
        """Play it; returns what is wrong."""
        random_state = global_random.getstate()
        global_random.seed(self.seed)
        complaints = Complaints()
        logging.getLogger("waymark").addHandler(complaints)
        work.performing.append(self.perform)
        work.dying.append(self.die)
        linked, programs.load_program = programs.load_program, _load_program
        # A wake-up that is missed shall show.
        patience, parking.LOOK_AGAIN_SECONDS = parking.LOOK_AGAIN_SECONDS, 1_000_000
        looks, retention.LOOK_SECONDS = retention.LOOK_SECONDS, 0.7
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self.main())
        finally:
            programs.load_program = linked
            parking.LOOK_AGAIN_SECONDS = patience
            retention.LOOK_SECONDS = looks
            work.performing.pop()
            work.dying.pop()
            logging.getLogger("waymark").removeHandler(complaints)
            global_random.setstate(random_state)
            self.end()
        problems = [f"logged: {text}" for text in complaints.texts]
        problems += [f"not retrieved: {context}" for context in self.loop.failures]
        return problems + self.account.problems()

    def end(self) -> None:
        """Put away what the dead left behind, without a word: their coroutines end here,
        and not when the garbage collector finds them in the middle of something else."""
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        logging.disable()
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            for _ in range(CLOSES):
                try:
                    task.get_coro().close()  # type: ignore[union-attr]
                except BaseException:  # it awaits, or fails, as it ends
                    continue
                break
        logging.disable(logging.NOTSET)
        self.loop.close()
        asyncio.set_event_loop(None)
        self.processes.clear()
        if self.seed % 20 == 0:
            gc.collect()
        # What anyio knows of a task holds the scopes that it is in, and a scope that nobody
        # left holds its task: the dead would stay for ever. Nobody asks for what they awaited.
        self.loop.set_exception_handler(lambda *_: None)
        for task in [task for task in _task_states if task.get_loop() is self.loop]:
            del _task_states[task]
        sys.unraisablehook = hook


def simulate(seed: int) -> list[str]:
    """Play one seed; returns what is wrong with it, nothing when all is well."""
    return Simulation(seed).run()
