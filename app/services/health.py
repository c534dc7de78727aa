"""Whether this process can do its work."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from app.db.engine import Database
from app.db.migrate import current, newest
from app.services.failures import database_is_away

_PATIENCE: Final = 5.0
"""Seconds: a probe that waits longer is no better than one that fails."""


_newest = cache(newest)
"""It reads the folder of migrations, which does not change while the process runs."""


class DatabaseState(StrEnum):
    OK = "ok"
    AWAY = "away"
    NOT_MIGRATED = "not migrated: run 'invites migrate'"


@dataclass(frozen=True, slots=True)
class Health:
    """Checks the database for ``/health/ready``."""

    db: Database

    async def database(self) -> DatabaseState:
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await current(self.db)
        except Exception as error:
            if not database_is_away(error):
                raise
            return DatabaseState.AWAY
        return DatabaseState.OK if found == _newest() else DatabaseState.NOT_MIGRATED
