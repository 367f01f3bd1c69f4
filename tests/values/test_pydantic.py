"""Models are stored as they are, past all their validators and serializers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar
from uuid import uuid4

import pytest
from asyncpg.pgproto import pgproto
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PostgresDsn,
    PrivateAttr,
    RootModel,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from waymark.values import TypeRegistry, plan_for

T = TypeVar("T")
RAN: list[str] = []


class Everything(BaseModel):
    model_config = ConfigDict(extra="allow", validate_assignment=True)

    password: SecretStr
    key: SecretBytes = SecretBytes(b"\xff")
    hidden: int = Field(default=1, exclude=True)
    renamed: int = Field(alias="otherName")
    site: HttpUrl | None = None
    database: PostgresDsn | None = None
    doubled: int = 2
    made: str = Field(default_factory=lambda: str(RAN.append("factory")))
    _calls: list[int] = PrivateAttr(default_factory=list)
    _never: int = PrivateAttr()

    @field_validator("doubled")
    @classmethod
    def _double(cls, value: int) -> int:
        RAN.append("validator")
        return value * 2

    @field_serializer("doubled")
    def _write(self, value: int) -> str:
        RAN.append("serializer")
        return "lossy"

    @model_validator(mode="after")
    def _after(self) -> Everything:
        RAN.append("after")
        return self

    def model_post_init(self, context: Any) -> None:
        RAN.append("post init")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def computed(self) -> int:
        RAN.append("computed")
        return 1

    @cached_property
    def costly(self) -> object:
        return object()


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    RAN.clear()
    yield
    assert RAN == []


def make(**extra: Any) -> Everything:
    value = Everything(
        password=SecretStr("p"),
        otherName=3,
        site=HttpUrl("https://example.org/a?b=c"),
        database=PostgresDsn("postgres://u:p@h1:1,h2:2/d"),
        **extra,
    )
    RAN.clear()
    return value


def through(value: Any, annotation: object = None) -> Any:
    types = TypeRegistry()
    types.add(type(value))
    data = plan_for(annotation or type(value), types).dumps(value)
    return plan_for(annotation or type(value), types).loads(data)


@pytest.mark.parametrize("annotation", [Everything, Any, BaseModel, list[int]])
def test_nothing_is_lost_and_nothing_runs(annotation: object) -> None:
    """Secrets, excluded, aliased, extra, private, the set of fields that were set."""
    value = make(unknown={"a": (1, 2)})
    value._calls.append(5)
    assert value.costly
    back = through(value, annotation)
    assert back.password.get_secret_value() == "p"
    assert back.key.get_secret_value() == b"\xff"
    assert (back.hidden, back.renamed, back.doubled) == (1, 3, 2)
    assert (back.site, back.database) == (value.site, value.database)
    assert type(back.site) is HttpUrl
    assert back.model_extra == {"unknown": {"a": (1, 2)}}
    assert back._calls == [5]
    assert back.model_fields_set == value.model_fields_set
    assert "costly" not in back.__dict__
    assert back == value
    with pytest.raises(AttributeError):
        _ = back._never
    assert back.model_copy() == value
    RAN.clear()


def test_an_unvalidated_model_stays_unvalidated() -> None:
    """`model_construct` may leave anything anywhere."""
    value = Everything.model_construct(renamed="not a number")
    RAN.clear()
    back = through(value)
    assert back.__dict__ == value.__dict__
    assert "password" not in back.__dict__


def test_frozen_generic_nested_and_root_models() -> None:
    """The kinds of models that people write."""

    class Frozen(BaseModel):
        model_config = ConfigDict(frozen=True)
        when: datetime

    class Page(BaseModel, Generic[T]):
        items: list[T]
        next: Page[T] | None = None

    class Ids(RootModel[list[int]]):
        pass

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        ids: Ids
        page: Page[Frozen]

    value = Strict(
        ids=Ids([1, 2]), page=Page[Frozen](items=[Frozen(when=datetime(2026, 1, 1, tzinfo=UTC))])
    )
    back = through(value)
    assert back == value
    assert type(back.page) is Page[Frozen]
    assert hash(back.page.items[0]) == hash(value.page.items[0])


def test_a_datetime_that_pydantic_parsed_keeps_its_zone() -> None:
    """Its zones are of a class of pydantic's own."""

    class Event(BaseModel):
        at: datetime

    for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+05:30", "2026-01-01T00:00:00"):
        value = Event.model_validate({"at": text})
        back = through(value)
        assert back == value
        assert repr(back.at) == repr(value.at)


def test_a_pydantic_dataclass_is_a_dataclass() -> None:
    """Its validator does not run."""

    @pydantic_dataclass
    class Data:
        number: int

        @field_validator("number")
        @classmethod
        def _check(cls, value: int) -> int:
            RAN.append("validator")
            return value

    value = Data(1)
    RAN.clear()
    assert through(value) == value


def test_asyncpgs_uuid_is_a_uuid() -> None:
    """Its class comes with every row of a query."""
    value = uuid4()
    plan = plan_for(Any, TypeRegistry())
    back = plan.loads(plan.dumps([pgproto.UUID(str(value))]))
    assert back == [value]


def test_defaults_for_fields_that_a_record_lacks() -> None:
    """Plain ones and empty containers; a factory of the user's does not run."""

    class Grown(BaseModel):
        old: int
        plain: str = "d"
        empty: list[int] = Field(default_factory=list)
        written: list[int] = []

    plan = plan_for(Grown, TypeRegistry())
    back = plan.loads(b'{"old":1}')
    assert back == Grown(old=1)
    assert back.model_fields_set == {"old"}
    back.written.append(1)
    assert plan.loads(b'{"old":1}').written == []
