"""Annotations that name what is defined further down. Python 3.14 evaluates an annotation
when it is asked for, so there they need no `from __future__ import annotations`."""

from __future__ import annotations

import sys

import pytest

import waymark
from tests.compiler.authored import define

pytestmark = pytest.mark.anyio

POSTPONED = "from __future__ import annotations\n"
HEADS = [POSTPONED, ""] if sys.version_info >= (3, 14) else [POSTPONED]

TEXT = """
import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from pydantic import BaseModel
from waymark import INJECTED, Depends, Workflow, action, workflow

if TYPE_CHECKING:
    from nowhere import Unknown

def shop() -> Shop:
    return Shop("corner")

@action
async def price(item: Item, shop: Annotated[Shop, Depends(shop)] = INJECTED) -> Price:
    assert type(item) is Item
    return Price(cents=item.pounds * 100, shop=shop.name)

@workflow
class Buy(Workflow):
    def __init__(self, hint: Later | None = None, other: Unknown = 1) -> None:
        self.hint = hint

    def doubled(self, price: Price) -> Price:
        return Price(cents=price.cents * 2, shop=price.shop)

    async def run(self, item: Item, options: Unknown | None = None) -> list[Price]:
        async def one(item: Item) -> Price:
            found: Price = await price(item)
            return self.doubled(found)
        return list(await asyncio.gather(one(item), one(item)))

@dataclass
class Item:
    pounds: int
    inside: Item | None = None

@dataclass
class Shop:
    name: str

class Price(BaseModel):
    cents: int
    shop: str

Later = int
"""


@pytest.mark.parametrize("head", HEADS)
async def test_annotations_may_name_what_comes_later(head: str) -> None:
    """Also what only type checkers can import."""
    module = define(TEXT, head, name="later_names")
    async with waymark.running("memory://"):
        found = await module.Buy().run(module.Item(3, module.Item(4)))
    assert found == [module.Price(cents=600, shop="corner")] * 2
