"""Engines and the one way to run a transaction, on SQLite and on PostgreSQL alike.

A use case is a coroutine that takes a ``UnitOfWork`` and is handed to ``Database.write`` or ``Database.read``. Leaving it
commits, raising rolls back; nobody else commits. Serialization failures and deadlocks run the whole unit again, so a unit
must be free of effects outside the database.
"""

import asyncio
import functools
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.checkpoints import before_commit, committed, reached
from app.db import pools
from app.db.driver import Driver
from app.db.pools import postgres_engine, signals_engine, sqlite_engine, watched
from app.db.rowset import Rowset, rowset
from app.db.signals import CHANGED_RUNS, PostgresSignals, Signals
from app.domain.pseudonyms import Pseudonyms

T = TypeVar("T")

SETTLE_SECONDS = 1.0
"""How long a checkpoint may wait for readers: writers wait with it."""
ATTEMPTS = 6
_RETRYABLE_SQLSTATES = {"40001", "40P01"}
"""serialization_failure, deadlock_detected (PostgreSQL, appendix A)."""


class UnitOfWork:
    """One transaction: a session, the driver for hot statements, and the few things in which the two databases differ."""

    def __init__(self, connection: AsyncConnection, pseudonyms: Pseudonyms) -> None:
        self.dialect = connection.dialect
        self.sqlite = self.dialect.name == "sqlite"
        self.pseudonyms = pseudonyms
        """Under what the erased is found again."""
        self.driver = Driver(connection)
        self.changed_runs: set[str] = set()
        """Ids of the runs of which this changes what can be seen: told to those who watch, once it is committed."""
        self._connection = connection
        self._session: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        """Made when it is asked for: the hot paths do without."""
        if self._session is None:
            self._session = AsyncSession(self._connection, expire_on_commit=False, autoflush=False)
            self._session.info[CHANGED_RUNS] = self.changed_runs
        return self._session

    async def flush(self) -> None:
        """Write what the session has collected."""
        if self._session is not None:
            await self._session.flush()

    async def close(self) -> None:
        """Let go of the rows, which stay as they are for whoever was given them."""
        if self._session is not None:
            self._session.expunge_all()  # else a rollback would empty them
            await self._session.close()

    def rows(
        self, columns: Mapping[str, sa.types.TypeEngine[Any]], values: Sequence[Sequence[Any]], name: str = "v"
    ) -> Rowset:
        """``values`` as a FROM element of one parameter per column: what makes a statement's size independent of n."""
        return rowset(columns, values, name, sqlite=self.sqlite)

    async def lock_number(self, number_id: str, *, exclusive: bool = False) -> None:
        """The number's advisory lock, held until the end of the transaction; always the first lock.

        A claim shares it, whatever inserts a block takes it alone: so no claim commits after a block that it did not
        see. It must be a statement of its own: a snapshot taken before the wait would miss the block waited for.
        SQLite has one writer, which is the same lock.
        """
        if not self.sqlite:
            function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
            await self.driver.run(f"SELECT {function}($1::bigint)", (_advisory_key(number_id),), returns=True)

    async def now(self) -> datetime:
        """The database's clock: the one that all workers share."""
        if self.sqlite:
            return datetime.now(UTC)
        ((moment,),) = await self.driver.run("SELECT clock_timestamp()", (), returns=True)
        return cast("datetime", moment).astimezone(UTC)


