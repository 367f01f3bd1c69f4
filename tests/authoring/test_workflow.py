"""`@workflow`: what it accepts, what it makes of a class, and how `run` submits."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from waymark.authoring import RunHandle, RunStatus, Workflow, WorkflowDefinition, hooks, workflow
from waymark.authoring.handle import Begun
from waymark.authoring.hooks import Compiled
from waymark.authoring.options import RunOptions
from waymark.authoring.registry import registry
from waymark.errors import NotStartedError, RegistrationError, ValueEncodeError
from waymark.graph.model import Graph
from waymark.values import RecordedArguments

pytestmark = pytest.mark.anyio

RUN = UUID("0190a000-0000-7000-8000-000000000001")


class FakeClient:
    """Keeps what it is asked for, and answers with the arguments."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []

    async def submit(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> UUID:
        self.asked.append(("submit", definition.name, definition.arguments.unpack(arguments[0])))
        return RUN

    def begin(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> Begun | None:
        return None

    async def begin_later(
        self, definition: WorkflowDefinition, arguments: RecordedArguments, options: RunOptions
    ) -> Begun:
        unpacked = definition.arguments.unpack(arguments[0])
        self.asked.append(("begin_later", definition.name, unpacked))
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        ended.set_result(unpacked)
        return RUN, ended

    def decode(self, ending: Any, run_id: UUID, definition: WorkflowDefinition) -> Any:
        return run_id, ending

    async def result(
        self, run_id: UUID, definition: WorkflowDefinition | None, timeout: float | None
    ) -> Any:
        self.asked.append(("result", definition.name if definition else "", timeout))
        return "result"

    async def status(self, run_id: UUID) -> RunStatus:
        raise AssertionError("not asked here")

    async def send(self, run_id: UUID, name: str, payload: Any, key: str | None) -> None:
        raise AssertionError("not asked here")

    async def cancel(self, run_id: UUID) -> None:
        raise AssertionError("not asked here")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(hooks, "client", lambda: fake)
    return fake


@dataclass
class Order:
    number: int


@workflow
class Ship(Workflow):
    """Ship an order."""

    async def run(self, order: Order, *, express: bool = False) -> str:
        raise AssertionError("the authored body never executes")


def test_the_class_stays_itself_with_a_durable_run() -> None:
    """The decorator returns the class; `run` keeps name, signature and documentation."""
    assert Ship.__name__ == "Ship"
    assert inspect.iscoroutinefunction(Ship.run)
    assert str(inspect.signature(Ship.run)) == (
        "(self, order: 'Order', *, express: 'bool' = False) -> 'str'"
    )


def test_the_definition_keeps_the_authored_function() -> None:
    """The compiler reads what was written, not what replaced it."""
    definition = Ship.__waymark__
    assert definition.name == f"{__name__}:Ship"
    assert definition.cls is Ship
    assert definition.authored is not Ship.run
    assert definition.authored.__code__.co_name == "run"
    assert str(definition.signature) == "(order: 'Order', *, express: 'bool' = False) -> 'str'"
    assert definition.hints == {"order": Order, "express": bool, "return": str}
    assert repr(definition) == f"<workflow {__name__}:Ship>"


async def test_run_submits_and_waits(client: FakeClient) -> None:
    """`await W().run(...)` goes through the client with the recorded arguments."""
    run_id, answer = await Ship().run(Order(3), express=True)
    assert run_id == RUN
    assert client.asked == [("begin_later", Ship.__waymark__.name, answer)]
    args, kwargs = client.asked[0][2]
    bound = Ship.__waymark__.signature.bind(*args, **kwargs)
    assert bound.arguments == {"order": Order(3), "express": True}


async def test_submit_returns_a_handle(client: FakeClient) -> None:
    """`submit` comes back once stored, and its handle knows the workflow."""
    handle = await Ship().submit(Order(3))
    assert handle == RunHandle(RUN)
    assert handle.workflow == Ship.__waymark__.name
    assert await handle.result(timeout=2) == "result"
    assert client.asked[1:] == [("result", Ship.__waymark__.name, 2)]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, r"Ship\.run\(\) missing 1 required positional argument: 'order'"),
        ((1, 2), {}, r"Ship\.run\(\) takes 1 positional argument but 2 were given"),
        ((1,), {"fast": 1}, r"Ship\.run\(\) got an unexpected keyword argument 'fast'"),
        ((1,), {"order": 1}, r"Ship\.run\(\) got multiple values for argument 'order'"),
    ],
)
@pytest.mark.parametrize("way", ["run", "submit"])
async def test_wrong_arguments_are_refused_before_anything_is_stored(
    client: FakeClient, way: str, args: Any, kwargs: Any, message: str
) -> None:
    """A TypeError in Python's words that names the workflow; the client is not asked."""
    call: Callable[..., Any] = getattr(Ship(), way)
    with pytest.raises(TypeError, match=message):
        await call(*args, **kwargs)
    assert client.asked == []


