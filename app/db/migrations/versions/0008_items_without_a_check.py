"""Status items refer to their receipt without the database checking it: what was checked for each status is inserted with it.

PostgreSQL looked for the receipt by a plan that it had made while the table was small, and so read the whole table for each
status of the first minutes of a storm; and it locked, and so rewrote, each receipt.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    with op.batch_alter_table("status_items") as table:
        table.drop_constraint(op.f("fk_status_items_receipt_id"), type_="foreignkey")
