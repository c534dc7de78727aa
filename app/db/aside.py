"""The same database from a thread of its own, for units of work that handle tens of thousands of rows.

Turning rows into objects and objects into parameters is Python, also where the driver is asynchronous: a precheck of
100,000 recipients would hold the event loop that answers webhooks for seconds. Here such units run on another loop, and
the two threads take turns every millisecond.
"""

import asyncio
import gc
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Final, TypeVar

from app.db.engine import Database, UnitOfWork
from app.db.signals import Signals

T = TypeVar("T")

AT_ONCE: Final = 4
"""Units that read, and as many that write: their memory is what a process needs most. The others wait for their turn."""
SWITCH_SECONDS: Final = 0.001
"""How long Python lets one thread compute while another could. A webhook asks for its turn at each round trip."""


class _PassedOn(Signals):
    """Word goes to ``others``, on the loop that they belong to."""

    def __init__(self, others: Signals) -> None:
        super().__init__()
        self._others = others
        self._loop = asyncio.get_running_loop()

    def changed(self, run_ids: Collection[str]) -> None:
        self._loop.call_soon_threadsafe(self._others.changed, run_ids)


class DatabaseAside(Database):
    """``Database`` for callers on any event loop. The unit of a caller that is cancelled is rolled back."""

    def __init__(self, database: Database) -> None:
        """To be made, and closed, on the loop of ``database``, which tells of what is changed here."""
        super().__init__(
            database.url.render_as_string(hide_password=False),
            pool_size=AT_ONCE,
            pseudonyms=database.pseudonyms,
            signals=_PassedOn(database.signals),
        )
        self.first = database.first
        self._pools = {f"{name} aside": pool for name, pool in self._pools.items()}
        self._reading, self._writing = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)
        self._under_way = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="aside", daemon=True)
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._uncollected(work), self._loop))

    async def write(self, unit: Callable[[UnitOfWork], Awaitable[T]], name: str | None = None) -> T:
        write = super().write

        async def in_turn() -> T:
            async with self._writing:
                return await write(unit, name)

        return await self.run(in_turn())

    async def read(self, unit: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        return await self._read_in_turn(super().read, unit)

    async def glance(self, unit: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        return await self._read_in_turn(super().glance, unit)

    async def _read_in_turn(
        self,
        read: Callable[[Callable[[UnitOfWork], Awaitable[T]]], Awaitable[T]],
        unit: Callable[[UnitOfWork], Awaitable[T]],
    ) -> T:
        async def in_turn() -> T:
            async with self._reading:
                return await read(unit)

        return await self.run(in_turn())

    async def close(self) -> None:
        """Ends what is under way, which is rolled back."""
        await self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def _end(self) -> None:
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await super().close()

    async def _uncollected(self, work: Coroutine[Any, Any, T]) -> T:
        """Without the search for cycles: it looks through all objects there are, and every thread stands still meanwhile.

        With a million of them that is tenths of a second, and more where the processor is shared. What has no cycle goes all the same.
        """
        self._under_way += 1
        gc.disable()
        try:
            return await work
        finally:
            self._under_way -= 1
            if not self._under_way:
                # All that was made is old now, else the next search would begin with it at once.
                gc.freeze()
                gc.unfreeze()
                gc.enable()
