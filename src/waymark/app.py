"""Start, stop and use of one runtime per process: the facade.

One task of our own owns the runtime's task group. `start()` waits for its ready
signal, `stop()` sets its stop event and waits for its end, from whichever task; so
neither the task that starts nor the one that stops holds a cancel scope of ours,
and a failure inside never cancels the host.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from .authoring import hooks
from .authoring.handle import Client
from .compiler import compile_workflow
from .compiler.render import render
from .errors import AlreadyStartedError, WrongLoopError
from .runtime.backing import Backing, open_backing
from .runtime.runtime import Runtime, unwrap
from .runtime.surroundings import Surroundings
from .settings import Settings, load_settings

__all__ = ["Application", "application", "running", "start", "stop"]


class Application:
    """What runs in this process: nothing, or one runtime with its owner."""

    def __init__(self) -> None:
        #: Stands in while nothing is started; the pytest plugin installs one.
        self.fallback: Callable[[], Client] | None = None
        self._started: Ownership | None = None

    def client(self) -> Client:
        """The client of what is started; NotStartedError."""
        started = self._started
        if started is not None and started.runtime is not None and not started.loop.is_closed():
            return started.runtime.client
        if self.fallback is not None:
            return self.fallback()
        return hooks.not_started()

    async def start(self, settings: Settings) -> Runtime:
        """Start a runtime in this loop; returns once it takes work."""
        if self._started is not None and not self._started.over:
            raise AlreadyStartedError(
                "Waymark is already started in this process; await waymark.stop() first, or share"
                " the runtime that start() returned"
            )
        ownership = self._started = Ownership(settings)
        try:
            return await ownership.begin()
        except BaseException:
            if self._started is ownership:
                self._started = None
            raise

    async def stop(self) -> None:
        """Stop what is started; nothing when nothing is. From any task of the
        loop that started it."""
        ownership = self._started
        if ownership is None or ownership.loop.is_closed():
            self._started = None
            return
        if asyncio.get_running_loop() is not ownership.loop:
            raise WrongLoopError(
                "Waymark was started in another event loop; stop it there (from a thread:"
                " asyncio.run_coroutine_threadsafe(waymark.stop(), loop))"
            )
        try:
            await ownership.end()
        finally:
            if self._started is ownership and ownership.over:
                self._started = None

    def forget(self) -> None:
        """In a forked child: the parent's runtime is not ours, nor is its pytest."""
        self._started = self.fallback = None


class Ownership:
    """The task that owns one runtime, and how to begin and end it."""

    def __init__(
        self,
        settings: Settings,
        *,
        surroundings: Surroundings | None = None,
        backing: Backing | None = None,
        link: bool = True,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.runtime: Runtime | None = None
        self._settings = settings
        self._surroundings = surroundings
        self._backing = backing
        self._link = link
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Runtime] = self.loop.create_future()

    @property
    def over(self) -> bool:
        """Whether the runtime has ended, or can never run again."""
        return self.loop.is_closed() or (self._task is not None and self._task.done())

    async def begin(self) -> Runtime:
        """Start the owner task; returns when the runtime takes work, raises what
        kept it from starting. Cancelled, it leaves nothing behind."""
        self._task = self.loop.create_task(self._own(), name="waymark")
        try:
            return await asyncio.shield(self._ready)
        except asyncio.CancelledError:
            await self.abandon()
            raise

    async def end(self) -> None:
        """Stop and wait until it is over. Cancelling this wait does not cancel
        the stop."""
        if self.runtime is not None:
            self.runtime.request_stop()
        elif self._task is not None:
            self._task.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def abandon(self) -> None:
        """Cancel the owner and wait for its clean-up."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()

    def cancel(self) -> None:
        """Cancel the owner, not waiting for its clean-up."""
        if self._task is not None:
            self._task.cancel()

    async def _own(self) -> None:
        try:
            backing = self._backing or await open_backing(self._settings)
            runtime = Runtime(backing, self._settings, self._surroundings)
            runtime.owner = asyncio.current_task()
            try:
                await runtime.prepare(link=self._link)
            except BaseException:
                await runtime.discard()
                raise
        except BaseException as error:
            if not self._ready.done():
                failure = unwrap(error)
                if isinstance(failure, asyncio.CancelledError):
                    self._ready.cancel()
                else:
                    self._ready.set_exception(failure)
            if not isinstance(error, Exception):
                raise
            return
        self.runtime = runtime
        if not self._ready.done():
            self._ready.set_result(runtime)
        await runtime.serve()


#: This process's.
application = Application()


async def start(database_url: str | None = None, **settings: object) -> Runtime:
    """Start Waymark in this process and loop; returns once it takes work.

    `database_url` is `postgresql://…` or `memory://`; without one (nor
    WAYMARK_DATABASE_URL) a private PostgreSQL runs in a data directory that is
    said aloud. `settings` are the fields of `waymark.settings.Settings`, each also
    read from `WAYMARK_<NAME>`. Every registered workflow is compiled and stored.

    Raises SettingsError, AlreadyStartedError, WorkflowCompileError, and a
    StoreError: DatabaseUnreachable, DatabaseTooOld, MigrationNeeded, CodeTooOld,
    EmbeddedUnavailable.
    """
    return await application.start(load_settings({"database_url": database_url, **settings}))


async def stop() -> None:
    """Stop what `start` started: running attempts get `drain_seconds`, then what is
    left is given back to other processes. Nothing happens when nothing runs."""
    await application.stop()


@asynccontextmanager
async def running(
    database_url: str | None = None, **settings: object
) -> AsyncGenerator[Runtime, None]:
    """`start` and `stop` around a block."""
    runtime = await start(database_url, **settings)
    try:
        yield runtime
    finally:
        await stop()


def install() -> None:
    """Hand the compiler, the renderer and the client down to the decorators."""
    hooks.compiler = compile_workflow
    hooks.render = render
    hooks.client = application.client
    os.register_at_fork(after_in_child=application.forget)


install()
