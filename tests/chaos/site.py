"""Where a chaos run happens: a database, files that outlive every process, and the
children that are started and killed there."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.shapes import EFFECTS_VARIABLE
from tests.processes import command_of

ROOT = Path(__file__).resolve().parents[2]

#: How long anything may take before it counts as a hang.
PATIENCE_SECONDS = 60.0


class Child:
    """One process of `tests.chaos.child`, or of a module that takes the same options. What
    it logs goes to a file of its own."""

    def __init__(
        self, site: Site, seed: int, *, module: str = "tests.chaos.child", **options: Any
    ) -> None:
        given = {**site.options, **options}
        words = [f"--{name}={value}" for name, value in given.items()]
        self.log = site.folder / f"child-{seed}-{len(site.children)}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, str(site.acked), str(seed), *words],
                cwd=ROOT,
                env={**site.environment, EFFECTS_VARIABLE: str(site.effects)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.ready = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def read_line(self, seconds: float) -> str:
        """The next line it prints; empty when there is none in time."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                return ""
        return self.process.stdout.readline().decode().strip()

    def wait_ready(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether it took work within that time. Fails when it ended by itself."""
        deadline = time.monotonic() + seconds
        while not self.ready and (left := deadline - time.monotonic()) > 0:
            self.ready = self.read_line(left) == "ready"
            if not self.ready and self.process.poll() is not None:
                raise AssertionError(f"a child ended while it started:\n{self.words()}")
        return self.ready

    def words(self) -> str:
        return self.log.read_text(errors="replace")[-8000:]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self, *, leaving: bool = False) -> None:
        """SIGKILL, and wait until it is gone. Fails when it had ended by itself, unless it
        was `leaving` and ended well."""
        ended = self.process.poll()
        self.process.kill()
        self.process.wait()
        self._close()
        fine = ended is None or (leaving and ended == 0)
        assert fine, f"a child ended by itself with {ended}:\n{self.words()}"

    def stop(self) -> None:
        """SIGTERM, and wait for its orderly end."""
        self.send(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"a child does not stop:\n{self.words()}") from None
        finally:
            self._close()
        assert code == 0, f"a child ended with {code}:\n{self.words()}"

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()


def until(condition: Callable[[], object], what: str, children: Sequence[Child] = ()) -> None:
    """Wait for something that other processes do, while `children` run."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        for child in children:
            assert child.process.poll() is None, f"a child ended:\n{child.words()}"
        words = "\n".join(child.words() for child in children)
        assert time.monotonic() < deadline, f"in vain: {what}\n{words}"
        time.sleep(0.05)


class Site:
    """A folder and a database. `url` None stands for the embedded server in the folder."""

    def __init__(self, folder: Path, url: str | None, schema: str = "waymark") -> None:
        self.folder = folder
        self.url = url
        self.schema = schema
        self.acked = folder / "acked"
        self.effects = folder / "effects"
        self.acked.touch()
        self.effects.touch()
        self.data = folder / "data"
        self.options: dict[str, Any] = {"schema": schema}
        if url is None:
            self.options["directory"] = self.data
        else:
            self.options["url"] = url
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("WAYMARK_")
        }
        self.children: list[Child] = []

    def spawn(self, seed: int, **options: Any) -> Child:
        child = Child(self, seed, **options)
        self.children.append(child)
        return child

    def submitted(self) -> int:
        """How many submissions have returned so far."""
        return self.acked.read_bytes().count(b"\n")

    def server_pid(self) -> int:
        """The process of the embedded server that takes connections; 0 when none does.
        A note that a killed server left behind may name a stranger: that is asked."""
        for note in self.data.glob("postgres-*/data/postmaster.pid"):
            lines = note.read_text().splitlines()
            ready = len(lines) > 7 and lines[7].strip() == "ready"
            if ready and os.fsencode(note.parent) in command_of(int(lines[0])):
                return int(lines[0])
        return 0

    def kill_server(self, number: signal.Signals) -> int:
        """Send a signal to the embedded server; returns its process. Fails when none runs:
        a signal to process 0 would hit this one and all its kin."""
        pid = self.server_pid()
        assert pid > 1, "no server runs"
        os.kill(pid, number)
        return pid

    def end_children(self) -> None:
        """Kill what still runs."""
        for child in self.children:
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()

    @contextmanager
    def database(self, wait_seconds: float = 0.0) -> Iterator[str]:
        """The URL of the database, its server running meanwhile. Afterwards wait at most
        so long for its end, where nobody else uses it."""
        if self.url is not None:
            yield self.url
            return
        from waymark.store.embedded import start_embedded

        server = start_embedded(self.data)
        try:
            yield server.dsn()
        finally:
            server.close(wait_seconds)


@contextmanager
def chaos_site(url: str | None = None, schema: str = "waymark") -> Iterator[Site]:
    """A site in a folder of its own, removed afterwards unless something failed."""
    folder = Path(tempfile.mkdtemp(prefix="waymark-chaos-"))
    # Started by root, PostgreSQL runs as another user, who has to come through here.
    folder.chmod(0o755)
    site = Site(folder, url, schema)
    try:
        yield site
    except BaseException:
        print(f"chaos: what happened is kept in {folder}", file=sys.stderr)
        raise
    else:
        site.end_children()
        with site.database(PATIENCE_SECONDS):
            pass  # The server has left the folder when this returns.
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        site.end_children()
