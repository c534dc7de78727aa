"""Migrations and tables agree, and the audit trail cannot be rewritten, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.db import migrate
from app.db.engine import Database, UnitOfWork
from app.db.migrate import MigrationError, current, newest, upgrade
from app.db.tables import AuditRow, Base
from app.domain import ids
from app.domain.enums import AuditAction
from tests.databases import CHOSEN, Databases

pytestmark = pytest.mark.anyio


async def test_migrated_database_equals_the_tables(db: Database) -> None:
    async with db.connection() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), Base.metadata)
        )
    assert differences == []


async def test_upgrading_twice_changes_nothing(db: Database, database_url: str) -> None:
    await upgrade(database_url)
    assert await current(db) == newest()


async def test_a_migration_gives_up_rather_than_let_everybody_wait(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for a table (for the end of a backup, say) is waited for by all who come after it."""
    if "postgres" not in CHOSEN:
        pytest.skip("about PostgreSQL, which TEST_DATABASES leaves out")
    monkeypatch.setattr(migrate, "_ATTEMPTS", 2)
    monkeypatch.setattr(migrate, "_PAUSE_SECONDS", 0.0)
    url = await asyncio.to_thread(databases.bare, "postgres")  # it runs a loop of its own
    await upgrade(url, "0005")
    database = Database(url)
    try:
        async with database.connection() as backup:
            await backup.execute(sa.text("LOCK TABLE do_not_message IN ACCESS SHARE MODE"))
            with pytest.raises(MigrationError, match="perhaps by a backup"):
                async with asyncio.timeout(20):
                    await upgrade(url)
            await backup.rollback()
        assert await current(database) == "0005"
        await upgrade(url)
        assert await current(database) == newest()
    finally:
        await database.close()


REWRITES = {
    "both": ["UPDATE audit SET text = 'other'", "DELETE FROM audit"],
    "sqlite": [
        "REPLACE INTO audit (id, at, action, actor_text, text) SELECT id, at, action, actor_text, 'other' FROM audit",
        "REPLACE INTO audit (rowid, id, at, action, actor_text, text) SELECT rowid, 1, at, action, actor_text, 2 FROM audit",
    ],
    "postgresql": [
        "TRUNCATE audit",
        "INSERT INTO audit SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET text = 'other'",
    ],
}


async def test_audit_is_append_only_in_the_database_itself(db: Database) -> None:
    async def write(uow: UnitOfWork) -> None:
        uow.session.add(
            AuditRow(
                id=ids.new_id(ids.AUDIT),
                at=datetime.now(UTC),
                action=AuditAction.EXPORT,
                actor_text="somebody",
                text="did it",
            )
        )

    await db.write(write)
    for statement in REWRITES["both"] + REWRITES[db.url.get_backend_name()]:
        await refused(db, statement)
    async with db.connection() as connection:
        assert (await connection.execute(sa.text("SELECT text FROM audit"))).scalars().all() == ["did it"]


async def refused(db: Database, statement: str) -> None:
    async with db.connection() as connection:
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            await connection.execute(sa.text(statement))
        await connection.rollback()


@pytest.mark.parametrize(("age", "goes"), [(364, False), (367, True), (3000, True)])
async def test_audit_may_go_after_twelve_months_and_is_never_changed(db: Database, age: int, goes: bool) -> None:
    at = datetime.now(UTC) - timedelta(days=age)

    async def write(uow: UnitOfWork) -> None:
        uow.session.add(
            AuditRow(id=ids.new_id(ids.AUDIT), at=at, action=AuditAction.EXPORT, actor_text="somebody", text="did it")
        )

    await db.write(write)
    await refused(db, "UPDATE audit SET text = 'other'")
    if not goes:
        await refused(db, "DELETE FROM audit")
        return

    async def delete(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.delete(AuditRow))

    await db.write(delete)
    assert await db.read(lambda uow: uow.session.scalar(sa.select(sa.func.count()).select_from(AuditRow))) == 0
