"""The main job on real input, with a crash in the middle.

Starts a mail server in this process and the app in another one, under uvicorn, on an embedded
PostgreSQL in a fresh directory. Saves 1,000 users over HTTP, asks for their welcome mails, kills
the app with SIGKILL when four in ten have arrived, starts it again, and waits for the end of the
run. The last line counts:

    demo: users N, active N, received N, duplicates N, lost N

received    active users for whom the mail server took at least one mail
duplicates  further copies of a mail that had arrived already: those that were under way when the
            app died, sent again since nobody knew. All copies have one Message-ID
lost        active users without a mail

Exits with 1 unless nobody was lost and each mail kept its Message-ID.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from mail_sink import MailSink, free_port
from welcome.models import User
from welcome.workflows import WelcomeEmailWorkflow

HERE = Path(__file__).resolve().parent
START_SECONDS = 30
RUN_SECONDS = 120


class App:
    """The example app as a process of its own, that can be killed and started again."""

    def __init__(self, directory: Path, smtp_port: int, concurrency: int) -> None:
        self.log = directory / "app.log"
        self.port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)
        self.environment = {
            **{name: value for name, value in os.environ.items() if "WAYMARK" not in name},
            "SMTP_PORT": str(smtp_port),
            "WAYMARK_CONCURRENCY": str(concurrency),
            "WAYMARK_DATA_DIRECTORY": str(directory / "postgres"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the app answers."""
        command = [sys.executable, "-m", "uvicorn", "welcome.app:app", "--log-level", "warning"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                cwd=HERE,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._answers, START_SECONDS, "the app to answer")

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise SystemExit(f"the app ended while it started:\n{self.last_words()}")
        try:
            return self.client.get("/openapi.json").is_success
        except httpx.TransportError:
            return False

    def end(self, by: signal.Signals) -> None:
        """Send a signal and wait until the process is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(by)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def last_words(self) -> str:
        """The end of what the app has logged."""
        return self.log.read_text(errors="replace")[-4000:]

    def call(self, method: str, path: str, **options: Any) -> Any:
        response = self.client.request(method, path, **options)
        response.raise_for_status()
        return response.json() if response.content else None


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Look again and again until `true()`, which fails when it takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:g} s for {what}, in vain")
        time.sleep(0.05)


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A new directory, removed at the end, once the embedded server has left it."""
    directory = Path(tempfile.mkdtemp(prefix="waymark-demo-"))
    # Started by root, PostgreSQL runs as another user, who has to come through here.
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        until(lambda: not any(directory.rglob("postmaster.pid")), 30, "PostgreSQL to stop")
        shutil.rmtree(directory)


class Progress:
    """Live lines: a bar that is drawn anew on a terminal, a line a second elsewhere."""

    def __init__(self, sink: MailSink, expected: int) -> None:
        self.sink = sink
        self.expected = expected
        self.live = sys.stdout.isatty()
        self.shown_at = time.monotonic()
        self.shown = 0

    def show(self, final: bool = False) -> None:
        now = time.monotonic()
        elapsed = now - self.shown_at
        if elapsed < (0.2 if self.live else 1.0) and not final:
            return
        received = self.sink.received
        rate = (received - self.shown) / max(elapsed, 0.001)
        bar = "█" * (24 * received // self.expected)
        line = f"  {bar:░<24} {received:>4}/{self.expected} mails  {rate:>5.0f}/s"
        end = "\n" if final or not self.live else ""
        print(f"\r\x1b[K{line}" if self.live else line, end=end, flush=True)
        self.shown_at, self.shown = now, received

    def watch(self, done: Callable[[], bool], what: str) -> None:
        """Show the mails coming in until `done()`."""

        def look() -> bool:
            self.show()
            return done()

        until(look, RUN_SECONDS, what)
        self.show(final=True)


def make_users(count: int, seed: int) -> list[User]:
    """`count` users, about one in ten inactive; the same for the same seed."""
    dice = random.Random(seed)
    return [
        User(id=f"user-{n:04}", email=f"user-{n:04}@mail.example", active=dice.random() > 0.1)
        for n in range(count)
    ]


def play(app: App, sink: MailSink, users: list[User]) -> None:
    """The whole story, told as it goes."""
    active = sum(user.active for user in users)
    progress = Progress(sink, active)
    began = time.monotonic()

    print(f"The graph of {WelcomeEmailWorkflow.__name__}:\n")
    print(WelcomeEmailWorkflow.visualize("text"))

    print("\nStarting the app under uvicorn, on an embedded PostgreSQL ...", flush=True)
    app.start()
    app.call("PUT", "/users", json=[user.model_dump() for user in users])
    print(f"{len(users)} users are in the table, {active} of them active.")
    run_id = app.call("POST", "/welcome", json={"user_ids": [user.id for user in users]})["run_id"]
    print(f"POST /welcome: run {run_id} is stored.", flush=True)

    progress.watch(lambda: sink.received >= 0.4 * active, "the first mails")
    app.end(signal.SIGKILL)
    print(f"SIGKILL: the app is dead, with {sink.received} of {active} mails sent.", flush=True)

    app.start()
    print("The app is back.", flush=True)
    progress.watch(lambda: has_ended(app, run_id), "the end of the run")
    report = app.call("GET", f"/runs/{run_id}")
    print(f"The run has {report['state']}: {report['sent']} sent, {report['failed']} failed.")
    print(f"{time.monotonic() - began:.1f} s in all, with the crash and two starts.")


def has_ended(app: App, run_id: str) -> bool:
    state = app.call("GET", f"/runs/{run_id}")["state"]
    return state in {"succeeded", "failed", "cancelled", "terminated", "quarantined"}


def count(sink: MailSink, users: list[User]) -> int:
    """Print the last line; the exit code."""
    active = {user.email for user in users if user.active}
    received = active & sink.mails.keys()
    duplicates = sum(len(ids) - 1 for ids in sink.mails.values())
    steady = all(len(set(ids)) == 1 for ids in sink.mails.values())
    strangers = sink.mails.keys() - active
    if not steady:
        print("A second copy came with another Message-ID.")
    if strangers:
        print(f"Mail came for {len(strangers)} who should have none.")
    lost = len(active - received)
    if duplicates and steady:
        print("Mails under way at the kill came twice, with one Message-ID: a receiver can tell.")
    print(
        f"demo: users {len(users)}, active {len(active)}, received {len(received)}, "
        f"duplicates {duplicates}, lost {lost}",
        flush=True,
    )
    return 1 if lost or strangers or not steady else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Send welcome mails, with a crash midway.")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=20, help="mails under way at once")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    users = make_users(options.users, options.seed)
    with MailSink(seconds_per_mail=0.05) as sink, scratch_directory() as directory:
        app = App(directory, sink.port, options.concurrency)
        try:
            play(app, sink, users)
        except httpx.HTTPError as error:
            raise SystemExit(f"the app did not answer: {error!r}\n{app.last_words()}") from error
        finally:
            app.end(signal.SIGTERM)
    return count(sink, users)


if __name__ == "__main__":
    sys.exit(main())
