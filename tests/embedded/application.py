"""The test's end of `client.py`, and what a test sees of the server from outside."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.embedded.person import Person
from tests.processes import parent_of

CLIENT = Path(__file__).with_name("client.py")

#: How long anything may take before a test gives up, not how long it takes.
PATIENCE_SECONDS = 60.0


class Refused(Exception):
    """The application met an error; `kind` is its class."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class Application:
    """One process that takes and gives up shares when it is told to."""

    def __init__(self, person: Person, **options: Any) -> None:
        environment = {**person.environment, **options.pop("environment", {})}
        self.process = subprocess.Popen(
            [person.python, "-c", CLIENT.read_text(encoding="utf-8")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            **{"cwd": "/", **person.identity, **options},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.orders = self.process.stdin
        self.answers = self.process.stdout

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, do: str, **arguments: Any) -> None:
        self.orders.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self.orders.flush()

    def receive(self) -> Any:
        ready, _, _ = select.select([self.answers], [], [], PATIENCE_SECONDS)
        assert ready, "the application does not answer"
        answer = json.loads(self.answers.readline())
        if "error" in answer:
            raise Refused(answer["error"], answer["message"])
        return answer["value"]

    def ask(self, do: str, **arguments: Any) -> Any:
        self.send(do, **arguments)
        return self.receive()

    def start(self, directory: Path | None, name: str = "a") -> dict[str, Any]:
        text = None if directory is None else str(directory)
        answer: dict[str, Any] = self.ask("start", name=name, directory=text)
        return answer

    def query(self, sql: str, name: str = "a") -> list[list[Any]]:
        rows: list[list[Any]] = self.ask("query", name=name, sql=sql)
        return rows

    def end(self) -> None:
        """Let it end by itself, unless it was killed."""
        self.orders.close()
        self.process.wait(PATIENCE_SECONDS)
        self.answers.close()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def instance(directory: Path) -> Path:
    (found,) = directory.glob("postgres-*")
    return found


def server_pid(directory: Path) -> int:
    note = instance(directory) / "data" / "postmaster.pid"
    return int(note.read_text().splitlines()[0])


def supervisor_pid(directory: Path) -> int:
    return parent_of(server_pid(directory))


def log(directory: Path) -> str:
    return (instance(directory) / "server.log").read_text(encoding="utf-8")
