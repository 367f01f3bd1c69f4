"""The README is a promise: its example runs, its commands and links exist."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from waymark.authoring.registry import registry

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = """\
import asyncio
from waymark import Workflow, action, workflow

@action
async def fetch_users(user_ids: list[str]) -> list[User]: ...

@action
async def send_email(to: str, subject: str) -> EmailResult: ...

@workflow
class WelcomeEmailWorkflow(Workflow):
    async def run(self, user_ids: list[str]) -> list[EmailResult | BaseException]:
        users = await fetch_users(user_ids)
        active_users = [user for user in users if user.active]
        return await asyncio.gather(
            *[send_email(to=user.email, subject="Welcome") for user in active_users],
            return_exceptions=True,
        )
"""
COMMANDS = [
    "python -m pip install nox && python -m nox -s demo",
    "python -m pip install nox && python -m nox -s tests",
]
FETCH_BODY = """
    return [User(email=f"{user_id}@mail.example", active=user_id != "bob") for user_id in user_ids]
"""
SEND_BODY = """
    return EmailResult(message_id=f"{subject} {to}")
"""


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(autouse=True)
def isolated_registry() -> Iterator[None]:
    """What the README registers is gone after each test."""
    with registry.isolated():
        yield


def load(source: str, directory: Path, name: str) -> ModuleType:
    """Import `source` as a module of its own; a workflow needs its source in a file."""
    path = directory / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_example_comes_first_and_is_the_agreed_one() -> None:
    """The models, then the example character for character."""
    models, example = python_blocks()[:2]

    assert "class User(BaseModel)" in models
    assert example == EXAMPLE


def test_commands_are_the_two() -> None:
    """The first commands that a reader meets are the demo and the tests."""
    commands = re.findall(r"^    (.+)$", README.split("## ")[0], flags=re.MULTILINE)

    assert [line for line in commands if line.startswith("python -m")] == COMMANDS


def test_example_compiles_as_it_stands(tmp_path: Path) -> None:
    """Actions without a body yet are enough to see the graph."""
    models, example = python_blocks()[:2]
    module = load(models + example, tmp_path, "readme_as_it_stands")

    graph = module.WelcomeEmailWorkflow.visualize()

    assert "fetch_users" in graph
    assert "send_email" in graph


@pytest.mark.anyio
async def test_example_runs(tmp_path: Path) -> None:
    """With bodies for its actions, the example does what it says."""
    models, example = python_blocks()[:2]
    example = example.replace("list[User]: ...", f"list[User]:{FETCH_BODY}")
    example = example.replace("EmailResult: ...", f"EmailResult:{SEND_BODY}")
    module = load(models + example, tmp_path, "readme_with_bodies")

    results = await module.WelcomeEmailWorkflow().run(["ada", "bob", "eve"])

    assert results == [
        module.EmailResult(message_id="Welcome ada@mail.example"),
        module.EmailResult(message_id="Welcome eve@mail.example"),
    ]


def test_lifespan_example_imports(tmp_path: Path) -> None:
    """The FastAPI example stands on its own, after the first one."""
    models, example, lifespan = python_blocks()[:3]
    module = load(models + example + lifespan, tmp_path, "readme_lifespan")

    assert "/welcome" in {route.path for route in module.app.routes}


def test_links_lead_somewhere() -> None:
    """Each relative link of the README names a file or folder of the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "examples/fastapi_welcome/README.md"]
)
def test_sessions_that_documents_name_exist(document: str) -> None:
    """`nox -s name` in a document is a session of the noxfile."""
    text = (ROOT / document).read_text(encoding="utf-8")
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    named = set(re.findall(r"nox (?:-R )?-s ([\w.-]+)", text))
    defined = set(re.findall(r"^def (\w+)\(session", noxfile, flags=re.MULTILINE))
    defined |= {"format", "tests-3.12", "tests-3.13"}

    assert named
    assert named <= defined
