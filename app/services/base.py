"""What every use case stands on: who acts, how a unit of work runs, and how a refusal is kept.

A use case is a method of a ``UseCases`` class. It opens one unit of work through ``_write`` or ``_read``, checks the
actor inside it with ``services.access``, and returns rows or plain values.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from app.db.engine import Database, UnitOfWork
from app.domain.errors import AppError
from app.services import audit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Actor:
    """A verified token: who is asking. What they may do depends on the workspace, see ``services.access``."""

    subject: str
    display_name: str
    request_id: str | None = None


class UseCases:
    """Base of the services."""

    def __init__(self, db: Database) -> None:
        self._db = db

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
        entry = audit.entry_of(refusal)
        if entry is not None:

            async def keep(uow: UnitOfWork) -> None:
                uow.session.add(entry)

            await self._db.write(keep)


def utc_now() -> datetime:
    """This machine's clock, for times that no other machine compares with its own."""
    return datetime.now(UTC)
