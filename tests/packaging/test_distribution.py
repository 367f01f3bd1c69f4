"""What a person gets who installs the wheel, or builds it from the source archive."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "waymark"


def build(kind: str, project: Path, directory: Path) -> Path:
    """Build the wheel or the sdist of `project` without a network, and give its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(directory)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (built,) = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    target = tmp_path_factory.mktemp("unpacked")
    # Early releases of Python 3.11 have no filters yet, later Pythons warn without one.
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(archive) as tar:
        tar.extractall(target, **safely)
    (project,) = target.iterdir()
    return project


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files(directory: Path, pattern: str) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob(pattern)}


def test_wheel_has_every_module_and_statement(wheel: Path) -> None:
    """All of the package: Python, SQL, and the marker that it is typed."""
    wanted = files(SOURCE, "*.py") | files(SOURCE, "*.sql") | {"py.typed"}

    assert {f"waymark/{name}" for name in wanted} <= names(wheel)


def test_wheel_has_the_migrations(wheel: Path) -> None:
    """The numbered migrations stand beside the package's modules."""
    migrations = files(ROOT / "migrations", "*.sql")

    assert migrations
    assert {f"waymark/migrations/{name}" for name in migrations} <= names(wheel)


def test_wheel_has_the_pages_of_codes(wheel: Path) -> None:
    """`waymark explain` finds them wherever it is installed."""
    pages = files(ROOT / "docs" / "codes", "*.md")

    assert pages
    assert {f"waymark/codes/{name}" for name in pages} <= names(wheel)


def test_wheel_has_nothing_else(wheel: Path) -> None:
    """No tests, examples or left-overs of a build."""
    tops = {name.split("/")[0] for name in names(wheel)}
    strangers = [name for name in names(wheel) if name.endswith((".pyc", ".log", ".pid"))]

    assert tops == {"waymark", "waymark-0.1.0.dist-info"}
    assert strangers == []


def test_wheel_says_what_it_needs(wheel: Path) -> None:
    """Python's version, the extra for the embedded server, the script, and the pytest plugin."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read("waymark-0.1.0.dist-info/METADATA").decode()
        entries = archive.read("waymark-0.1.0.dist-info/entry_points.txt").decode()

    assert "Requires-Python: >=3.11" in metadata
    assert "Provides-Extra: embedded" in metadata
    assert "License-Expression: MIT" in metadata
    assert "waymark = waymark.pytest_plugin" in entries
    assert "waymark = waymark.cli:main" in entries


def test_sdist_builds_the_same_wheel(wheel: Path, unpacked_sdist: Path, tmp_path: Path) -> None:
    """The source archive is complete: what is built from it holds the same files."""
    assert names(build("wheel", unpacked_sdist, tmp_path)) == names(wheel)


def test_sdist_brings_the_tests(unpacked_sdist: Path) -> None:
    """A distributor can run the tests from the archive."""
    assert (unpacked_sdist / "tests" / "packaging" / Path(__file__).name).exists()
    assert (unpacked_sdist / "noxfile.py").exists()
    assert (unpacked_sdist / ".pre-commit-hooks.yaml").exists()
    assert (unpacked_sdist / "docs" / "codes" / "WM204.md").exists()
    assert (unpacked_sdist / "examples" / "fastapi_welcome" / "demo.py").exists()


PROGRAM = """
import asyncio, waymark

@waymark.action
async def double(number: int) -> int:
    return 2 * number

@waymark.workflow
class Doubling(waymark.Workflow):
    async def run(self, number: int) -> int:
        return await double(number)

async def main():
    async with waymark.running("memory://"):
        print(waymark.__file__, await Doubling().run(21))

asyncio.run(main())
"""


def test_wheel_works_by_itself(wheel: Path, tmp_path: Path) -> None:
    """A program runs on the unpacked wheel, not on this source tree."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")

    output = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert output.stderr == ""
    assert output.stdout.split() == [str(tmp_path / "site" / "waymark" / "__init__.py"), "42"]


def test_wheel_explains_codes(wheel: Path, tmp_path: Path) -> None:
    """The command line finds its pages in the package, with no source tree around."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")

    output = subprocess.run(
        [sys.executable, "-m", "waymark", "explain", "WM204"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert output.stderr == ""
    assert output.stdout.startswith("# WM204 call-not-known-pure")


INSTALLED = {
    "shop/__init__.py": "",
    "shop/prices.py": "def doubled(price: int) -> int:\n    return 2 * price\n",
    "shop_rules.py": "def allowed(price: int) -> bool:\n    return price < 100\n",
    "stranger.py": "def doubled(price: int) -> int:\n    return 2 * price\n",
    "shop-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n",
    "shop-1.0.dist-info/top_level.txt": "shop\nshop_rules\n",
    "stranger-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n",
    "stranger-1.0.dist-info/top_level.txt": "stranger\n",
    "shop/workflows.py": """
import asyncio, stranger, waymark
from shop.prices import doubled
from shop_rules import allowed

@waymark.action
async def echo(number: int) -> int:
    return number

@waymark.workflow
class Own(waymark.Workflow):
    async def run(self, number: int) -> int:
        async with asyncio.Semaphore(1), asyncio.timeout(60):
            found = await self.doubled(number)
        return found if allowed(found) else 0

    async def doubled(self, number: int) -> int:
        lock, event = asyncio.Lock(), asyncio.Event()
        async with lock, asyncio.TaskGroup() as group:
            task = group.create_task(echo(doubled(number)))
            event.set()
            await event.wait()
        return task.result()

try:
    @waymark.workflow
    class Strange(waymark.Workflow):
        async def run(self, number: int) -> int:
            return await echo(stranger.doubled(number))
except waymark.WorkflowCompileError as refusal:
    print([diagnostic.code for diagnostic in refusal.diagnostics])

async def main():
    async with waymark.running("memory://"):
        print(await Own().run(21))

asyncio.run(main())
""",
}


def test_what_is_installed_compiles(wheel: Path, tmp_path: Path) -> None:
    """An application that is installed beside Waymark, in a folder of packages, compiles with
    the helpers that came along with it and all that Waymark brings; a library's are refused."""
    packages = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    for name, text in INSTALLED.items():
        path = packages / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    output = subprocess.run(
        [sys.executable, "-m", "shop.workflows"],
        env={**os.environ, "PYTHONPATH": str(packages)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert output.stderr == ""
    assert output.stdout.splitlines() == ["['WM204']", "42"]
