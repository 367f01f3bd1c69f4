import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TextIO

from waymark import INJECTED, Depends, Workflow, action, workflow


def connection() -> sqlite3.Connection: ...


@dataclass
class Job:
    name: str
    done: threading.Event | None = None


class Settings:
    def __init__(self, name: str) -> None:
        self.name = name

@action
async def load(file: TextIO, settings: Settings) -> dict[str, list[Job]]: ...


@workflow
class Report(Workflow):
    async def run(self, database: sqlite3.Connection, file: Any) -> list[AsyncIterator[str]]:
        jobs = await load(file, file)
        return [] if jobs else []
