"""Whether this process can do its work."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Final

import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.messages import M
from app.db.migrate import current, known, newest
from app.services.base import utc_now
from app.services.failures import database_is_away
from app.services.reading.summaries import is_overdue

_PATIENCE: Final = 5.0
"""Seconds: a probe that waits longer is no better than one that fails."""


_newest, _known = cache(newest), cache(known)
"""They read the folder of migrations, which does not change while the process runs."""


class DatabaseState(StrEnum):
    OK = "ok"
    AHEAD = "ahead: a newer version has migrated it"
    """An upgrade is under way: every migration leaves the version before it at work (docs/deployment.md)."""
    AWAY = "away"
    NOT_MIGRATED = "not migrated: run 'invites migrate'"


@dataclass(frozen=True, slots=True)
class Concerns:
    """What a person should look at, although the service works."""

    unconfirmed_overdue: int
    """Messages UNCONFIRMED for longer than the setting ``UNCONFIRMED_AFTER``."""
    taken_twice: int
    """Messages that WhatsApp took under two ids: must never be."""


async def concerns(uow: UnitOfWork, unconfirmed_after: timedelta) -> Concerns:
    """Over the whole database, by indexes that are empty while all is well."""
    told = (is_overdue(utc_now() - unconfirmed_after), M.second_message_id.is_not(None))
    counts = [sa.select(sa.func.count()).select_from(M).where(each) for each in told]
    return Concerns(*(await uow.session.execute(sa.select(*(count.scalar_subquery() for count in counts)))).one())


@dataclass(frozen=True, slots=True)
class Health:
    """Checks the database for ``/health/ready``."""

    db: Database
    unconfirmed_after: timedelta = timedelta(0)

    async def concerns(self) -> Concerns | None:
        """None while the database is away."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self.db.read(lambda uow: concerns(uow, self.unconfirmed_after))
        except Exception as error:
            if not database_is_away(error):
                raise
            return None

    async def database(self) -> DatabaseState:
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await current(self.db)
        except Exception as error:
            if not database_is_away(error):
                raise
            return DatabaseState.AWAY
        if found == _newest():
            return DatabaseState.OK
        return DatabaseState.NOT_MIGRATED if found is None or found in _known() else DatabaseState.AHEAD
