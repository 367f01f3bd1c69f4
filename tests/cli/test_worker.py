"""`waymark worker`: what it refuses and how it says so; serving a queue; its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from tests.runtime.serving import result, serving, submit
from waymark.store.postgres import PostgresStore

from .conftest import CLEAN, PRINTING, Project

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0

GPU = """\
import asyncio
import sys

from waymark import Workflow, action, workflow

@action(queue="gpu")
async def render(name: str) -> str:
    if name == "hang":
        print("hanging", file=sys.stderr, flush=True)
        await asyncio.sleep(10_000)
    return f"<{name}>"

@workflow
class Picture(Workflow):
    async def run(self, name: str) -> str:
        return await render(name)
"""


class Worker:
    """One `waymark worker` as a process of its own; its log is read line by line."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        path = f"{ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "waymark", "worker", *arguments],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: SimpleQueue[str] = SimpleQueue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)

    def say(self, text: str) -> str:
        """The first line from here on that holds `text`."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_SECONDS)
            except Empty:
                raise AssertionError(f"{text!r} was not said:\n{''.join(self.seen)}") from None
            self.seen.append(line)
            if text in line:
                return line

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    started: list[Worker] = []
    yield started
    for each in started:
        each.close()


def test_a_module_that_is_not_there(project: Project) -> None:
    """Said with how modules are named; no traceback."""
    result = project.call("worker", "nowhere.workflows")
    assert result.exit_code == 2
    assert "there is no module 'nowhere'; name it as an import does" in result.stderr


def test_a_path_is_no_module(project: Project) -> None:
    """The message says how it is named."""
    project.write("app/workflows.py", CLEAN)
    result = project.call("worker", "app/workflows.py")
    assert result.exit_code == 2
    assert "is a path; name the module as an import does: app.workflows" in result.stderr
    assert "is no name of a module" in project.call("worker", "app-workflows").stderr


def test_a_module_that_fails(project: Project) -> None:
    """With the author's own line, and without those of the import."""
    project.write("broken.py", "import math\n\nmath.comb(2, -1)\n")
    result = project.call("worker", "broken")
    assert result.exit_code == 1
    assert "broken cannot be imported:" in result.stderr
    assert "math.comb(2, -1)" in result.stderr
    assert "ValueError: k must be a non-negative integer" in result.stderr
    assert "importlib" not in result.stderr


def test_a_module_whose_import_is_missing(project: Project) -> None:
    """It is that import which is named, not the module that was asked for."""
    project.write("needy.py", "import no_such_thing\n")
    result = project.call("worker", "needy")
    assert result.exit_code == 1
    assert "needy cannot be imported" in result.stderr
    assert "No module named 'no_such_thing'" in result.stderr


def test_a_workflow_that_does_not_compile(project: Project) -> None:
    """All that is wrong, as at any import."""
    project.write("printing.py", PRINTING)
    result = project.call("worker", "printing")
    assert result.exit_code == 1
    assert "WM202" in result.stderr


def test_a_module_that_defines_nothing(project: Project) -> None:
    project.write("empty.py", "x = 1\n")
    result = project.call("worker", "empty")
    assert result.exit_code == 2
    assert "empty define no workflow and no action" in result.stderr


def test_bad_settings(project: Project) -> None:
    """The option, and what it accepts."""
    project.write("clean.py", CLEAN)
    result = project.call("worker", "clean", "--queues", "g p u")
    assert result.exit_code == 2
    assert "a queue is named by letters, digits" in result.stderr
    result = project.call("worker", "clean", "--queues", ",")
    assert result.exit_code == 2
    assert "a worker that serves no queue does nothing" in result.stderr
    assert project.call("worker", "clean", "--concurrency", "0").exit_code == 2
    assert "MODULE" in project.call("worker").stderr


def test_a_database_that_cannot_be_used(project: Project) -> None:
    """Ends with the store's own words."""
    project.write("clean.py", CLEAN)
    result = project.call("worker", "clean", "--database-url", "postgresql://127.0.0.1:9/x")
    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_queue_that_nothing_is_for(project: Project) -> None:
    """Refused, with what is near it."""
    project.write("pictures.py", GPU)
    command = ("worker", "pictures", "--queues", "gpuu,gpu,other", "--database-url", "memory://")
    result = project.call(*command)
    assert result.exit_code == 2
    for text in (
        "no imported workflow or action is for the queue 'gpuu'; did you mean 'gpu'?",
        "no imported workflow or action is for the queue 'other'; there is 'default', 'gpu'",
    ):
        assert text in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.anyio
async def test_it_serves_a_queue(
    project: Project, database_url: str, schema: str, workers: list[Worker]
) -> None:
    """A call for its queue from another process; SIGINT ends it as SIGTERM does, and the
    second signal at once."""
    project.write("pictures.py", GPU)
    sys.path.insert(0, str(project.directory))
    import pictures  # type: ignore[import-not-found]

    os.environ["WAYMARK_SCHEMA"] = schema
    try:
        command = ("pictures", "--queues", "gpu", "--database-url", database_url)
        worker = Worker(project.directory, *command, "--concurrency", "3")
        workers.append(worker)
    finally:
        del os.environ["WAYMARK_SCHEMA"]
    worker.say("up to 3 attempts at once")
    async with serving(PostgresStore(database_url, schema=schema)) as web:
        run_id = await submit(web, pictures.Picture, "a")
        assert await result(web, run_id) == "<a>"
        await submit(web, pictures.Picture, "hang")
        await asyncio.to_thread(worker.say, "hanging")
        worker.send(signal.SIGINT)
        await asyncio.to_thread(worker.say, "attempts that run have 10 s; again ends at once")
        worker.send(signal.SIGINT)
        assert await asyncio.to_thread(worker.end) == 128 + signal.SIGINT
