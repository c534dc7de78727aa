"""SQLite's REPLACE takes the old row away without asking the DELETE trigger, so the audit trail refuses it itself."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return  # PostgreSQL's ON CONFLICT DO UPDATE is an UPDATE, which the first version's trigger refuses
    # Delete triggers fire for REPLACE only under PRAGMA recursive_triggers (sqlite.org/lang_conflict.html).
    op.execute(
        "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
        "WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id OR rowid = NEW.rowid) "
        "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
    )
