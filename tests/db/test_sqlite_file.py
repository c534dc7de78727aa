"""The SQLite file, which holds guests' phones: nobody else on the machine may read it; and what its connections do."""

import asyncio
import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.migrate import upgrade

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Where a new database goes, under the mask that most machines have."""
    before = os.umask(0o022)
    yield tmp_path / "invites.db"
    os.umask(before)


async def modes(file: Path) -> dict[str, int]:
    """Of the file and of those beside it, while it is being written."""
    await upgrade(f"sqlite+aiosqlite:///{file}")
    database = Database(f"sqlite+aiosqlite:///{file}")
    try:
        async with database.connection() as connection:
            await connection.execute(sa.text("CREATE TABLE seen (n INTEGER)"))
            return {path.name: S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    finally:
        await database.close()


async def test_a_new_file_is_its_owners_alone(file: Path) -> None:
    assert await modes(file) == {"invites.db": 0o600, "invites.db-wal": 0o600, "invites.db-shm": 0o600}


async def test_a_file_that_is_there_keeps_its_mode(file: Path) -> None:
    file.touch(0o640)
    assert set((await modes(file)).values()) == {0o640}


async def test_a_statement_that_is_given_up_before_it_begins_ends_too(file: Path) -> None:
    """As when a query is cancelled whose statement is still queued for the connection's thread."""
    database = Database(f"sqlite+aiosqlite:///{file}")
    go_on = threading.Event()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    sa.event.listen(database.reader.sync_engine, "invalidate", lambda *_: go_on.set())
    async with database.reader.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.create_function("held", 0, go_on.wait)
        held, queued = (asyncio.create_task(driver.execute(each)) for each in ("SELECT held()", endless))
        try:
            await asyncio.sleep(0)  # both are handed over
            async with asyncio.timeout(10):
                await connection.invalidate()
                with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                    await queued
        finally:
            go_on.set()
            while not queued.done():  # or nobody could leave
                driver._conn.interrupt()
                await asyncio.sleep(0.1)
            await asyncio.wait([held])
    await database.close()


async def test_who_gives_up_a_write_leaves_no_lock(file: Path) -> None:
    """At whatever step: with a statement half read, closing the connection alone would not end its transaction."""
    url = f"sqlite+aiosqlite:///{file}"
    await upgrade(url)
    database = Database(url)

    async def unit(uow: UnitOfWork) -> None:
        for _ in range(2):
            await uow.session.execute(sa.text("SELECT 1"))

    chance = random.Random(7)
    kept: list[BaseException] = []  # as whoever logs them does, with their frames and the cursors in these
    try:
        for _ in range(300):
            tasks = [asyncio.create_task(database.write(unit)) for _ in range(chance.randrange(1, 4))]
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() * 0.002)
            for task in tasks:
                task.cancel()
            kept += [each for each in await asyncio.gather(*tasks, return_exceptions=True) if each is not None]
            with closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
    finally:
        await database.close()
    assert kept, "none of them was given up in time"
