"""The pytest plugin: with nothing started, a test just awaits its workflow.

Each test here runs a pytest of its own over a small suite, as a user would have it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOWS = """
import asyncio
from waymark import Workflow, action, workflow

log = []

@action
async def greet(name: str) -> str:
    log.append(name)
    return f"hello {name}"

@workflow
class Greet(Workflow):
    async def run(self, name: str, seconds: float = 0.0) -> str:
        await asyncio.sleep(seconds)
        return await greet(name)

@workflow
class Forever(Workflow):
    async def run(self) -> None:
        while True:
            await asyncio.sleep(3600)
            await greet("again")
"""

#: Warnings are errors: what is left behind at the end of a loop would show.
OPTIONS = ("-p", "waymark.pytest_plugin", "-W", "error", "-q")


#: pytest-asyncio warns when it is loaded and not configured.
NO_ASYNCIO = ("-p", "no:asyncio")


def run_suite(folder: Path, tests: str, options: tuple[str, ...] = NO_ASYNCIO) -> str:
    """Run a suite that must pass; returns what pytest printed."""
    (folder / "greetings.py").write_text(WORKFLOWS)
    (folder / "test_suite.py").write_text(tests)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "COV_", "WAYMARK_"))
    }
    environment["PYTHONPATH"] = str(folder)
    command = [sys.executable, "-m", "pytest", *_plugin_options(), *options, "test_suite.py"]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _plugin_options() -> tuple[str, ...]:
    """The plugin loads by its entry point; where the installation predates it, by name."""
    from importlib.metadata import entry_points

    loaded = any(entry.name == "waymark" for entry in entry_points(group="pytest11"))
    return OPTIONS[2:] if loaded else OPTIONS


def test_under_anyio(tmp_path: Path) -> None:
    """One loop for all tests of a session: each still begins with nothing."""
    out = run_suite(
        tmp_path,
        """
import pytest
from greetings import Forever, Greet, log
pytestmark = pytest.mark.anyio

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"

handles = []

async def test_run():
    assert await Greet().run("a") == "hello a"

async def test_an_hour_takes_no_time():
    assert await Greet().run("b", seconds=3600.0) == "hello b"

async def test_left_behind():
    handles.append(await Forever().submit())
    assert await Greet().run("c") == "hello c"

async def test_fresh():
    import waymark
    with pytest.raises(waymark.RunNotFound):
        await handles[0].result(timeout=5)
""",
    )
    assert "4 passed" in out


def test_under_pytest_asyncio(tmp_path: Path) -> None:
    """A loop for each test, closed at its end without a word of ours."""
    pytest.importorskip("pytest_asyncio")
    out = run_suite(
        tmp_path,
        """
import asyncio
import pytest
from greetings import Forever, Greet, log
pytestmark = pytest.mark.asyncio

async def test_run():
    assert await Greet().run("a", seconds=86400.0) == "hello a"

async def test_together():
    names = [str(number) for number in range(20)]
    runs = [Greet().run(name, seconds=60.0) for name in names]
    assert await asyncio.gather(*runs) == [f"hello {name}" for name in names]

async def test_left_running():
    await Forever().submit()

async def test_handle():
    handle = await Greet().submit("z", seconds=5.0)
    assert (await handle.status()).state == "running"
    assert await handle.result() == "hello z"
""",
        ("-o", "asyncio_default_fixture_loop_scope=function"),
    )
    assert "4 passed" in out


def test_in_a_sync_test(tmp_path: Path) -> None:
    """`asyncio.run` in a plain function, several times."""
    out = run_suite(
        tmp_path,
        """
import asyncio
from greetings import Forever, Greet

def test_run():
    for _ in range(3):
        assert asyncio.run(Greet().run("a", seconds=3600.0)) == "hello a"

def test_left_running():
    asyncio.run(Forever().submit())
""",
    )
    assert "2 passed" in out


def test_what_is_started_is_used(tmp_path: Path) -> None:
    """A test that starts Waymark itself gets that one, with real time."""
    out = run_suite(
        tmp_path,
        """
import asyncio
import waymark
from greetings import Greet

async def body():
    async with waymark.running("memory://") as runtime:
        handle = await Greet().submit("a")
        assert await handle.result() == "hello a"
        assert handle.id in runtime._backing.store.database.runs
    assert await Greet().run("b") == "hello b"

def test_run():
    asyncio.run(body())
""",
    )
    assert "1 passed" in out


def test_outside_pytest_nothing_is_implied(tmp_path: Path) -> None:
    """A script that forgot to start is told so."""
    (tmp_path / "greetings.py").write_text(WORKFLOWS)
    script = (
        "import asyncio, waymark\nfrom greetings import Greet\n"
        "try:\n    asyncio.run(Greet().run('a'))\n"
        "except waymark.NotStartedError as error:\n    print('told:', error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "told: Waymark is not started in this process" in done.stdout, done.stderr


def test_an_action_is_replaced_where_it_stands(tmp_path: Path) -> None:
    """What a workflow calls was decided when it was decorated, so a module's name that is
    bound anew is not seen; what the action does is."""
    run_suite(
        tmp_path,
        """
import pytest, greetings

async def fake(name: str) -> str:
    return f"fake {name}"

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_fake(monkeypatch):
    monkeypatch.setattr(greetings.greet, "function", fake)
    assert await greetings.Greet().run("Ann") == "fake Ann"
    assert greetings.log == []
""",
    )


def test_a_run_of_another_loop_is_explained(tmp_path: Path) -> None:
    """A client that has a loop for each request finds nothing again, and learns why."""
    run_suite(
        tmp_path,
        """
import asyncio, pytest, waymark, greetings

def test_two_loops():
    async def submit():
        return (await greetings.Greet().submit("Ann")).id
    run_id = asyncio.run(submit())
    for ask in ("result", "status", "cancel"):
        async def look():
            await getattr(waymark.handle(run_id), ask)()
        with pytest.raises(waymark.RunNotFound) as caught:
            asyncio.run(look())
        assert "with TestClient(app) as client" in caught.value.__notes__[0]
""",
    )
