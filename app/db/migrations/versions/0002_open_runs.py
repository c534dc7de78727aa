"""Runs that are not over, by an index: the metrics count them at every scrape."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_OPEN = sa.text("status IN ('PAUSED', 'RUNNING', 'STOPPED')")


def upgrade() -> None:
    op.create_index(
        "ix_send_runs_open",
        "send_runs",
        ["number_id", "status"],
        unique=False,
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
