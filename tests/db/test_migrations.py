"""Migrations and tables agree, and the audit trail cannot be rewritten, on both databases."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.db.engine import Database, UnitOfWork
from app.db.migrate import current, newest, upgrade
from app.db.tables import AuditRow, Base
from app.domain import ids
from app.domain.enums import AuditAction

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
    async with db.connection() as connection:
        for statement in REWRITES["both"] + REWRITES[db.url.get_backend_name()]:
            with pytest.raises(sa.exc.DBAPIError, match="append-only"):
                await connection.execute(sa.text(statement))
            await connection.rollback()
        assert (await connection.execute(sa.text("SELECT text FROM audit"))).scalars().all() == ["did it"]
