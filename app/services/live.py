"""Runs as they go. All who watch in one process share one look: what it costs does not grow with their number."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import monotonic

from app.db.engine import Database, UnitOfWork
from app.db.tables import SendRunRow
from app.domain import ids
from app.domain.watching import ANYWAY, LINGER, Looks, Pace
from app.services import access
from app.services.base import Actor, UseCases, utc_now
from app.services.reading.looks import Look, looks
from app.services.tenancy import workspace_of

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a look may take."""


class _Watcher:
    """Holds the newest look until it is taken: who takes none for long misses some, and nobody waits for them."""

    def __init__(self) -> None:
        self._look: Look | None = None
        self._news = asyncio.Event()

    def put(self, look: Look | None) -> None:
        self._look = look
        self._news.set()

    async def take(self) -> Look | None:
        """The newest look that was not taken yet; None when there is no such run any more."""
        await self._news.wait()
        self._news.clear()
        return self._look


class Live(UseCases):
    """The hub of one process. It looks while somebody watches, and does nothing otherwise."""

    def __init__(self, db: Database, *, unconfirmed_after: timedelta, anyway: float = ANYWAY) -> None:
        super().__init__(db)
        self._unconfirmed_after = unconfirmed_after
        self._watchers: defaultdict[str, set[_Watcher]] = defaultdict(set)
        self._looks = Looks(anyway)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._away = False

    @property
    def watchers(self) -> int:
        return sum(map(len, self._watchers.values()))

    async def follow(
        self, actor: Callable[[], Actor], run_id: str, *, linger: float = LINGER
    ) -> AsyncGenerator[Look, None]:
        """The run as it is, then again on change, four times a second at most; a slow taker gets the newest.

        Ends ``linger`` seconds after the last change of a run with nothing left to send, and with access: ``actor`` is
        asked at every look, and may raise. Raises NotFoundError.
        """
        await self._let_in(actor(), run_id)
        pace = Pace(linger)
        with self._watching(run_id) as watcher:
            while (look := await watcher.take()) and look.may(actor()):
                if pace.shows(look.figures, monotonic()):
                    yield look
                if pace.over(monotonic(), nothing_left=look.nothing_left):
                    return
                await asyncio.sleep(pace.rest(monotonic()))

    async def close(self) -> None:
        """End looking, whoever still watches."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _let_in(self, actor: Actor, run_id: str) -> None:
        async def unit(uow: UnitOfWork) -> None:
            workspace_id = await workspace_of(uow, actor, SendRunRow, ids.SEND_RUN, run_id)
            await access.require(uow, actor, workspace_id, None, doing="watch a run", target_id=run_id)

        await self._read(unit)

    @contextmanager
    def _watching(self, run_id: str) -> Iterator[_Watcher]:
        watcher = _Watcher()
        self._watchers[run_id].add(watcher)
        self._looks.asked()
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield watcher
        finally:
            self._watchers[run_id].discard(watcher)
            if not self._watchers[run_id]:
                del self._watchers[run_id]
                self._wake.set()

    def _hear(self, run_ids: Collection[str]) -> None:
        if not run_ids or not self._watchers.keys().isdisjoint(run_ids):
            self._looks.changed()
            self._wake.set()

    async def _run(self) -> None:
        while self._watchers:
            async with self._db.signals.heard(self._hear):
                while self._watchers:
                    await self._rest()
                    self._looks.starts(monotonic())
                    await self._look()
        self._task = None

    async def _rest(self) -> None:
        while self._watchers and (seconds := self._looks.wait(monotonic())):
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

    async def _look(self) -> None:
        """For those who were there when it began: to others it might show what they know to be over."""
        watched = {run_id: tuple(watchers) for run_id, watchers in self._watchers.items()}
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._db.read(lambda uow: looks(uow, watched, utc_now(), self._unconfirmed_after))
        except Exception:
            if not self._away:
                log.exception("runs that are watched could not be read; looking on")
            self._away = True
            return
        self._away = False
        for run_id, watchers in watched.items():
            for watcher in watchers:
                watcher.put(found.get(run_id))
