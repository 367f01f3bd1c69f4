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
    parts: Sequence[Any] = ()


class Settings:
    def __init__(self, name: str) -> None:
        self.name = name

@action
async def load(
    file: str,
    settings: Settings,
    database: Annotated[sqlite3.Connection, Depends(connection)] = INJECTED,
) -> dict[str, list[Job]]: ...


@workflow
class Report(Workflow):
    async def run(self, error: Exception | None, settings: Settings, kind: type) -> Iterator[str]:
        jobs = await load("a", settings)
        return iter(jobs)
