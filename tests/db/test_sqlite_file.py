"""The SQLite file holds guests' phones, so nobody else on the machine may read it."""

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import pytest
import sqlalchemy as sa

from app.db.engine import Database
from app.db.migrate import upgrade

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Where a new database goes, under the mask that most machines have."""
    before = os.umask(0o022)
    yield tmp_path / "invites.db"
    os.umask(before)


async def modes(file: Path) -> dict[str, int]:
    """Of the file and of those beside it, while it is being written."""
    await upgrade(f"sqlite+aiosqlite:///{file}")
    database = Database(f"sqlite+aiosqlite:///{file}")
    try:
        async with database.connection() as connection:
            await connection.execute(sa.text("CREATE TABLE seen (n INTEGER)"))
            return {path.name: S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    finally:
        await database.close()


async def test_a_new_file_is_its_owners_alone(file: Path) -> None:
    assert await modes(file) == {"invites.db": 0o600, "invites.db-wal": 0o600, "invites.db-shm": 0o600}


async def test_a_file_that_is_there_keeps_its_mode(file: Path) -> None:
    file.touch(0o640)
    assert set((await modes(file)).values()) == {0o640}