@workflow
class Limited(Workflow):
    def __init__(self, limit: int = 3) -> None:
        self.limit = limit

    async def run(self) -> int:
        raise AssertionError("the authored body never executes")


@pytest.mark.parametrize("way", ["run", "submit"])
@pytest.mark.parametrize("made", [lambda: Limited(5), lambda: Limited(limit=5)])
async def test_an_object_made_with_arguments_is_refused(
    client: FakeClient, way: str, made: Callable[[], Limited]
) -> None:
    """A run makes its object without arguments, so these would be forgotten."""
    message = r"Limited\(\.\.\.\) was made with arguments.*pass them to its run: Limited\(\)\.run"
    call: Callable[..., Any] = getattr(made(), way)
    with pytest.raises(TypeError, match=message):
        await call()
    assert client.asked == []
    await getattr(Limited(), way)()
    assert len(client.asked) == 1


async def test_a_value_that_cannot_be_stored_is_refused_with_its_path(client: FakeClient) -> None:
    """The error shows which argument, and nothing is stored."""
    order: Any = Order(print)  # type: ignore[arg-type]
    with pytest.raises(ValueEncodeError, match=r"order\.number"):
        await Ship().submit(order)
    assert client.asked == []


async def test_without_start_the_error_says_what_to_do() -> None:
    """Submitting with nothing started names both ways to start."""
    for attempt in (Ship().run(Order(1)), Ship().submit(Order(1))):
        with pytest.raises(NotStartedError, match=r"waymark\.start\(\).*waymark\.running\(\)"):
            await attempt


async def test_a_name_of_its_own(client: FakeClient) -> None:
    """`name=` replaces the name under which runs are recorded."""

    @workflow(name="orders.ship")
    class Renamed(Workflow):
        async def run(self) -> None: ...

    await Renamed().run()
    assert client.asked[0][1] == "orders.ship"
    assert registry.workflow("orders.ship") is Renamed.__waymark__


class NoRun(Workflow): ...


class SyncRun(Workflow):
    def run(self) -> None: ...


class Yielding(Workflow):
    async def run(self) -> Any:
        yield 1


class Static(Workflow):
    @staticmethod
    async def run() -> None: ...


class ClassMethod(Workflow):
    @classmethod
    async def run(cls) -> None: ...


class NoSelf(Workflow):
    async def run() -> None: ...  # type: ignore[misc]


class Attribute(Workflow):
    run = 3


class Demanding(Workflow):
    def __init__(self, database: str, *, retries: int, size: int = 3) -> None: ...

    async def run(self) -> None: ...


class Stranger:
    async def run(self) -> None: ...


