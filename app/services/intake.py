"""Group commit: webhooks that wait at the same time share one transaction, and each is answered after its own commit.

Nothing waits while the database is idle: the first body starts a group at once, and what comes in while groups are being
written is the next. So a storm costs one commit for many bodies, and a lone webhook no delay. Right after a group, the next
waits for as many as that had, for a moment: else the first of those who come again would be written alone, and all others
would wait for that. Several groups can be under way: while PostgreSQL writes one, this process reads the next.
"""

import asyncio
import contextvars
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from app import logs
from app.domain.errors import UnavailableError
from app.services.failures import database_is_away

MAX_WAITING: Final = 4_096
"""Bodies. Beyond it Meta is asked to come again: a queue that only grows would answer nobody in time."""
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
GROUP: Final = 256
"""Bodies a transaction."""
GROUP_BYTES: Final = 4 * 1024 * 1024
"""Of all bodies of a group but the first: one body may be larger alone."""
GATHER_SECONDS: Final = 0.003
"""How long after a group those that it has answered are given to come again."""
WRITERS: Final = 2
"""Groups under way at a time, where the database takes more than one: more would only be smaller."""
STUCK_SECONDS: Final = 30.0
"""A transaction that takes longer is not slow: Meta has long given up on whoever waits for it."""

log = logging.getLogger(__name__)


class Ingests(Protocol):
    """Keeps bodies and applies what they say; returns once all of it is committed. See ``services.webhooks``."""

    async def ingest(self, bodies: Sequence[bytes]) -> None: ...


@dataclass(slots=True)
class _Waiting:
    body: bytes
    kept: "asyncio.Future[None]"
    request: str | None
    """Its id, as in the log."""


def _unwatched(_waiting: int) -> None:
    """Nobody measures."""


class Intake:
    """Takes bodies one by one and hands them to ``webhooks`` in groups, at most ``writers`` groups at a time.

    Needs no start. ``drain`` waits for what is under way. ``backlog`` hears how many wait, at each change.
    """

    def __init__(
        self,
        webhooks: Ingests,
        *,
        writers: int = 1,
        waiting: int = MAX_WAITING,
        waiting_bytes: int = MAX_WAITING_BYTES,
        backlog: Callable[[int], None] = _unwatched,
    ) -> None:
        self._webhooks = webhooks
        self._most_writers = writers
        self._limit = waiting
        self._limit_bytes = waiting_bytes
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._backlog = backlog
        self._writers: dict[asyncio.Task[None], float | None] = {}
        """Since when each has been writing its group."""
        self._last_size, self._last_end = 0, 0.0
        self._enough = asyncio.Event()
        """As many wait as the last group had."""

    @property
    def waiting(self) -> int:
        """Bodies whose group has not begun."""
        return len(self._waiting)

    @property
    def stuck(self) -> bool:
        """A transaction has been under way for STUCK_SECONDS."""
        now = time.monotonic()
        return any(since is not None and now - since > STUCK_SECONDS for since in self._writers.values())

    async def put(self, body: bytes) -> None:
        """Returns once ``body`` is committed.

        Raises UnavailableError when too many wait already, and whatever ``ingest`` raised for this body's group.
        """
        if len(self._waiting) >= self._limit or self._bytes + len(body) > self._limit_bytes:
            raise UnavailableError("Too many webhooks are waiting to be kept.")
        waiting = _Waiting(body, asyncio.get_running_loop().create_future(), logs.request_id.get())
        self._waiting.append(waiting)
        self._bytes += len(body)
        self._backlog(self.waiting)
        if self.waiting >= self._last_size:
            self._enough.set()
        if len(self._writers) < self._most_writers:
            # In a context of its own: else every later group would be logged under the request that started the task.
            self._writers[asyncio.create_task(self._write(), context=contextvars.Context())] = None
        await waiting.kept

    async def drain(self) -> None:
        while self._writers:
            await asyncio.wait(self._writers)

    async def _write(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                if group := self._next():
                    await self._keep(group)
                    self._last_size, self._last_end = len(group), time.monotonic()
        finally:
            del self._writers[_this_writer()]
            if not self._writers:
                _give_up(self._waiting)  # only when this task was cancelled: nobody may wait for ever
                self._waiting.clear()
                self._bytes = 0
                self._backlog(0)

    async def _gather(self) -> None:
        """Those whose requests have come in already are heard first, and those whom the last group has answered."""
        await asyncio.sleep(0)
        rest = self._last_end + GATHER_SECONDS - time.monotonic()
        if rest > 0 and self.waiting < self._last_size:
            self._enough.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), rest)

    def _next(self) -> list[_Waiting]:
        """Empty when another writer has taken all."""
        if not self._waiting:
            return []
        group = [self._waiting.popleft()]
        size = 0
        while self._waiting and len(group) < GROUP and (size := size + len(self._waiting[0].body)) <= GROUP_BYTES:
            group.append(self._waiting.popleft())
        self._bytes -= sum(len(each.body) for each in group)
        self._backlog(self.waiting)
        return group

    async def _keep(self, group: list[_Waiting]) -> None:
        self._writers[_this_writer()] = time.monotonic()
        logs.request_id.set(" ".join(each.request for each in group if each.request) or None)
        try:
            await self._webhooks.ingest([each.body for each in group])
        except Exception as error:
            if len(group) == 1 or database_is_away(error):
                _fail(group, error)
                return
            # Whatever it is, it is one body's fault or everybody's; alone, each gets its own answer.
            log.exception("a group of %d webhooks could not be kept; keeping them one by one", len(group))
            await self._keep_one_by_one(group)
        except asyncio.CancelledError:
            _give_up(group)
            raise
        else:
            for each in group:
                if not each.kept.done():  # whoever asked may have gone
                    each.kept.set_result(None)

    async def _keep_one_by_one(self, group: Sequence[_Waiting]) -> None:
        try:
            for each in group:
                await self._keep([each])
        except asyncio.CancelledError:
            _give_up(group)  # nothing happens to those that have their answer
            raise


def _this_writer() -> "asyncio.Task[None]":
    task = asyncio.current_task()
    assert task is not None
    return task


def _give_up(group: Sequence[_Waiting]) -> None:
    for each in group:
        each.kept.cancel()


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for each in group:
        if not each.kept.done():
            each.kept.set_exception(error)
