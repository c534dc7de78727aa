"""Units of work in a thread of their own: nobody else waits for them, and none outlives its caller."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from app.db.aside import DatabaseAside
from app.db.engine import Database, UnitOfWork
from app.db.tables import NumberRow
from app.domain import ids

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
"""Seconds after which whatever should have happened has not."""


@pytest.fixture
async def aside(db: Database) -> AsyncIterator[DatabaseAside]:
    made = DatabaseAside(db)
    yield made
    await made.close()


async def insert(uow: UnitOfWork) -> None:
    uow.session.add(NumberRow(id=ids.new_id(ids.NUMBER), phone_number_id="1", created_at=datetime.now(UTC)))
    await uow.session.flush()


async def count(uow: UnitOfWork) -> int:
    return await uow.session.scalar(sa.select(sa.func.count()).select_from(NumberRow)) or 0


async def test_a_unit_that_computes_holds_up_nobody_else(db: Database, aside: DatabaseAside) -> None:
    computing, others_go_on = threading.Event(), threading.Event()

    async def unit(uow: UnitOfWork) -> bool:
        await insert(uow)
        computing.set()
        return others_go_on.wait(PATIENCE)  # as long as work in Python would: nothing else runs on this unit's loop

    under_way = asyncio.create_task(aside.write(unit))
    while not (computing.is_set() or under_way.done()):
        await asyncio.sleep(0.001)
    assert not gc.isenabled()
    others_go_on.set()
    assert await under_way
    assert gc.isenabled()
    assert await aside.read(count) == await db.read(count) == 1


@pytest.mark.parametrize("end", ["cancelled", "closed"])
async def test_a_unit_ends_with_its_caller_and_with_the_service(db: Database, end: str) -> None:
    aside, written = DatabaseAside(db), threading.Event()

    async def unit(uow: UnitOfWork) -> None:
        await insert(uow)
        written.set()
        await asyncio.sleep(PATIENCE)

    under_way = asyncio.create_task(aside.write(unit))
    while not (written.is_set() or under_way.done()):
        await asyncio.sleep(0.001)
    if end == "cancelled":
        under_way.cancel()
    else:
        await aside.close()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    if end == "cancelled":
        async with asyncio.timeout(PATIENCE):
            await aside.write(insert)  # SQLite's writer and PostgreSQL's unique number are free again
        await aside.close()
    assert await db.read(count) == (end == "cancelled")
    assert gc.isenabled()
