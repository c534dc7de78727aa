"""Pools of connections: how one is made, looked at before it is used again, and given up."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

SQLITE_BUSY_SECONDS = 20
REST_SECONDS = 2.0
"""How long a connection to PostgreSQL may lie unused before it is asked whether it still lives."""
_GIVEN_UP, _USED = "given up", "used"
_STEPS = 1_000_000
"""Of SQLite's machine, between two looks at whether anybody still waits for the answer: some 30 ms."""


def sqlite_engine(url: sa.URL, *, begin: str, **settings: Any) -> AsyncEngine:
    """``begin`` is the statement that a transaction begins with."""
    engine = _engine(url, max_overflow=0, connect_args={"timeout": SQLITE_BUSY_SECONDS}, **settings)
    _prepare_sqlite(engine, begin)
    return engine


def postgres_engine(
    url: sa.URL, isolation_level: str, *, connect_args: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncEngine:
    arguments = {"timeout": 10, **(connect_args or {})}
    engine = _engine(url, isolation_level=isolation_level, max_overflow=0, connect_args=arguments, **settings)
    _ping_after_rest(engine)
    return engine


def signals_engine(url: sa.URL) -> AsyncEngine:
    """Two connections that nothing waits for. What they commit is gone when the server is, so no disk is waited for."""
    unhurried = {"server_settings": {"synchronous_commit": "off"}}
    return postgres_engine(url, "READ COMMITTED", pool_size=2, connect_args=unhurried)


@contextmanager
def watched(engine: AsyncEngine, in_use: Callable[[int], None]) -> Iterator[None]:
    """Tell ``in_use`` how many connections of the engine's pool are taken, at each change."""
    taken: set[ConnectionPoolEntry] = set()
    """Not a number: one that was taken before we looked, or that could not be handed out, comes back all the same."""

    def took(_connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        taken.add(entry)
        in_use(len(taken))

    def gave(_connection: Any, entry: ConnectionPoolEntry) -> None:
        taken.discard(entry)
        in_use(len(taken))

    pool = engine.sync_engine.pool
    sa.event.listen(pool, "checkout", took)
    sa.event.listen(pool, "checkin", gave)
    try:
        yield
    finally:
        sa.event.remove(pool, "checkout", took)
        sa.event.remove(pool, "checkin", gave)


def _engine(url: sa.URL, **settings: Any) -> AsyncEngine:
    """Never with a statement's values in an error's text: they are people's names and phones."""
    return create_async_engine(url, hide_parameters=True, **settings)


def _ping_after_rest(engine: AsyncEngine) -> None:
    """Before a connection is used again: not if it is known to be cut, and with a ping if nobody has used it for a while.

    ``pool_pre_ping`` would ping each time, in three round trips, which were a fifth of what a small webhook cost. Given up:
    the server's death within the last REST_SECONDS, where the operating system has not told of it.
    """

    @sa.event.listens_for(engine.sync_engine, "checkin")
    def _rests(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()

    @sa.event.listens_for(engine.sync_engine, "checkout")
    def _look(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        used = record.info.get(_USED)
        if used is None:
            return  # it has just been made
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        if time.monotonic() - used > REST_SECONDS:
            try:
                connection.ping()
            except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]  # it has one, since it connected
                raise InvalidatePoolError from error


def _prepare_sqlite(engine: AsyncEngine, begin: str) -> None:
    """The settings without which SQLite loses updates or answers "database is locked" (tried: 1 of 8 writers survived)."""

    @sa.event.listens_for(engine.sync_engine, "do_connect")
    def _create(_dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
        # SQLite would let everybody on this machine read it, and gives its -wal and -shm the mode of the file itself. One
        # that is there is not even opened: closing it would give up the locks that this process has on it.
        with suppress(OSError):  # what is wrong with the place, SQLite says when it connects
            os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not send a BEGIN of its own
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a 200 to Meta means that it is on the disk
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten, not left in a free page of the file
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}")
        cursor.close()
        given_up = record.info[_GIVEN_UP] = threading.Event()
        connection.run_async(lambda driver: driver.set_progress_handler(given_up.is_set, _STEPS))

    @sa.event.listens_for(engine.sync_engine, "invalidate")
    def _give_up(connection: Any, record: ConnectionPoolEntry, _error: BaseException | None) -> None:
        # A cancelled task gives its connection up. The thread of that connection hears nothing of it and would bring its
        # statement to an end first, with the rollback and whoever waits for it standing behind. An interrupt would be lost
        # on a statement that is queued for the thread and has not begun.
        if _GIVEN_UP in record.info:
            record.info[_GIVEN_UP].set()
        # Closing alone would not do: a connection that is closed with a statement half read lives on, and with it the lock
        # of its transaction, until the collector finds the cursor in some traceback.
        connection.run_async(_roll_back_next)

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)


async def _roll_back_next(driver: Any) -> None:
    """Queue it for the connection's thread, before the closing that follows. Not waited for: the thread may be busy."""
    rollback = driver.rollback()
    with suppress(ValueError):  # it is closed already
        rollback.send(None)
    rollback.close()
