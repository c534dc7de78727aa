"""A connection that the server ended while it lay in the pool is not given out again."""

import asyncio
import threading

import pytest

from app.db import pools
from app.db.engine import Database, UnitOfWork
from tests.races.barriers import postgresql_only

pytestmark = [pytest.mark.anyio, postgresql_only]


async def process_of(uow: UnitOfWork) -> int:
    """The server's process behind the connection."""
    ((pid,),) = await uow.driver.run("SELECT pg_backend_pid()", (), returns=True)
    return int(pid)


async def end(url: str, pid: int) -> None:
    other = Database(url, pool_size=1)
    await other.write(lambda uow: uow.driver.run("SELECT pg_terminate_backend($1, 5000)", (pid,), returns=True))
    await other.close()


async def cut(db: Database, url: str) -> int:
    """The process of the writing pool's only connection, ended while this loop stood still: it has not heard of it yet."""
    pid = await db.write(process_of)
    thread = threading.Thread(target=lambda: asyncio.run(end(url, pid)))
    thread.start()
    thread.join()
    return pid


async def test_one_that_is_known_to_be_cut(db: Database, database_url: str) -> None:
    pid = await cut(db, database_url)
    await asyncio.sleep(0.05)  # the loop hears of it
    assert await db.write(process_of) != pid


async def test_one_that_has_rested_is_asked_first(
    db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "REST_SECONDS", -1.0)
    pid = await cut(db, database_url)
    assert await db.write(process_of) != pid
