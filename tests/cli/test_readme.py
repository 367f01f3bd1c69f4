"""What the README shows of `waymark check` is what it says."""

from __future__ import annotations

from pathlib import Path

from .conftest import CLEAN, HEAD, Project

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
WORKFLOWS = """\
from waymark import Workflow, action, workflow

class Database:
    def get(self, key): ...

database = Database()

@action
async def fetch(key): ...

@workflow
class Greeting(Workflow):
    async def run(self, user_id):
        user = database.get(user_id)
        return await fetch(user)
"""


def test_readme_shows_the_very_output(project: Project) -> None:
    """Three workflows, one of which asks a database in its body."""
    project.write("app/workflows.py", WORKFLOWS)
    project.write("app/more.py", CLEAN + "\n" + CLEAN.removeprefix(HEAD).replace("Clean", "Other"))

    shown = README.split("$ waymark check\n")[1].split("```")[0]

    assert project.call("check").stdout == shown
