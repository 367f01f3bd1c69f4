"""The registry: one meaning per name, replaced only by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import FunctionType
from typing import Any

import pytest

from waymark.authoring import Workflow, action, hooks, pure, workflow
from waymark.authoring.hooks import Compiled
from waymark.authoring.registry import registry
from waymark.errors import DuplicateNameError
from waymark.graph.model import Graph
from waymark.values import TypeRegistry


class Refused(Exception): ...


@dataclass
class Invoice:
    number: int


class Colour(Enum):
    RED = 1


def elsewhere(function: Any, module: str, path: str) -> Any:
    """The function as another module would define it."""
    copy = FunctionType(
        function.__code__.replace(co_filename=path), function.__globals__, function.__name__
    )
    copy.__module__ = module
    copy.__qualname__ = function.__qualname__
    return copy


async def fetch() -> None: ...


def double(number: int) -> int:
    return number * 2


def test_registering_again_from_the_same_module_replaces() -> None:
    """A reloaded module or a notebook cell run twice is no conflict."""
    first = action(name="fetch", aliases=("old",))(fetch)
    second = action(name="fetch")(elsewhere(fetch, __name__, "elsewhere.py"))
    assert registry.action("fetch") is second
    assert registry.action("old") is None
    assert first not in registry.actions()


def test_a_file_known_under_two_module_names_is_no_conflict() -> None:
    """`python app.py` whose server imports `app` again defines each action twice."""
    action(name="fetch")(elsewhere(fetch, "__main__", "/srv/app.py"))
    second = action(name="fetch")(elsewhere(fetch, "app", "/srv/app.py"))
    assert registry.action("fetch") is second


def test_one_name_from_two_modules_is_refused_with_both_places() -> None:
    """Two different actions under one name would take each other's runs."""
    first = action(name="fetch")(elsewhere(fetch, "shop.orders", "/srv/shop/orders.py"))
    with pytest.raises(DuplicateNameError) as caught:
        action(name="fetch")(elsewhere(fetch, "shop.users", "/srv/shop/users.py"))
    assert str(caught.value) == (
        "two actions have the name 'fetch': shop.orders:fetch (/srv/shop/orders.py) and"
        " shop.users:fetch (/srv/shop/users.py). Rename one, or give it a `name=` of its own."
    )
    assert registry.action("fetch") is first


def test_one_name_for_two_functions_of_a_module_is_refused() -> None:
    """The same explicit name given twice in one file is a slip, not a reload."""

    @action(name="fetch")
    async def one() -> None: ...

    with pytest.raises(DuplicateNameError):

        @action(name="fetch")
        async def two() -> None: ...


def test_an_alias_is_a_name_like_any_other() -> None:
    """A former name of one action may not be the name of another."""
    action(name="new", aliases=("old",))(elsewhere(fetch, "a", "a.py"))
    with pytest.raises(DuplicateNameError, match="'old'"):
        action(name="old")(elsewhere(fetch, "b", "b.py"))
    with pytest.raises(DuplicateNameError, match="'new'"):
        action(name="other", aliases=("new",))(elsewhere(fetch, "c", "c.py"))
    assert registry.action("other") is None


def test_two_workflows_of_one_name_are_refused() -> None:
    """A workflow registered twice under one name: an error, and the first stays."""

    @workflow(name="welcome")
    class One(Workflow):
        async def run(self) -> None: ...

    class Two(Workflow):
        async def run(self) -> None: ...

    authored = Two.run
    with pytest.raises(DuplicateNameError, match="two workflows have the name 'welcome'"):
        workflow(name="welcome")(Two)
    assert registry.workflow("welcome") is One.__waymark__
    assert Two.run is authored


def test_each_change_raises_the_revision() -> None:
    """Whoever caches what the registry says can see that it is stale."""
    seen = [registry.revision]

    @action
    async def one() -> None: ...

    seen.append(registry.revision)

    @pure
    def two() -> None: ...

    seen.append(registry.revision)

    @workflow
    class Three(Workflow):
        async def run(self) -> None: ...

    seen.append(registry.revision)
    assert seen == sorted(set(seen))
    assert len(seen) == 4


def test_unknown_names_are_none() -> None:
    """Looking up a name from a row never imports and never raises."""
    assert registry.action("os:system") is None
    assert registry.workflow("os:system") is None
    assert registry.pure("os:system") is None


@pytest.mark.parametrize("way", ["link", "arguments", "result_plan"])
def test_classes_reachable_from_registered_code_can_be_looked_up(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Annotated, or only named by the code; captured ones and exceptions of the
    module too. Known after `link`, or once the action's recorded form is needed."""
    monkeypatch.setattr(registry, "types", TypeRegistry())

    @dataclass
    class Captured:
        number: int

    @action
    async def bill(colour: Colour) -> Any:
        return [Captured(number) for number in range(3)] or [Invoice(4) for _ in "x"]

    assert registry.types.resolve(f"{__name__}:Colour") is None
    registry.link() if way == "link" else getattr(bill, way)
    for cls in (Colour, Invoice, Refused, Captured):
        assert registry.types.resolve(f"{__name__}:{cls.__qualname__}") is cls
    assert registry.types.resolve("subprocess:Popen") is None


def test_an_isolated_part_leaves_nothing_behind() -> None:
    """What a test registers, replaces or overrides is as before afterwards."""

    @action(name="kept")
    async def kept() -> None: ...

    before = registry.revision
    with registry.isolated():
        action(name="kept")(kept.function)
        action(name="gone")(fetch)
        pure(double)
        registry.overrides[print] = repr
    assert registry.action("kept") is kept
    assert registry.action("gone") is None
    assert registry.pure(f"{__name__}:double") is None
    assert registry.overrides == {}
    assert registry.revision > before


def test_link_compiles_what_was_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `link` each workflow has its graph; a later `link` compiles nothing."""
    calls: list[tuple[str, bool]] = []

    def compiler(definition: Any, final: bool) -> Compiled:
        calls.append((definition.name, final))
        graph = Graph(definition.name, ()) if final else None
        return Compiled(graph, b"0" * 16, "{}", () if final else ("later",))

    monkeypatch.setattr(hooks, "compiler", compiler)

    @workflow(name="linked")
    class Linked(Workflow):
        async def run(self) -> None: ...

    assert calls == [("linked", False)]
    registry.link()
    registry.link()
    assert calls == [("linked", False), ("linked", True)]
    assert Linked.__waymark__.graph == Graph("linked", ())