async def function() -> None: ...


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (NoRun, "NoRun has no `run`; write `async def run"),
        (SyncRun, r"SyncRun\.run is not async; write `async def run"),
        (Yielding, r"Yielding\.run yields, and a run has one result"),
        (Static, r"Static\.run is a staticmethod; write `async def run\(self"),
        (ClassMethod, r"ClassMethod\.run is a classmethod; write `async def run\(self"),
        (NoSelf, r"NoSelf\.run takes no `self`"),
        (Attribute, r"Attribute\.run is 3; write"),
        (Demanding, r"Demanding\.__init__ requires database, retries;.*Pass data to `run`"),
        (Stranger, r"Stranger is no workflow; write `class Stranger\(Workflow\):`"),
        (Workflow, "Workflow is no workflow"),
        (function, "takes a class"),
    ],
)
def test_what_cannot_be_a_workflow_is_refused(wrong: Any, message: str) -> None:
    """The message says what to write; nothing is registered or changed."""
    before = registry.workflows()
    authored = vars(wrong).get("run")
    with pytest.raises(RegistrationError, match=message):
        workflow(wrong)
    assert registry.workflows() == before
    assert vars(wrong).get("run") is authored


def compile_with(result: Callable[[bool], Compiled]) -> tuple[Any, list[bool]]:
    calls: list[bool] = []

    def compiler(definition: WorkflowDefinition, final: bool) -> Compiled:
        calls.append(final)
        return result(final)

    return compiler, calls


COMPILED = Compiled(Graph("w", ()), b"h" * 16, "{}")


def test_the_decorator_compiles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every name known nothing is left for later."""
    compiler, calls = compile_with(lambda final: COMPILED)
    monkeypatch.setattr(hooks, "compiler", compiler)

    @workflow
    class Known(Workflow):
        async def run(self) -> None: ...

    definition = Known.__waymark__
    assert (definition.graph, definition.hash, definition.document) == (
        COMPILED.graph,
        COMPILED.hash,
        COMPILED.document,
    )
    assert calls == [False]


def test_names_known_later_are_compiled_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """An action may be defined further down the module."""
    compiler, calls = compile_with(
        lambda final: COMPILED if final else Compiled(None, unresolved=("later",))
    )
    monkeypatch.setattr(hooks, "compiler", compiler)

    @workflow
    class Early(Workflow):
        async def run(self) -> None: ...

    assert Early.__waymark__.compiled == Compiled(None, unresolved=("later",))
    assert Early.__waymark__.hash == COMPILED.hash
    assert Early.__waymark__.document == COMPILED.document
    assert calls == [False, True]


def test_what_does_not_compile_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's error comes out of the decorator; the class stays as it was."""

    def compiler(definition: WorkflowDefinition, final: bool) -> Compiled:
        raise SyntaxError("refused")

    monkeypatch.setattr(hooks, "compiler", compiler)

    class Bad(Workflow):
        async def run(self) -> None: ...

    authored = Bad.run
    with pytest.raises(SyntaxError, match="refused"):
        workflow(name="bad")(Bad)
    assert Bad.run is authored
    assert registry.workflow("bad") is None


def test_a_decorated_subclass_is_a_workflow_of_its_own() -> None:
    """It is compiled from the authored `run`, its own or the inherited one."""

    @workflow
    class Base(Workflow):
        async def run(self, number: int) -> int:
            return number

    @workflow
    class Inheriting(Base): ...

    @workflow
    class Overriding(Base):
        async def run(self, number: int) -> int:
            return number + 1

    assert Inheriting.__waymark__.authored is Base.__waymark__.authored
    assert Overriding.__waymark__.authored is not Base.__waymark__.authored
    names = {each.__waymark__.name for each in (Base, Inheriting, Overriding)}
    assert len(names) == 3


async def test_an_undecorated_subclass_does_not_run_its_parents_graph(client: FakeClient) -> None:
    """What it overrides would silently not happen."""

    class Undecorated(Ship):
        async def helper(self) -> None: ...

    for attempt in (Undecorated().run(Order(1)), Undecorated().submit(Order(1))):
        with pytest.raises(RegistrationError, match="Undecorated is no registered workflow"):
            await attempt
    with pytest.raises(RegistrationError, match="put @workflow above the class"):
        Undecorated.visualize()
    assert client.asked == []


def test_locals_around_a_nested_workflow_are_known_to_its_annotations() -> None:
    """A test may define model and workflow inside one function."""

    class Local: ...

    @workflow
    class Nested(Workflow):
        async def run(self, local: Local) -> Local:
            return local

    assert Nested.__waymark__.hints == {"local": Local, "return": Local}
