"""Hold a coroutine at a named moment while others go on: the interleaving that chance brings once a month, every time.

The moments are those of ``app.checkpoints``. Every wait is bounded, so that a race that does not come about fails its test
instead of hanging it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from app import checkpoints
from app.db.engine import Database
from tests.databases import CHOSEN

T = TypeVar("T")

LONGEST = 10.0
"""Seconds that anything may take before it fails."""

SETTLING = 0.1
"""Seconds after which an act on SQLite that has not ended counts as waiting: its queue is inside the pool."""

postgresql_only = pytest.mark.parametrize(
    "database_url", [kind for kind in CHOSEN if kind == "postgres"], indirect=True
)
"""For interleavings of two open writing transactions: SQLite has one writer, so there they cannot be."""


class Gate:
    """Stops the first ``times`` coroutines that come to a moment; all others pass."""

    def __init__(self, moment: str, times: int) -> None:
        self._moment = moment
        self._left = times
        self._came = asyncio.Semaphore(0)
        self._open = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self.passed: list[str] = []
        """Every moment that anybody has come to, in order."""

    async def pass_through(self, moment: str) -> None:
        self.passed.append(moment)
        if moment == self._moment and self._left:
            self._left -= 1
            self._came.release()
            await asyncio.wait_for(self._open.wait(), LONGEST)

    def start(self, act: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let ``act`` run beside the test; leaving the gate ends it."""
        task = asyncio.create_task(act)
        self._tasks.append(task)
        return task

    async def hold(self, act: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start ``act`` and return once it stands at the gate."""
        task = self.start(act)
        arrival = asyncio.create_task(self._came.acquire())
        await asyncio.wait({task, arrival}, timeout=LONGEST, return_when=asyncio.FIRST_COMPLETED)
        if not arrival.done():
            arrival.cancel()
            raise AssertionError(f"it never came to “{self._moment}”: {task!r}")
        return task

    def release(self) -> None:
        self._open.set()

    async def leave(self) -> None:
        """Nothing is left behind, also after a failed assertion."""
        self.release()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=LONGEST)
            for task in pending:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def holding(moment: str, times: int = 1) -> AsyncIterator[Gate]:
    """A gate at ``moment`` for the length of the block; one at a time."""
    gate = Gate(moment, times)
    checkpoints.install(gate.pass_through)
    try:
        yield gate
    finally:
        await gate.leave()
        checkpoints.install(None)


async def ended(act: Awaitable[T]) -> T:
    """The result, in bounded time."""
    return await asyncio.wait_for(act, LONGEST)


async def waits(db: Database, *tasks: asyncio.Task[Any]) -> None:
    """Fails unless each of ``tasks`` waits for a lock that somebody holds."""
    if db.sqlite:
        await asyncio.wait(tasks, timeout=SETTLING)
    else:
        async with asyncio.timeout(LONGEST):
            while not any(task.done() for task in tasks) and await _waiting(db) < len(tasks):
                await asyncio.sleep(0.005)
    assert not any(task.done() for task in tasks), f"it went on instead of waiting: {tasks!r}"


async def _waiting(db: Database) -> int:
    """How many connections to this PostgreSQL database wait for a lock, of rows or advisory."""
    query = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with db.reader.connect() as connection:
        return int((await connection.execute(query)).scalar_one())


@contextmanager
def sqlstates(db: Database) -> Iterator[list[str | None]]:
    """The SQLSTATE of every error that the database answers with, also of those that a retry hides.

    That somebody listens to statements makes all of them go by SQLAlchemy, which tells of errors; see ``app.db.driver``.
    """
    seen: list[str | None] = []

    def note(context: sa.engine.ExceptionContext) -> None:
        seen.append(getattr(context.original_exception, "sqlstate", None))

    def listen(*_: Any) -> None:
        """To nothing."""

    engine = db.writer.sync_engine
    sa.event.listen(engine, "handle_error", note)
    sa.event.listen(engine, "before_cursor_execute", listen)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", listen)
        sa.event.remove(engine, "handle_error", note)
