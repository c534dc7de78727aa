"""What guests took back, and the consent that guests and households gave."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "guest_resumes",
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["number_id"], ["numbers.id"], name=op.f("fk_guest_resumes_number_id_numbers")),
        sa.PrimaryKeyConstraint("number_id", "phone", name=op.f("pk_guest_resumes")),
    )
    op.add_column("guest_units", sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True))
    for table in ("guest_units", "people"):
        op.add_column(table, sa.Column("consent_evidence", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("consent_recorded_at", sa.DateTime(timezone=True), nullable=True))
        op.add_column(table, sa.Column("consent_recorded_by", sa.Uuid(), nullable=True))
