"""What every use case stands on: who acts, how a unit of work runs, and how a refusal is kept.

A use case is a method of a ``UseCases`` class. It opens one unit of work through ``_write`` or ``_read``, checks the
actor inside it with ``services.access``, and returns rows or plain values.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from app.db.engine import Database, UnitOfWork
from app.domain.buckets import Buckets
from app.domain.errors import AppError
from app.services import audit

T = TypeVar("T")

log = logging.getLogger(__name__)

REFUSALS_PER_MINUTE: Final = 60
"""Audit entries of one person's refused attempts."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A verified token: who is asking. What they may do depends on the workspace, see ``services.access``."""

    subject: str
    display_name: str
    request_id: str | None = None


class Refusals:
    """How many refused attempts of one person are kept. Audit rows stay for a year, and whoever has a token can ask for
    things of nobody as fast as the line allows.

    ``clock`` tells nanoseconds and never goes back.
    """

    def __init__(self, per_minute: int = REFUSALS_PER_MINUTE, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._kept = Buckets(per_minute)
        self._told = Buckets(1)
        self._clock = clock

    def admit(self, subject: str) -> bool:
        """Whether one more is to be kept; if not, the log says so, once a minute."""
        if not self._kept.take(subject, self._clock()):
            return True
        if not self._told.take(subject, self._clock()):
            log.warning(
                "of one person more than %d attempts a minute were refused; the others are not kept in the audit",
                self._kept.per_minute,
            )
        return False


REFUSALS: Final[WeakKeyDictionary[Database, Refusals]] = WeakKeyDictionary()
"""Those of each database: of the process, which has one."""


class UseCases:
    """Base of the services."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._refusals = REFUSALS.setdefault(db.first, Refusals())

    async def _write(self, unit: Callable[[UnitOfWork], Awaitable[T]], name: str | None = None) -> T:
        """Run and commit ``unit``. A refusal rolls it back and is then written to the audit trail by itself."""
        try:
            return await self._db.write(unit, name)
        except AppError as refusal:
            await self._keep(refusal)
            raise

    async def _read(self, unit: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Run ``unit`` in one read-only snapshot; a refusal is kept as in ``_write``."""
        try:
            return await self._db.read(unit)
        except AppError as refusal:
            await self._keep(refusal)
            raise

    async def _keep(self, refusal: AppError) -> None:
        """One person can fill ``REFUSALS_PER_MINUTE`` rows a minute and no more, whatever they ask and however."""
        found = audit.entry_of(refusal)
        if found is None:
            return
        subject, entry = found

        async def keep(uow: UnitOfWork) -> None:
            uow.session.add(entry)

        if self._refusals.admit(subject):
            await self._db.write(keep)


def utc_now() -> datetime:
    """This machine's clock, for times that no other machine compares with its own."""
    return datetime.now(UTC)
