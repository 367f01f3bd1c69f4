"""Decorators under test register in a registry that each test gets back clean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from waymark.authoring import hooks
from waymark.authoring.registry import registry


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test sees no workflow but its own and leaves nothing behind; no
    compiler is called and no client answers unless the test installs one."""
    monkeypatch.setattr(hooks, "compiler", None)
    monkeypatch.setattr(hooks, "client", hooks.not_started)
    monkeypatch.setattr(hooks, "render", None)
    with registry.isolated():
        registry._workflows.clear()
        yield
