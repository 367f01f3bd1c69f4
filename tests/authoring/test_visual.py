"""`visualize()`, and how workflows show themselves in a notebook."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from waymark.authoring import Workflow, hooks, workflow
from waymark.authoring.hooks import Compiled
from waymark.authoring.workflow import WorkflowDefinition
from waymark.errors import NotStartedError, RegistrationError
from waymark.graph.model import Graph


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A compiler and a renderer; gives the formats that were asked for."""
    asked: list[str] = []

    def compile_(definition: WorkflowDefinition, final: bool) -> Compiled:
        return Compiled(Graph(definition.cls.__name__, ()), b"h" * 16, "{}")

    def render(graph: Graph, form: str) -> str:
        asked.append(form)
        return f"{graph.workflow} as {form}"

    monkeypatch.setattr(hooks, "compiler", compile_)
    monkeypatch.setattr(hooks, "render", render)
    return asked


class FakeFormatter:
    """IPython's formatter of one type of picture, as far as it is used."""

    def __init__(self) -> None:
        self.type_printers: dict[type, Callable[[Any], str | None]] = {}

    def for_type(self, kind: type, printer: Callable[[Any], str | None]) -> None:
        self.type_printers[kind] = printer

    def show(self, value: object) -> str | None:
        """Printers by type first; methods never for classes. As IPython does it."""
        for kind in type(value).__mro__:
            if kind in self.type_printers:
                return self.type_printers[kind](value)
        method = None if isinstance(value, type) else getattr(value, "_repr_svg_", None)
        return None if method is None else method()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> FakeFormatter:
    formatter = FakeFormatter()
    display = SimpleNamespace(formatters={"image/svg+xml": formatter})
    module: Any = ModuleType("IPython")
    module.get_ipython = lambda: SimpleNamespace(display_formatter=display)
    monkeypatch.setitem(sys.modules, "IPython", module)
    return formatter


def defined() -> type[Workflow]:
    @workflow
    class Drawn(Workflow):
        async def run(self) -> None: ...

    return Drawn


def test_every_format_comes_from_the_renderer(drawing: list[str]) -> None:
    """One for each format; others name the choices."""
    drawn = defined()
    assert drawn.visualize() == "Drawn as text"
    assert drawn().visualize(format="mermaid") == "Drawn as mermaid"
    assert drawn.visualize("svg") == "Drawn as svg"
    with pytest.raises(ValueError, match=r"format='gif'.*'text' or 'mermaid' or 'svg'"):
        drawn.visualize(format="gif")  # type: ignore[arg-type]
    assert drawing == ["text", "mermaid", "svg"]


def test_without_the_package_nothing_draws(
    drawing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = defined()
    monkeypatch.setattr(hooks, "render", None)
    with pytest.raises(NotStartedError, match="`import waymark` installs what draws"):
        drawn.visualize()


def test_a_notebook_shows_the_class_its_instances_and_their_drawings(
    notebook: FakeFormatter, drawing: list[str]
) -> None:
    """As a picture, wherever a cell ends with one; Mermaid stays text to copy."""
    drawn = defined()
    assert notebook.show(drawn) == "Drawn as svg"
    assert notebook.show(drawn()) == "Drawn as svg"
    assert notebook.show(drawn.visualize()) == "Drawn as svg"
    assert notebook.show(drawn.visualize("svg")) == "Drawn as svg"
    assert notebook.show(drawn.visualize("mermaid")) is None


def test_a_terminal_shows_the_lines_of_a_drawing(drawing: list[str]) -> None:
    """And not the literal of a string with all its line ends."""
    lines: list[str] = []
    visual: Any = defined().visualize()
    visual._repr_pretty_(SimpleNamespace(text=lines.append), False)
    assert lines == ["Drawn as text"]
    assert drawing == ["text"]


def test_other_classes_show_as_before(notebook: FakeFormatter, drawing: list[str]) -> None:
    """The printer of classes stands aside for what is no workflow, or has no graph,
    and for a printer that was there first."""
    drawn = defined()

    class Sub(drawn):  # type: ignore[valid-type, misc]
        pass

    for other in (int, Workflow, Sub):
        assert notebook.show(other) is None
    assert notebook.show(Sub()) is None
    notebook.type_printers[type] = lambda cls: f"<{cls.__name__}>"
    defined()
    assert notebook.show(int) == "<int>"
    assert notebook.show(drawn) == "Drawn as svg"
    printer = notebook.type_printers[type]
    defined()
    assert notebook.type_printers[type] is printer


def test_a_metaclass_of_the_users_is_no_hindrance(
    notebook: FakeFormatter, drawing: list[str]
) -> None:
    """Classes show themselves without a metaclass of ours."""

    class Abstract(ABC):
        @abstractmethod
        def name(self) -> str: ...

    @workflow
    class Mixed(Workflow, Abstract):
        def name(self) -> str:
            return "mixed"

        async def run(self) -> None: ...

    assert notebook.show(Mixed) == "Mixed as svg"


@pytest.mark.parametrize("shell", [None, "no get_ipython"])
def test_ipython_without_a_shell_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, drawing: list[str], shell: str | None
) -> None:
    """A program may import IPython and be no notebook."""
    module: Any = ModuleType("IPython")
    if shell is None:
        module.get_ipython = lambda: None
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert defined().visualize() == "Drawn as text"


def test_an_undecorated_subclass_has_no_drawing(drawing: list[str]) -> None:
    drawn = defined()

    class Sub(drawn):  # type: ignore[valid-type, misc]
        pass

    with pytest.raises(RegistrationError, match="put @workflow above the class"):
        Sub.visualize()
