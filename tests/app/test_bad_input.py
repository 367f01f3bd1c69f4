"""What a user can get wrong around starting: each message says what to do."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

import waymark
from waymark import app
from waymark.authoring.registry import registry
from waymark.errors import DatabaseUnreachable, EmbeddedUnavailable, WorkflowCompileError

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def nothing_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pytest's stand-in, and without a database from the environment."""
    monkeypatch.setattr(app.application, "fallback", None)
    monkeypatch.delenv("WAYMARK_DATABASE_URL", raising=False)


async def test_an_unreachable_database() -> None:
    """The host and what to check are named, the password is not."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"postgresql://someone:hidden-word@127.0.0.1:{port}/nothing"
        with pytest.raises(DatabaseUnreachable) as caught:
            await waymark.start(url)
    assert "127.0.0.1" in str(caught.value)
    assert "hidden-word" not in repr(caught.value)
    with pytest.raises(waymark.NotStartedError):
        app.application.client()


async def test_no_url_and_no_embedded_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both ways out are named."""
    monkeypatch.setattr(
        "waymark.store.embedded.binaries._wheel_directories", lambda: iter(()), raising=True
    )
    monkeypatch.setattr("waymark.store.embedded.binaries._system_directories", lambda: iter(()))
    monkeypatch.delenv("WAYMARK_POSTGRES_BINARIES", raising=False)
    with pytest.raises(EmbeddedUnavailable) as caught:
        await waymark.start(data_directory=tmp_path)
    assert "waymark[embedded]" in str(caught.value)
    assert "WAYMARK_DATABASE_URL" in str(caught.value)


@pytest.fixture
def forgotten() -> object:
    """Registrations of this test are taken out of the registry again."""
    known = dict(registry._workflows)
    yield None
    registry._workflows.clear()
    registry._workflows.update(known)
    registry.revision += 1


async def test_a_workflow_that_never_resolves_fails_the_start(forgotten: object) -> None:
    """What the decorator had to leave open is refused at start(), with its line."""

    @waymark.workflow
    class Unfinished(waymark.Workflow):
        async def run(self) -> int:
            return await defined_nowhere(1)  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(WorkflowCompileError, match="defined_nowhere"):
        await waymark.start("memory://")
    with pytest.raises(waymark.NotStartedError):
        await Unfinished().run()


async def test_wrong_arguments_reach_nothing(forgotten: object) -> None:
    """Python's own wording; an argument that cannot be stored is named by its path."""

    @waymark.workflow
    class Typed(waymark.Workflow):
        async def run(self, number: int, name: str = "x") -> int:
            return number

    async with waymark.running("memory://") as runtime:
        with pytest.raises(TypeError, match=r"Typed\.run.* missing 1 required positional argument"):
            await Typed().run()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="unexpected keyword argument 'nmae'"):
            await Typed().submit(1, nmae="y")  # type: ignore[call-arg]
        with pytest.raises(waymark.ValueEncodeError, match="arguments"):
            await Typed().submit([asyncio.Lock()])  # type: ignore[arg-type]
        assert runtime._backing.store.database.runs == {}
        assert await Typed().run(5) == 5


async def test_handles_refuse_what_is_no_id() -> None:
    """Before anything is asked of the database."""
    with pytest.raises(ValueError, match="is no run id"):
        waymark.handle("not-an-id")


async def test_a_queue_that_no_action_names(
    forgotten: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It starts, since a module may be imported later, and says what is likely wrong."""
    with registry.isolated():

        @waymark.action(queue="gpu")
        async def render(name: str) -> str:
            return name

        async with waymark.running("memory://", queues=("default", "gpu", "gppu")):
            pass
    said = [text for text in caplog.messages if "serves nothing" in text]
    assert len(said) == 1
    assert said[0].startswith(
        "queues='gppu' serves nothing: no action that is registered here names the queue 'gppu'"
    )
    assert said[0].endswith("import its module before the start, or mend the name")
