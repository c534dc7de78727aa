"""Indexes for what grows: the kept texts for a prune, unreadable bodies, the trail by member and by target.

Of the indexes that every webhook and every claim pay for, two go and one shrinks for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _create(name: str, table: str, columns: list[str], only_where: str | None = None) -> None:
    where = sa.text(only_where) if only_where else None
    op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    op.drop_index("ix_receipts_number_id_id", "receipts")
    op.drop_index("ix_status_items_receipt_id", "status_items")
    op.drop_index("ix_attempts_finished_at", "attempts")
    _create("ix_receipts_problem", "receipts", ["number_id", "id"], "problem IS NOT NULL")
    _create("ix_receipts_kept", "receipts", ["id"], "body IS NOT NULL")
    _create("ix_status_items_receipt", "status_items", ["receipt_id"], "finding IS NOT NULL")
    _create("ix_status_items_kept", "status_items", ["id"], "item IS NOT NULL")
    _create("ix_attempts_finished", "attempts", ["finished_at"], "finished_at IS NOT NULL")
    _create("ix_attempts_kept", "attempts", ["finished_at", "message_id", "n"], "answer IS NOT NULL")
    _create("ix_audit_workspace_id_actor_id_id", "audit", ["workspace_id", "actor_id", "id"])
    _create("ix_audit_workspace_id_target_id_id", "audit", ["workspace_id", "target_id", "id"])
