"""Decorators under test register in a registry that each test gets back clean."""

from __future__ import annotations

import pytest

from waymark.authoring import hooks
from waymark.authoring.registry import registry


@pytest.fixture(autouse=True)
def untouched_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers or installs is gone after it; no compiler is called
    and no client answers unless the test installs one."""
    for table in ("_actions", "_workflows", "_pure", "overrides"):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))
    monkeypatch.setattr(registry, "_unlearned", [])
    monkeypatch.setattr(hooks, "compiler", None)
    monkeypatch.setattr(hooks, "client", hooks.not_started)
    monkeypatch.setattr(hooks, "render", None)
