"""Fixtures of the tests of the command line."""

from collections.abc import Iterator

import pytest

from tests.cli.commands import SECRET, clear_settings
from tests.databases import Databases


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with AUTH_SECRET and no other setting; more are set with ``setenv``."""
    clear_settings(monkeypatch)
    monkeypatch.setenv("AUTH_SECRET", SECRET)
    return monkeypatch


@pytest.fixture
def migrated(settings: pytest.MonkeyPatch, database_url: str) -> str:
    """The settings name a migrated database, once per kind; its URL."""
    settings.setenv("DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def sqlite_url(databases: Databases) -> Iterator[str]:
    """A migrated SQLite file, for what does not depend on the kind of database."""
    url = databases.make("sqlite")
    yield url
    databases.drop(url)
