"""What a command needs around its use case: checked settings, a migrated database, the services, an event loop."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import click

from app.config import Settings
from app.db.engine import Database
from app.db.migrate import NewerDatabaseError
from app.domain.errors import NotFoundError
from app.main import build_database, build_services
from app.metrics import Metrics
from app.services.base import Actor
from app.services.bundle import Services
from app.services.health import DatabaseState, Health


def settings_from_env() -> Settings:
    """Raises SettingsError."""
    return Settings.from_env(os.environ)


def actor_of(subject: str) -> Actor:
    """Whoever runs the command speaks for ``subject``: who can open the database needs no token."""
    return Actor(subject, subject)


@contextmanager
def looking_as_a_member() -> Iterator[None]:
    """Tell whoever gave both an id and ``--as`` that either may be why nothing was found. Raises ClickException."""
    try:
        yield
    except NotFoundError as error:
        raise click.ClickException(
            f"{error.message} See that the id is whole, and that whoever --as names is a member of its wedding."
        ) from None


async def state_of(database: Database) -> DatabaseState:
    """As health sees it; a SQLite file that is not there is not made by looking for it."""
    return await Health(database).database() if _may_be_there(database) else DatabaseState.NOT_MIGRATED


def _may_be_there(database: Database) -> bool:
    file = database.url.database or ""
    return not database.sqlite or file.startswith("file:") or Path(file).exists()


async def require_migrated(database: Database) -> None:
    """Raises ClickException or NewerDatabaseError unless the database is there and at this version's schema.

    One that is ahead is for who was there before: nobody knows by how many versions, so nothing starts on it.
    """
    state = await state_of(database)
    if state is DatabaseState.AWAY:
        raise click.ClickException("The database cannot be reached. See that it runs and that DATABASE_URL is right.")
    if state is DatabaseState.NOT_MIGRATED:
        raise click.ClickException("The database is not at this version's schema. Run: invites migrate")
    if state is DatabaseState.AHEAD:
        raise NewerDatabaseError


@asynccontextmanager
async def services_of(settings: Settings) -> AsyncIterator[Services]:
    """All use cases on the database of the settings; nothing here talks to Meta. Raises ClickException."""
    database = build_database(settings)
    try:
        await require_migrated(database)
        services = await build_services(settings, database, None, Metrics())
        try:
            yield services
        finally:
            await services.live.close()
    finally:
        await database.close()
