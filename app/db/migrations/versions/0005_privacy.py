"""Erased guests, and audit rows that may go once they are twelve months old."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("guest_units", "people", "invite_messages"):
        op.add_column(table, sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    condition = sa.text("phone LIKE 'erased:%'")
    op.create_index(
        "ix_do_not_message_erased", "do_not_message", ["phone"], postgresql_where=condition, sqlite_where=condition
    )
    _let_old_audit_go()


def _let_old_audit_go() -> None:
    """Still no row is changed, and none that is younger is deleted: the database itself refuses, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_no_delete")
        op.execute(
            "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit "
            "WHEN OLD.at >= strftime('%Y-%m-%d %H:%M:%f', 'now', '-12 months') "
            "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
        )
    else:
        op.execute("DROP TRIGGER audit_append_only ON audit")
        op.execute(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
        op.execute(
            "CREATE TRIGGER audit_kept BEFORE DELETE ON audit FOR EACH ROW "
            "WHEN (OLD.at >= now() - interval '12 months') EXECUTE FUNCTION audit_append_only()"
        )
