"""Values to bytes and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from waymark.values import TypeRegistry, dump_exception, load_exception, plan_for

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


class User(BaseModel):
    id: str
    email: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Receipt:
    to: str
    tries: int


USERS = [User(id=str(at), email=f"{at}@mail.example") for at in range(100)]
RECEIPTS = [Receipt(f"{at}@mail.example", at) for at in range(100)]
PLAIN: dict[str, Any] = {str(at): {"name": "x" * 20, "sizes": [1, 2.5, None]} for at in range(100)}

CASES = {
    "int": (int, 12345),
    "100 plain dicts": (dict[str, Any], PLAIN),
    "100 models": (list[User], USERS),
    "100 dataclasses": (list[Receipt], RECEIPTS),
    "100 dataclasses, no annotation": (Any, RECEIPTS),
}


def registered() -> TypeRegistry:
    """The classes of the cases, as a program's annotations would make them known."""
    types = TypeRegistry()
    for annotation in (User, Receipt, ValueError):
        types.add(annotation)
    return types


@pytest.mark.parametrize("case", CASES)
def test_write_a_value(benchmark: BenchmarkFixture, case: str) -> None:
    annotation, value = CASES[case]
    benchmark(plan_for(annotation, registered()).dumps, value)


@pytest.mark.parametrize("case", CASES)
def test_read_a_value(benchmark: BenchmarkFixture, case: str) -> None:
    annotation, value = CASES[case]
    plan = plan_for(annotation, registered())
    assert benchmark(plan.loads, plan.dumps(value)) == value


def test_write_and_read_an_exception(benchmark: BenchmarkFixture) -> None:
    types = registered()

    def there_and_back() -> BaseException:
        try:
            raise ValueError("no such user", 12345)
        except ValueError as error:
            return load_exception(dump_exception(error), types)

    assert benchmark(there_and_back).args == ("no such user", 12345)
