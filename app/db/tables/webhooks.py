"""What Meta posted: receipts (bytes), status items (one redacted piece each) and the facts that follow."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, only_where
from app.db.types import PublicId, enum_name
from app.domain import ids
from app.domain.enums import ReceiptFinding
from app.domain.lifecycle import FactStatus


class ReceiptRow(Base):
    """One webhook body exactly as received. Belongs to the number: it may speak of several workspaces."""

    __tablename__ = "receipts"
    __table_args__ = (
        sa.Index("ix_receipts_problem", "number_id", "id", **only_where("problem IS NOT NULL")),
        sa.Index("ix_receipts_kept", "id", **only_where("body IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.RECEIPT), primary_key=True)
    number_id: Mapped[str | None] = mapped_column(PublicId(ids.NUMBER))
    received_at: Mapped[datetime]
    digest: Mapped[str]
    """SHA-256 of the body, hex; stays when the body is pruned."""
    body: Mapped[bytes | None]
    problem: Mapped[str | None]
    """Why the body could not be read at all."""


class StatusItemRow(Base):
    """One status (or other item) of a body, redacted: what a workspace may see of a POST is this and nothing beside it."""

    __tablename__ = "status_items"
    __table_args__ = (
        sa.Index(
            "ix_status_items_message",
            "message_id",
            "id",
            **only_where("message_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_status_items_findings",
            "number_id",
            "id",
            **only_where("finding IS NOT NULL"),
        ),
        sa.Index(
            "ix_status_items_unmatched",
            "number_id",
            "provider_message_id",
            **only_where("message_id IS NULL"),
        ),
        sa.Index("ix_status_items_receipt", "receipt_id", **only_where("finding IS NOT NULL")),
        sa.Index("ix_status_items_kept", "id", **only_where("item IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.STATUS_ITEM), primary_key=True)
    receipt_id: Mapped[str] = mapped_column(PublicId(ids.RECEIPT))
    """Inserted together with its receipt, and no receipt is ever deleted: a foreign key would be checked for each status."""
    number_id: Mapped[str | None] = mapped_column(PublicId(ids.NUMBER))
    received_at: Mapped[datetime]
    provider_message_id: Mapped[str | None]
    attempt: Mapped[str | None]
    """``biz_opaque_callback_data``, as it came."""
    status: Mapped[str | None]
    at: Mapped[datetime | None]
    """Meta's time."""
    error_code: Mapped[int | None]
    message_id: Mapped[str | None] = mapped_column(PublicId(ids.MESSAGE))
    repeated: Mapped[bool] = mapped_column(default=False)
    """The fact was known already."""
    finding: Mapped[ReceiptFinding | None] = mapped_column(enum_name(ReceiptFinding))
    explanation: Mapped[str | None]
    item: Mapped[str | None]
    """ASCII JSON of the one item."""


class FactRow(Base):
    """One thing that Meta told us, once. Kept also when nothing matches yet (``message_id`` null)."""

    __tablename__ = "facts"
    __table_args__ = (
        sa.UniqueConstraint("number_id", "provider_message_id", "status", "at", "error_code", name="uq_facts_key"),
        sa.Index(
            "ix_facts_message",
            "message_id",
            **only_where("message_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_facts_unmatched_recent",
            "received_at",
            **only_where("message_id IS NULL"),
        ),
        sa.Index(
            "ix_facts_unmatched",
            "number_id",
            "provider_message_id",
            **only_where("message_id IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.FACT), primary_key=True)
    number_id: Mapped[str] = mapped_column(PublicId(ids.NUMBER))
    provider_message_id: Mapped[str]
    """Meta's id; for a refusal, which has none, the attempt's own name."""
    status: Mapped[FactStatus] = mapped_column(enum_name(FactStatus))
    at: Mapped[datetime]
    error_code: Mapped[int]
    """0 when there is none."""
    attempt: Mapped[str | None]
    message_id: Mapped[str | None] = mapped_column(PublicId(ids.MESSAGE))
    title: Mapped[str | None]
    details: Mapped[str | None]
    digest: Mapped[str]
    received_at: Mapped[datetime]
