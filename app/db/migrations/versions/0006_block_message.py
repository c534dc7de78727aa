"""Which message a guest's stop is about: what Meta said of one family's message is no other family's to read."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("do_not_message", sa.Column("message_id", sa.Uuid(), nullable=True))
