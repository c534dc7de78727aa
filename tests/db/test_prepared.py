"""Hot statements: values come back as they went in, and errors are SQLAlchemy's whichever way a statement went."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, StatementError

from app.db.bulk import inserting
from app.db.engine import Database, UnitOfWork
from app.db.prepared import Prepared
from app.db.tables import ReceiptRow
from app.domain import ids
from app.services.failures import database_is_away, values_are_at_fault
from tests.races.barriers import postgresql_only

pytestmark = pytest.mark.anyio

R = ReceiptRow
NAMES = ("id", "number_id", "received_at", "digest", "body", "problem")
AT = datetime(2026, 11, 24, 12, 30, 15, 123456, UTC)

insert = inserting(R, NAMES)
read = Prepared(
    {"id": R.id.type},
    lambda asked, _: sa.select(*(getattr(R, name) for name in NAMES)).join(asked, asked.c.id == R.id),
)


def receipt(**changes: Any) -> tuple[Any, ...]:
    row = {
        "id": ids.new_id(ids.RECEIPT),
        "number_id": None,
        "received_at": AT,
        "digest": "d",
        "body": b"",
        "problem": None,
    }
    return tuple((row | changes).values())


async def begun(uow: UnitOfWork) -> None:
    """The first statement goes by SQLAlchemy; what follows goes by the driver."""
    await uow.driver.run("SELECT 1", (), returns=True)


async def test_values_come_back_as_they_went_in(db: Database) -> None:
    rows = [
        receipt(body=bytes(range(256)), number_id=ids.new_id(ids.NUMBER)),
        receipt(body=None, problem="“quoted”, 'so' \\ and\nलाइन"),
        receipt(received_at=datetime(2026, 1, 1, tzinfo=UTC)),
    ]

    async def unit(uow: UnitOfWork) -> list[tuple[Any, ...]]:
        await begun(uow)
        await insert(uow, rows)
        return await read(uow, [row[:1] for row in rows])

    assert sorted(await db.write(unit)) == sorted(rows)
    assert await db.read(lambda uow: read(uow, [])) == []


async def refusal(db: Database, act: Callable[[UnitOfWork], Awaitable[Any]]) -> StatementError:
    async def unit(uow: UnitOfWork) -> None:
        await begun(uow)
        await act(uow)

    with pytest.raises(StatementError) as refused:
        await db.write(unit)
    assert "secret" not in str(refused.value)
    return refused.value


async def test_a_row_that_is_there_already(db: Database) -> None:
    row = receipt(problem="secret")

    async def twice(uow: UnitOfWork) -> None:
        for _ in range(2):
            await insert(uow, [row])

    error = await refusal(db, twice)
    assert isinstance(error, IntegrityError)
    assert values_are_at_fault(error)


@pytest.mark.parametrize("text", ["a lone surrogate: secret \ud800", pytest.param("NUL: secret \0", id="NUL")])
async def test_text_that_no_database_takes_is_the_values_fault(db: Database, text: str) -> None:
    if db.sqlite and "\0" in text:
        await db.write(lambda uow: insert(uow, [receipt(problem=text)]))  # SQLite takes it
        return
    assert values_are_at_fault(await refusal(db, lambda uow: insert(uow, [receipt(problem=text)])))


@postgresql_only
async def test_a_connection_that_is_cut_is_the_database_away(db: Database) -> None:
    """And is no longer given out."""
    told: list[StatementError] = []

    async def cut(uow: UnitOfWork) -> None:
        pid = (await uow.session.execute(sa.select(sa.func.pg_backend_pid()))).scalar_one()
        async with db.reader.connect() as other:
            await other.execute(sa.select(sa.func.pg_terminate_backend(pid, 5_000)))
        for _ in range(3):  # cut within, closed, and closed for a while
            with pytest.raises(StatementError) as refused:
                await read(uow, [receipt()[:1]])
            told.append(refused.value)
            await asyncio.sleep(0.05)
        await read(uow, [receipt()[:1]])

    assert database_is_away(await refusal(db, cut))
    assert [database_is_away(each) for each in told] == [True] * 3
    await db.write(begun)


@postgresql_only
async def test_a_connection_that_the_server_is_ending_is_the_database_away(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last word has come, it has not hung up: a moment that only chance brings, so the driver here says what it says."""

    class Ending:
        async def fetch(self, *_: object) -> None:
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    async def glance(uow: UnitOfWork) -> None:
        monkeypatch.setattr(uow.driver, "_driver", Ending())
        await read(uow, [receipt()[:1]])

    with pytest.raises(StatementError) as refused:
        await db.glance(glance)
    assert database_is_away(refused.value)


@postgresql_only
async def test_what_concurrency_alone_refused_is_tried_again(db: Database) -> None:
    tries = 0

    async def unit(uow: UnitOfWork) -> None:
        nonlocal tries
        tries += 1
        await begun(uow)
        if tries == 1:
            await uow.driver.run("DO $$ BEGIN RAISE 'x' USING ERRCODE = '40P01'; END $$", (), returns=False)

    await db.write(unit)
    assert tries == 2
