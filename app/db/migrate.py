"""Alembic, configured in code: ``upgrade`` brings a database to the newest revision, ``current`` tells where it stands."""

import asyncio
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError

from app.db.engine import Database

_MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 7_204_577_219_313_001
"""Two processes that start at once migrate one after the other."""


_LOCK_SECONDS: Final = 0.5
"""How long a migration waits for a table in use: whoever comes after it waits too. Less than PostgreSQL's
``deadlock_timeout``, so that where the two wait for each other it is the migration that gives way."""
_ATTEMPTS: Final = 60
_PAUSE_SECONDS: Final = 1.0
"""Between two attempts, for those who waited."""
_IN_USE: Final = frozenset({"55P03", "40P01"})
"""lock_not_available, deadlock_detected (PostgreSQL, appendix A)."""


class MigrationError(Exception):
    """The database was not migrated, and nothing in it has changed. The message is one line for the operator."""


class NewerDatabaseError(MigrationError):
    """The database is at a revision that this code does not have."""

    def __init__(self) -> None:
        super().__init__(
            "The database was migrated by a newer version of this program. Run that version, or set DATABASE_URL to "
            "another database."
        )


def configuration(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision that this code needs."""
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    assert head is not None
    return head


def known() -> frozenset[str]:
    """All revisions that this code has."""
    return frozenset(each.revision for each in ScriptDirectory.from_config(configuration()).walk_revisions())


async def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at ``url``, all or nothing; does nothing where it is up to date. Raises MigrationError."""
    database = Database(url)
    try:
        for _ in range(_ATTEMPTS):
            if await _upgraded(database, revision):
                return
            await asyncio.sleep(_PAUSE_SECONDS)
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        raise NewerDatabaseError from error
    finally:
        await database.close()
    raise MigrationError(
        "A table was in use all the time, perhaps by a backup, so nothing was changed. Once that is over, run: invites migrate"
    )


async def _upgraded(database: Database, revision: str) -> bool:
    """In one transaction; False when others had a table in use."""
    try:
        async with database.connection() as connection:
            if not database.sqlite:
                await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), revision))
            await connection.commit()
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _IN_USE:
            return False
        raise
    return True


async def current(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    async with database.reader.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
