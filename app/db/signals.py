"""Word of changed runs, from whoever commits a change to whoever watches: in this process, and on PostgreSQL in all.

Word may get lost; nothing is told twice to make up for it. Whoever listens also looks now and then by itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm import object_session

from app.db.tables import SendRunRow

log = logging.getLogger(__name__)

Hear = Callable[[Collection[str]], None]
"""Takes the ids of runs; none of them stands for "any": something may have been missed."""

CHANGED_RUNS: Final = "changed runs"
"""Where a session keeps the ids of the runs that it changes."""
CHANNEL: Final = "invites_runs"
TELL_EVERY: Final = 0.25
"""Seconds between two notifications of one process: a commit with NOTIFY holds a lock of the whole server."""
ALIVE_EVERY: Final = 30.0
LONGEST_PAUSE: Final = 5.0


@sa.event.listens_for(SendRunRow, "after_insert")
@sa.event.listens_for(SendRunRow, "after_update")
def _run_changed(_mapper: Any, _connection: Any, run: SendRunRow) -> None:
    session = object_session(run)
    if session is not None:
        session.info.setdefault(CHANGED_RUNS, set()).add(run.id)


class Signals:
    """Within one process: all that SQLite needs when serving and sending are one."""

    def __init__(self) -> None:
        self._listeners: list[Hear] = []

    def changed(self, run_ids: Collection[str]) -> None:
        """These runs are different from what they were; the change is committed."""
        for hear in list(self._listeners):
            hear(run_ids)

    @asynccontextmanager
    async def heard(self, hear: Hear) -> AsyncIterator[None]:
        """``hear`` is called with each word until the context is left."""
        self._listeners.append(hear)
        try:
            yield
        finally:
            self._listeners.remove(hear)

    async def close(self) -> None:
        """Nothing is told any more."""


class PostgresSignals(Signals):
    """In every process: by NOTIFY, sent after the commit that it speaks of and by another connection.

    So no webhook and no claim waits for the lock that a commit with NOTIFY takes. Two connections at most, apart from
    the pools: one while there is something to tell, one while somebody listens.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__()
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._untold: set[str] = set()
        self._teller: asyncio.Task[None] | None = None

    def changed(self, run_ids: Collection[str]) -> None:
        super().changed(run_ids)
        self._untold.update(run_ids)
        if self._teller is None or self._teller.done():
            self._teller = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while self._untold:
            told, self._untold = sorted(self._untold), set()
            notify = sa.select(sa.func.pg_notify(CHANNEL, sa.func.unnest(sa.cast(told, sa.ARRAY(sa.Text())))))
            try:
                async with self._engine.connect() as connection:
                    await connection.execute(notify)
            except Exception as error:  # noqa: BLE001 - whatever it is, the change itself is safe and will be looked at
                log.debug("changed runs could not be told: %s", type(error).__name__)
            await asyncio.sleep(TELL_EVERY)

    @asynccontextmanager
    async def heard(self, hear: Hear) -> AsyncIterator[None]:
        async with super().heard(hear):
            listening = asyncio.create_task(self._listen(hear))
            try:
                yield
            finally:
                listening.cancel()
                await asyncio.wait([listening])

    async def _listen(self, hear: Hear) -> None:
        """For as long as somebody wants it: through every outage of the server."""
        pause = 0.0
        while True:
            try:
                async with self._engine.connect() as connection, _listening(connection, hear) as lost:
                    hear([])
                    pause = 0.0
                    await _until_lost(connection, lost)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who watch look by themselves meanwhile
                log.warning("changes of other processes are not heard: %s; listening anew", type(error).__name__)
            pause = min(LONGEST_PAUSE, max(0.1, 2 * pause))
            await asyncio.sleep(pause)

    async def close(self) -> None:
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.wait([self._teller])
        await self._engine.dispose()


@asynccontextmanager
async def _listening(connection: AsyncConnection, hear: Hear) -> AsyncIterator[asyncio.Event]:
    """Gives what is set when the server has ended the connection. By the driver: SQLAlchemy knows no LISTEN."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    lost = asyncio.Event()

    def end(_connection: Any) -> None:
        lost.set()

    def word(_connection: Any, _pid: int, _channel: str, run_id: str) -> None:
        hear([run_id])

    driver.add_termination_listener(end)
    await driver.add_listener(CHANNEL, word)
    try:
        yield lost
    finally:  # the pool keeps the connection
        driver.remove_termination_listener(end)
        await driver.remove_listener(CHANNEL, word)


async def _until_lost(connection: AsyncConnection, lost: asyncio.Event) -> None:
    """Returns when the server has ended the connection. Raises when it does not answer: a cut line says nothing."""
    while not lost.is_set():
        try:
            await asyncio.wait_for(lost.wait(), ALIVE_EVERY)
        except TimeoutError:
            async with asyncio.timeout(ALIVE_EVERY):
                await connection.execute(sa.select(1))