class Database:
    """The two engines (one reads, one writes) and the retry loop around a unit of work."""

    def __init__(
        self, url: str, *, pool_size: int = 10, pseudonyms: Pseudonyms | None = None, signals: Signals | None = None
    ) -> None:
        """``signals`` are its own unless given."""
        self.url = make_url(url)
        self.first: Database = self
        """Itself, or the one that it stands beside: what is counted per database is counted there."""
        self.pseudonyms = pseudonyms or Pseudonyms()
        self.sqlite = self.url.get_backend_name() == "sqlite"
        # Two pools: readers that take long must not keep Meta waiting, whose webhooks are writers.
        if self.sqlite:
            # One writing connection per process: writers queue in order in the pool, instead of waking up at random
            # inside SQLite's busy handler.
            writers = 1
            self.writer = sqlite_engine(self.url, begin="BEGIN IMMEDIATE", pool_size=writers, pool_timeout=60)
            self.reader = sqlite_engine(self.url, begin="BEGIN", pool_size=pool_size)
            self.signals = signals or Signals()
        else:
            writers = pool_size
            # Said, not assumed: under another default a claim's snapshot could be older than the block it waited for.
            # Readers begin a transaction where they want one, see ``snapshot``.
            self.writer, self.reader = (
                postgres_engine(self.url, level, pool_size=pool_size, pool_timeout=10)
                for level in ("READ COMMITTED", "AUTOCOMMIT")
            )
            self.signals = signals or PostgresSignals(signals_engine(self.url))
        self._pools = {"write": (self.writer, writers), "read": (self.reader, pool_size)}

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """``work`` where the units run: here, on the caller's event loop."""
        return await work

    async def write(self, unit: Callable[[UnitOfWork], Awaitable[T]], name: str | None = None) -> T:
        """Run ``unit`` in one READ COMMITTED (SQLite: BEGIN IMMEDIATE) transaction and commit it.

        ``name`` is for the fault suite, see ``app.checkpoints``.

        Raises what the unit raises; a database that is away raises SQLAlchemy's DBAPIError or an OSError.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.writer.begin() as connection, self._unit(connection) as uow:
                    result = await unit(uow)
                    await uow.flush()
                    if name:
                        await reached(before_commit(name))
                if uow.changed_runs:
                    self.signals.changed(uow.changed_runs)
                if name:
                    await reached(committed(name))
                return result  # noqa: TRY300 - only after the commit that leaving the block is
            except DBAPIError as error:
                if attempt == ATTEMPTS or not is_retryable(error):
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")  # pragma: no cover

    async def read(self, unit: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Run ``unit`` in one read-only snapshot: every statement sees the same state of the world."""
        async with self.snapshot() as uow:
            return await unit(uow)

    async def glance(self, unit: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Run ``unit``, which reads with one statement: that sees one state of the world by itself.

        On PostgreSQL it takes one round trip where a snapshot takes three.
        """
        async with self.reader.connect() as connection, self._unit(connection) as uow:
            return await unit(uow)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        """The same as a context, for readers that yield while they read. Keep it short: it holds back vacuum."""
        async with self.reader.connect() as connection:
            if not self.sqlite:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with self._unit(connection) as uow:
                yield uow
            await connection.rollback()

    @asynccontextmanager
    async def _unit(self, connection: AsyncConnection) -> AsyncIterator[UnitOfWork]:
        uow = UnitOfWork(connection, self.pseudonyms)
        try:
            yield uow
        finally:
            await uow.close()

    async def settle_log(self) -> bool:
        """SQLite: move the write-ahead log into the file and empty it, so that what was overwritten is nowhere any more.

        False when somebody still read an older state after ``SETTLE_SECONDS``; then a later checkpoint does it.
        """
        if not self.sqlite:
            return True
        async with self.writer.connect() as connection:
            # By the driver: SQLAlchemy would open a transaction, in which there is no checkpoint.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(f"PRAGMA busy_timeout={round(SETTLE_SECONDS * 1000)}")
            try:
                (row,) = await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError:
                return False
            finally:
                await driver.execute(f"PRAGMA busy_timeout={pools.SQLITE_BUSY_SECONDS * 1000}")
            return bool(row[0] == 0)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A bare writing connection, for migrations."""
        async with self.writer.connect() as connection:
            yield connection

    @contextmanager
    def watched(self, in_use: Callable[[str, int], None]) -> Iterator[dict[str, int]]:
        """Tell ``in_use`` how many connections of a pool are taken, at each change; gives the most that each can have."""
        with ExitStack() as stack:
            for name, (engine, _) in self._pools.items():
                stack.enter_context(watched(engine, functools.partial(in_use, name)))
            yield {name: limit for name, (_, limit) in self._pools.items()}

    async def close(self) -> None:
        await self.signals.close()
        await self.writer.dispose()
        await self.reader.dispose()


def is_retryable(error: DBAPIError) -> bool:
    """True when the database gave the transaction up for reasons of concurrency alone: running it again is right."""
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return state in _RETRYABLE_SQLSTATES


def _advisory_key(number_id: str) -> int:
    """63 bits of the number's id; two numbers that shared a key would only wait for each other."""
    return int(number_id.partition("_")[2][-16:], 16) & 0x7FFF_FFFF_FFFF_FFFF
