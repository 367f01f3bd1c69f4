"""`waymark worker`: a process that executes workflows and actions, and nothing else.

The same runtime as in a web process. SIGTERM or SIGINT lets running attempts finish for
`drain_seconds` and gives everything else back; a second one ends at once, and what was
under way is taken over by others.

Exit status: 0 after a signal; 1 when it could not start; 2 for what it cannot be asked;
128 and the number of the signal after a second one.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import click

from waymark.app import application
from waymark.authoring.registry import registry
from waymark.errors import SettingsError, WaymarkError
from waymark.runtime.client import DEFAULT_QUEUE
from waymark.settings import Settings, load_settings

log = logging.getLogger("waymark.worker")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@click.option(
    "--queues", metavar="NAMES", help="default,gpu; else WAYMARK_QUEUES, else only default."
)
@click.option("--database-url", metavar="URL", help="Default: WAYMARK_DATABASE_URL.")
@click.option(
    "--concurrency", type=click.IntRange(min=1), metavar="N", help="Attempts of actions at once."
)
def worker(
    modules: tuple[str, ...], queues: str | None, database_url: str | None, concurrency: int | None
) -> None:
    """Import modules (app.workflows) and execute the workflows and actions that they define,
    beside all other processes on the same database. Every setting of waymark.start() may be
    given as an environment variable WAYMARK_<NAME>."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    given = {"queues": queues, "database_url": database_url, "concurrency": concurrency}
    try:
        settings = load_settings(given)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    if not settings.queues:
        raise click.UsageError("a worker that serves no queue does nothing; name one: --queues gpu")
    import_modules(modules)
    unknown = unserved(settings.queues)
    if unknown:
        raise click.UsageError("\n".join(unknown))
    try:
        asyncio.run(_serve(settings))
    except WaymarkError as error:
        raise click.ClickException(str(error)) from None


def import_modules(names: Sequence[str]) -> None:
    """Raises UsageError for what is no module, or registers nothing, and ClickException
    for a module that fails."""
    sys.path.insert(0, str(Path.cwd()))
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise click.UsageError(_no_module(name))
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise click.ClickException(_failure(name, error)) from None
            raise click.UsageError(
                f"there is no module {error.name!r}; name it as an import does, from the working"
                " directory or an installed package"
            ) from None
        except Exception as error:  # noqa: BLE001  # whatever the author's code raises
            raise click.ClickException(_failure(name, error)) from None
    if not registry.workflows() and not registry.actions():
        raise click.UsageError(
            f"{', '.join(names)} define no workflow and no action; name the modules that do"
        )


def _no_module(name: str) -> str:
    path = Path(name)
    if path.suffix == ".py" or path.exists():
        dotted = ".".join(path.with_suffix("").parts)
        return f"{name!r} is a path; name the module as an import does: {dotted}"
    return f"{name!r} is no name of a module; write it as an import does: app.workflows"


def _failure(name: str, error: Exception) -> str:
    """The error with the lines that led to it, without those of the import itself."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen")
        and frame.filename not in (__file__, importlib.__file__)
    ]
    lines = traceback.format_list(own) + traceback.format_exception_only(error)
    return f"{name} cannot be imported:\n{''.join(lines).rstrip()}"


def unserved(queues: Sequence[str]) -> list[str]:
    """What is wrong with queues that nothing in the imported modules is for. Their calls
    would never come, and those of the queue that was meant would wait."""
    known = {action.queue or DEFAULT_QUEUE for action in registry.actions()}
    if registry.workflows():
        known.add(DEFAULT_QUEUE)
    wrong: list[str] = []
    for queue in queues:
        if queue not in known:
            near = get_close_matches(queue, known, 1)
            advice = f"did you mean {near[0]!r}?" if near else f"there is {_listed(known)}"
            wrong.append(f"no imported workflow or action is for the queue {queue!r}; {advice}")
    return wrong


def _listed(queues: set[str]) -> str:
    return ", ".join(map(repr, sorted(queues)))


async def _serve(settings: Settings) -> None:
    asked = Signals(settings.drain_seconds)
    asked.listen()
    runtime = await application.start(settings)
    log.info(
        "serving %s on %s: %d workflows, %d actions, up to %d attempts at once",
        ", ".join(settings.queues),
        runtime.store_label,
        len(registry.workflows()),
        len(registry.actions()),
        settings.concurrency,
    )
    await asked.stop.wait()
    await application.stop()
    log.info("stopped")


class Signals:
    """The first signal asks to stop, the second ends the process."""

    def __init__(self, drain_seconds: float) -> None:
        self.stop = asyncio.Event()
        self._drain_seconds = drain_seconds

    def listen(self) -> None:
        """From now on, in this loop."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._received, number)

    def _received(self, number: signal.Signals) -> None:
        if not self.stop.is_set():
            self.stop.set()
            log.info(
                "%s: no more work is taken, attempts that run have %g s; again ends at once",
                number.name,
                self._drain_seconds,
            )
            return
        log.warning("%s again: ends at once, others take over what was under way", number.name)
        logging.shutdown()
        os._exit(128 + number)
