"""A query that takes too long is ended, with its transaction; a mutation is not. Nothing here depends on how fast it is:
what is slow would never end by itself.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.services.reading import Reader
from tests.schema.service import Service, serving, wedding
from tests.schema.sockets import Socket

pytestmark = pytest.mark.anyio

ENDLESS = {
    True: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS endless FROM n",
    False: "SELECT pg_sleep(100000) AS endless",
}
"""By ``sqlite``: a statement that the database itself would be busy with for a day."""

QUERIES = {
    "a resolver": 'query { node(id: "x") { id } }',
    "a loader's batch": "query { me { memberships { workspace { sides { side guestUnits } } } } }",
    "several at once": 'query { a: node(id: "x") { id } b: node(id: "y") { id } me { memberships { workspace { tags { name } } } } }',
}


class Slow:
    """A reader whose answers for single nodes, sides and tags never come: the database is busy with them."""

    def __init__(self, db: Database, reader: Reader) -> None:
        self._db = db
        self._reader = reader
        self.running = 0

    def __getattr__(self, name: str) -> Any:
        return self.endless if name in {"node", "sides", "tags"} else getattr(self._reader, name)

    async def endless(self, *_: object) -> Any:
        async def unit(uow: UnitOfWork) -> Any:
            return await uow.session.execute(sa.text(ENDLESS[uow.sqlite]))

        self.running += 1
        try:
            return await self._db.read(unit)
        finally:
            self.running -= 1


@pytest.fixture
async def slow(db: Database) -> AsyncIterator[tuple[Service, Slow]]:
    async with serving(db, dispatch=False, query_timeout=0.3) as service:
        await wedding(service)
        reader = Slow(db, service.app.state["running"].use().reader)
        service.break_reader(reader)
        yield service, reader


async def busy(db: Database) -> int:
    """How many endless statements the database is still busy with; SQLite's run in this process, on its connections."""
    if db.sqlite:
        return 0

    async def unit(uow: UnitOfWork) -> int:
        query = """SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state <> 'idle' AND query LIKE '%AS endless'"""
        return int((await uow.session.execute(sa.text(query))).scalar_one())

    return await db.read(unit)


async def gone(db: Database, reader: Slow) -> None:
    """Everything that the query held is given back, and the database works on."""
    pool: Any = db.reader.pool
    async with asyncio.timeout(60):
        while reader.running or pool.checkedout():
            await asyncio.sleep(0.01)
        while await busy(db):  # PostgreSQL hears of it over another connection
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("what", QUERIES)
async def test_a_query_over_http(slow: tuple[Service, Slow], what: str) -> None:
    service, reader = slow
    error = await asyncio.wait_for(service.error(QUERIES[what]), 60)
    assert error["extensions"] == {"code": "UNAVAILABLE"}
    assert error["message"] == (
        "The query took longer than 0.3 s and was ended. Ask for fewer entries with first, or in several requests."
    )
    await gone(service.db, reader)
    assert await service.data("{ me { subject } }") == {"me": {"subject": "anita"}}


@pytest.mark.parametrize("what", QUERIES)
async def test_a_query_over_a_websocket(slow: tuple[Service, Slow], what: str) -> None:
    service, reader = slow
    async with Socket(service.app, service.token()) as socket:
        await socket.subscribe("1", QUERIES[what])
        error = (await socket.until("next", seconds=60))["payload"]["errors"][0]
        assert error["extensions"] == {"code": "UNAVAILABLE"}
        await socket.until("complete")
        await gone(service.db, reader)


async def test_what_a_client_gives_up_ends_too(db: Database) -> None:
    async with serving(db, dispatch=False, query_timeout=600.0) as service:
        await wedding(service)
        reader = Slow(db, service.app.state["running"].use().reader)
        service.break_reader(reader)
        async with Socket(service.app, service.token()) as socket:
            await socket.subscribe("1", QUERIES["several at once"])
            while reader.running < 3:
                await asyncio.sleep(0.01)
            await socket.send({"type": "complete", "id": "1"})
            while reader.running:
                await asyncio.sleep(0.01)
        await gone(db, reader)


async def test_a_mutation_is_not_cut(db: Database) -> None:
    """It may have committed: an answer that says it was ended would be a lie."""
    async with serving(db, dispatch=False, query_timeout=0.05) as service:
        reached, go_on = asyncio.Event(), asyncio.Event()
        services = service.app.state["running"].use()
        write = services.db.write

        async def held(*arguments: Any) -> Any:
            result = await write(*arguments)
            reached.set()
            await go_on.wait()
            return result

        services.db.write = held
        query = (
            'mutation { createWorkspace(input: {name: "W", defaultRegion: "IN", timezone: "Asia/Kolkata"}) { name } }'
        )
        asking = asyncio.create_task(service.data(query))
        await reached.wait()
        await asyncio.sleep(0.2)
        go_on.set()
        assert await asking == {"createWorkspace": {"name": "W"}}
        del services.db.write
