"""Documents are parsed and validated once, by whoever has a token; everything else is judged each time."""

from collections.abc import Iterator
from typing import Any

import pytest
import strawberry.schema.schema
from graphql import DocumentNode, parse

from app.schema import build_schema, cost
from app.schema.known import LONGEST, MOST
from tests.schema.service import Service

pytestmark = [pytest.mark.anyio, pytest.mark.either_database]

NAME = "{ me { displayName } }"
GUESTS = "query($n: Int) { me { memberships { workspace { guestUnits(first: $n) { nodes { people { name } } } } } } }"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts that were parsed, by a schema that knows none yet."""
    build_schema.cache_clear()
    texts: list[str] = []

    def noted(text: str, **options: Any) -> DocumentNode:
        texts.append(text)
        return parse(text, **options)

    monkeypatch.setattr(strawberry.schema.schema, "parse", noted)
    yield texts
    build_schema.cache_clear()


async def test_once_for_everybody(parsed: list[str], service: Service) -> None:
    assert [await service.data(NAME, by=who) for who in ("anita", "anita", "bina")] == [
        {"me": {"displayName": name}} for name in ("Anita", "Anita", "Bina")
    ]
    assert parsed == [NAME]
    assert await service.code(NAME, by=None) == "UNAUTHENTICATED"


async def test_strangers_make_nothing_known(parsed: list[str], service: Service) -> None:
    for _ in range(2):
        assert await service.code(NAME, by=None) == "UNAUTHENTICATED"
    assert parsed == [NAME, NAME]


async def test_what_is_wrong_stays_wrong(parsed: list[str], service: Service) -> None:
    for _ in range(2):
        assert await service.code("{ me { nothing } }") == "BAD_INPUT"
    assert len(parsed) == 2


async def test_the_cost_is_that_of_the_variables(
    parsed: list[str], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.data(GUESTS, {"n": 1})
    monkeypatch.setattr(cost, "MAX_COST", 100)
    assert await service.code(GUESTS, {"n": 100}) == "TOO_LARGE"
    await service.data(GUESTS, {"n": 1})
    assert parsed == [GUESTS]


async def test_only_so_many_and_none_that_is_long(parsed: list[str], service: Service) -> None:
    long = NAME + " " * LONGEST
    for text in (NAME, *(NAME + " " * count for count in range(1, MOST)), NAME, NAME + " " * MOST, NAME, long, long):
        await service.data(text)
    assert parsed.count(NAME) == 1, "the one that was asked with last is kept"
    assert parsed.count(long) == 2
    await service.data(NAME + " ")
    assert parsed.count(NAME + " ") == 2, "the one that was not asked with for longest has gone"
