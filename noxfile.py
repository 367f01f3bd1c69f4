"""Every task of the project, each in an environment that it sets up by itself.

    python -m pip install nox
    python -m nox --list

Python 3.11 or newer and pip are all that is needed. The PostgreSQL of the tests and of the demo
comes in a wheel; set WAYMARK_TEST_DATABASE_URL to test against a server of your own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml("pyproject.toml")
EXAMPLES = Path("examples")
CRATE = Path("src/waymark_accel")

#: The whole suite takes a quarter of an hour of processor time; more workers than processors
#: make it no faster.
SIDE_BY_SIDE = ("--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal")


def install(session: nox.Session, *groups: str, how: tuple[str, ...] = ("--editable",)) -> None:
    """Install Waymark from this tree with its embedded PostgreSQL, and `groups`."""
    requirements = {item for group in groups for item in group_of(group)}
    session.install(*how, ".[embedded]", *sorted(requirements))


def group_of(name: str) -> tuple[str, ...]:
    """The requirements of one dependency group. Read here, since the pip of a bare machine may
    be older than `pip install --group`."""
    return nox.project.dependency_groups(PROJECT, name)


def run_tests(session: nox.Session) -> None:
    """Run the tests on the Python of that version, where there is one. Waymark is installed
    as its users install it: code that lies among libraries may mean something else."""
    install(session, "test", how=())
    session.run("python", "-m", "pytest", *(session.posargs or SIDE_BY_SIDE))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on the Python that runs nox."""
    run_tests(session)


for version in ("3.12", "3.13", "3.14", "3.15"):
    nox.session(python=version, name=f"tests-{version}")(run_tests)


@nox.session
def demo(session: nox.Session) -> None:
    """Send 1,000 mails through the example app, and kill it midway."""
    install(session, "examples")
    session.run("python", str(EXAMPLES / "fastapi_welcome" / "demo.py"), *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, types and the order of imports."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    template = EXAMPLES / "fastapi_welcome"
    session.run("mypy", str(template / "welcome"), str(template / "demo.py"), "noxfile.py")
    session.run("pyright")
    session.run("lint-imports", "--no-cache")


@nox.session(name="format")
def format_(session: nox.Session) -> None:
    """Rewrite the sources as `lint` wants them."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", "--fix-only", ".")
    session.run("ruff", "format", ".")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure beside what plain asyncpg reaches here, and say what moved since the last release."""
    install(session, "bench")
    session.run("python", "-m", "benches.moved", *session.posargs)
    count = ["--valgrind"] if shutil.which("valgrind") else []
    session.run("python", "-m", "benches.instructions", *count)
    session.run("python", "-m", "pytest", "benches", "--benchmark-only")


@nox.session
def instructions(session: nox.Session) -> None:
    """Fail when a pure part executes more instructions than the last release's margin allows."""
    install(session, "bench")
    session.run("python", "-m", "benches.instructions", "--check", *session.posargs)


@nox.session
def accel(session: nox.Session) -> None:
    """Build the accelerator with cargo, and hold both forms equal."""
    if shutil.which("cargo") is None:
        session.skip("the accelerator is built with cargo (Rust 1.85 or newer)")
    install(session, "test")
    session.install(str(CRATE))
    manifest = ("--manifest-path", str(CRATE / "Cargo.toml"))
    session.run("cargo", "fmt", "--check", *manifest, external=True)
    lints = ("--all-targets", "--locked", "--", "-D", "warnings")
    session.run("cargo", "clippy", "--quiet", *manifest, *lints, external=True)
    session.run("cargo", "test", "--quiet", "--locked", *manifest, external=True)
    chosen = ("tests/accel", "tests/store/test_packing.py", "tests/store/test_contract_flush.py")
    session.run(
        *("python", "-m", "pytest", *(session.posargs or chosen)),
        env={"WAYMARK_ENGINE": "rust"},
    )


@nox.session(venv_backend="none")
def sanitize(session: nox.Session) -> None:
    """The accelerator's own tests under AddressSanitizer, which Rust offers on Linux."""
    flags = {"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Zsanitizer=address"}
    target = ("--target", "x86_64-unknown-linux-gnu")
    manifest = ("--manifest-path", str(CRATE / "Cargo.toml"))
    session.run("cargo", "test", "--quiet", *target, *manifest, env=flags, external=True)


@nox.session
def simulate(session: nox.Session) -> None:
    """Play many thousand seeds of dying processes in simulated time."""
    install(session, "test")
    session.run("python", "-m", "tests.simulation", *(session.posargs or ["--seeds", "20000"]))


@nox.session
def chaos(session: nox.Session) -> None:
    """Ten minutes of everything that may die, and a count of what became of the runs."""
    install(session, "test")
    options = session.posargs or ["--processes", "4", "--minutes", "10"]
    session.run("python", "-m", "tests.chaos.fleet", *options)


@nox.session
def kill(session: nox.Session) -> None:
    """Kill workers 200 times under load, and count what became of the runs."""
    install(session, "test")
    options = session.posargs or ["--kills", "200"]
    session.run("python", "-m", "tests.chaos.kill", *options)


@nox.session
def oracle(session: nox.Session) -> None:
    """Compare 5,000 generated workflows with asyncio, each with a crash after every entry."""
    install(session, "test")
    session.run(
        "python",
        *("-m", "pytest", "--timeout=7200", "tests/oracle/test_generated.py", *session.posargs),
        env={"WAYMARK_ORACLE_EXAMPLES": "5000"},
    )


@nox.session(venv_backend="none")
def clean(session: nox.Session) -> None:
    """Remove what builds and tools leave behind. Environments of nox stay."""
    for folder in ("build", "dist", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"):
        shutil.rmtree(folder, ignore_errors=True)
        session.log(f"removed {folder}")
