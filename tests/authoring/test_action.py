"""`@action`: what it accepts, what it keeps, and what a direct call does."""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from waymark.authoring import INJECTED, Depends, action
from waymark.authoring.registry import registry
from waymark.errors import RegistrationError, ValueEncodeError

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers
    from http.cookiejar import CookiePolicy

pytestmark = pytest.mark.anyio


def get_session() -> str:
    return "session"


@dataclass
class Order:
    number: int


@action
async def place(order: Order, *, express: bool = False) -> int:
    """Place an order."""
    return order.number + express


@action
async def above(later: Later) -> Later:
    return later


class Later: ...


async def test_outside_a_workflow_an_action_is_the_plain_function() -> None:
    """A direct call runs the function and records nothing."""
    assert await place(Order(3), express=True) == 4


async def test_a_sync_action_is_awaited_like_any_other() -> None:
    """A sync function becomes an action that is awaited; it runs in place."""

    @action
    def double(number: int) -> int:
        return number * 2

    assert not double.is_async
    assert await double(4) == 8


async def test_an_async_function_behind_a_sync_wrapper_is_async() -> None:
    """`functools.wraps` around an async function, as tracing decorators do, still
    gives an action whose result is awaited."""

    async def authored(number: int) -> int:
        return number

    @functools.wraps(authored)
    def traced(*args: Any, **kwargs: Any) -> Any:
        return authored(*args, **kwargs)

    made = action(traced)
    assert made.is_async
    assert await made(5) == 5


def test_an_action_keeps_the_look_of_its_function() -> None:
    """Name, documentation and module stay, for tracebacks and documentation tools."""
    assert place.__doc__ == "Place an order."
    assert place.__wrapped__.__name__ == "place"
    assert repr(place) == f"<action {__name__}:place>"
    assert inspect.signature(place) == inspect.signature(place.function)


def test_the_name_is_module_and_qualname() -> None:
    """Without `name=` the registered name says where the function stands."""
    assert place.name == f"{__name__}:place"
    assert registry.action(place.name) is place


def test_a_script_run_as_a_module_has_its_real_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m app.worker` registers `app.worker:...`, as other processes know it."""
    main = ModuleType("__main__")
    main.__spec__ = SimpleNamespace(name="app.worker")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "__main__", main)

    async def fetch() -> None: ...

    fetch.__module__ = "__main__"
    fetch.__qualname__ = "fetch"
    assert action(fetch).name == "app.worker:fetch"


def test_a_script_without_a_module_name_stays_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script or a notebook has no other name than `__main__`."""
    main = ModuleType("__main__")
    main.__spec__ = None
    monkeypatch.setitem(sys.modules, "__main__", main)

    async def fetch() -> None: ...

    fetch.__module__ = "__main__"
    fetch.__qualname__ = "fetch"
    assert action(fetch).name == "__main__:fetch"


def test_name_and_aliases_are_found() -> None:
    """`name=` replaces the name; runs recorded under an alias find the action."""

    @action(name="mail.send", aliases=("mail.deliver", "old:send"))
    async def send() -> None: ...

    assert send.name == "mail.send"
    for name in ("mail.send", "mail.deliver", "old:send"):
        assert registry.action(name) is send
    assert registry.action(f"{__name__}:send") is None


def test_the_signature_is_without_injected_parameters() -> None:
    """A workflow passes everything but what is injected."""

    @action
    async def charge(
        amount: int,
        session: Annotated[str, Depends(get_session)] = INJECTED,
        *,
        currency: str = "EUR",
        audit: str = Depends(get_session),
    ) -> None: ...

    assert str(charge.signature) == "(amount: 'int', *, currency: 'str' = 'EUR') -> 'None'"


def test_hints_are_resolved_with_their_metadata() -> None:
    """Postponed annotations become classes, `Annotated` stays."""

    @action
    async def pay(amount: Annotated[int, "cents"]) -> Order: ...

    assert pay.hints == {"amount": Annotated[int, "cents"], "return": Order}


def test_a_type_defined_further_down_the_module_is_found() -> None:
    """An annotation may name what did not exist when the decorator ran."""
    assert above.hints == {"later": Later, "return": Later}


def test_a_name_only_type_checkers_know_is_any() -> None:
    """An import under TYPE_CHECKING does not stop an action, and does not hide
    what else the annotation says."""

    @action
    async def pay(
        amount: OnlyForCheckers,
        amounts: list[OnlyForCheckers],
        session: Annotated[OnlyForCheckers, Depends(get_session)] = INJECTED,
        rates: Annotated[OnlyForCheckers.rates[str], Depends(get_session)] = INJECTED,
    ) -> None: ...

    assert pay.hints["amount"] is Any
    assert pay.hints["amounts"] == list[Any]
    assert list(pay.signature.parameters) == ["amount", "amounts"]


def test_what_only_type_checkers_know_cannot_be_stored_and_is_told_so() -> None:
    """It is annotated, as its author sees it."""
    from http.cookiejar import CookiePolicy as Policy

    @action(name="shop:keep")
    async def keep(policy: CookiePolicy) -> None: ...

    words = "`CookiePolicy` in an annotation of shop:keep means nothing at run time; import it"
    with pytest.raises(ValueEncodeError, match=words):
        keep.arguments.record((Policy(),), {})


def test_locals_around_a_nested_action_are_known_to_its_annotations() -> None:
    """A test may define model, dependency and action inside one function."""

    class Local: ...

    def provide() -> str:
        return "x"

    @action
    async def use(local: Local, given: Annotated[str, Depends(provide)] = INJECTED) -> Local: ...

    @action(name="named.use")
    async def named(local: Local) -> Local: ...

    assert use.hints["local"] is Local
    assert list(use.signature.parameters) == ["local"]
    assert named.hints["local"] is Local


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (lambda number: number, "use `def`"),
        (len, "takes a function"),
        (functools.partial(print, "x"), "takes a function"),
        (place, "decorate it once"),
        (staticmethod(print), "takes a function"),
        (Order, "takes a function"),
    ],
)
def test_what_cannot_be_an_action_is_refused(wrong: Any, advice: str) -> None:
    """The message says what to write instead, and nothing is registered."""
    before = registry.actions()
    with pytest.raises(RegistrationError, match=advice):
        action(wrong)
    assert registry.actions() == before


def test_a_method_is_refused() -> None:
    """A method needs an object that another process does not have."""
    with pytest.raises(RegistrationError, match=r"is a method.*Move it to module level"):

        class Mailer:
            @action
            async def send(self) -> None: ...


def test_generators_are_refused() -> None:
    """An action has one result."""
    with pytest.raises(RegistrationError, match=r"is a generator.*return a list"):

        @action
        def many() -> Any:
            yield 1

    with pytest.raises(RegistrationError, match="is a generator"):

        @action
        async def many_async() -> Any:
            yield 1


@pytest.mark.parametrize("name", ["", " spaced ", "two\nlines", 3])
def test_a_bad_name_is_refused(name: Any) -> None:
    """A name must show well in rows and messages."""

    async def fetch() -> None: ...

    with pytest.raises(RegistrationError, match="action name"):
        action(name=name)(fetch)


def test_aliases_given_as_one_text_are_refused() -> None:
    """`aliases="a"` would be read letter by letter."""

    async def fetch() -> None: ...

    with pytest.raises(RegistrationError, match=r"aliases=\('old',\)"):
        action(aliases="old")(fetch)
