"""Workspaces, their members, the number they send from, their events, and the audit trail."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Count
from app.db.types import JsonText, PublicId, enum_name
from app.domain import ids
from app.domain.enums import AuditAction, EventStatus, EventVisibility, Role


class NumberRow(Base):
    """Meta's phone number that sends. It may serve several workspaces, so nothing of a workspace is kept here."""

    __tablename__ = "numbers"

    id: Mapped[str] = mapped_column(PublicId(ids.NUMBER), primary_key=True)
    phone_number_id: Mapped[str] = mapped_column(unique=True)
    """Meta's id, the ``metadata.phone_number_id`` of a webhook."""
    waba_id: Mapped[str | None]
    display_phone: Mapped[str | None]
    verified_name: Mapped[str | None]
    quality_rating: Mapped[str | None]
    messaging_limit: Mapped[str | None]
    simulated: Mapped[bool] = mapped_column(default=False)
    paused: Mapped[bool] = mapped_column(default=False)
    paused_reason: Mapped[str | None]
    """A sentence for the operator, with what to do."""
    tokens: Mapped[float] = mapped_column(default=0.0)
    """Messages that may go out at ``tokens_at``; refilled by the database's clock."""
    tokens_at: Mapped[datetime | None]
    rate_share: Mapped[float] = mapped_column(default=1.0)
    """The part of SEND_RATE in use: halved when Meta says too fast, recovering slowly."""
    backoff_until: Mapped[datetime | None]
    backoff_seconds: Mapped[float] = mapped_column(default=0.0)
    unknown_streak: Mapped[Count]
    """Unknown outcomes in a row, over all workers; ten stop the number."""
    last_webhook_at: Mapped[datetime | None]
    synced_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WorkspaceRow(Base):
    """One wedding."""

    __tablename__ = "workspaces"

    id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), primary_key=True)
    name: Mapped[str]
    default_region: Mapped[str]
    timezone: Mapped[str]
    number_id: Mapped[str | None] = mapped_column(PublicId(ids.NUMBER), sa.ForeignKey("numbers.id"), index=True)
    roles_that_send: Mapped[list[str]] = mapped_column(JsonText)
    require_consent: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class MemberRow(Base):
    """A verified token subject in a workspace. Never deleted, so that audit and runs keep their author."""

    __tablename__ = "members"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "subject"), sa.Index(None, "subject"))

    id: Mapped[str] = mapped_column(PublicId(ids.MEMBER), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    subject: Mapped[str]
    display_name: Mapped[str]
    role: Mapped[Role] = mapped_column(enum_name(Role))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class EventRow(Base):
    """One celebration of the wedding: mehndi, sangeet, reception …"""

    __tablename__ = "events"
    __table_args__ = (sa.Index(None, "workspace_id", "position"),)

    id: Mapped[str] = mapped_column(PublicId(ids.EVENT), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    title: Mapped[str]
    starts_at: Mapped[datetime]
    venue: Mapped[str | None]
    status: Mapped[EventStatus] = mapped_column(enum_name(EventStatus))
    visibility: Mapped[EventVisibility] = mapped_column(enum_name(EventVisibility))
    position: Mapped[int]
    """1-based and dense within the workspace."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AuditRow(Base):
    """Who did what, written in the transaction that did it. Append-only: triggers refuse UPDATE, and DELETE within 12 months.

    Says nothing personal of a guest: no name, no whole phone. What cannot be changed could not be erased either.
    """

    __tablename__ = "audit"
    __table_args__ = (
        sa.Index(None, "workspace_id", "id"),
        sa.Index(None, "run_id", "id"),
        sa.Index(None, "workspace_id", "action", "id"),
        sa.Index(None, "workspace_id", "actor_id", "id"),
        sa.Index(None, "workspace_id", "target_id", "id"),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.AUDIT), primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(PublicId(ids.WORKSPACE))
    """Null for attempts on what the actor may not even see; the command line shows those."""
    at: Mapped[datetime]
    action: Mapped[AuditAction] = mapped_column(enum_name(AuditAction))
    actor_id: Mapped[str | None] = mapped_column(PublicId(ids.MEMBER))
    actor_text: Mapped[str]
    """Name and subject as they were at the time."""
    text: Mapped[str]
    before: Mapped[Any | None] = mapped_column(JsonText)
    after: Mapped[Any | None] = mapped_column(JsonText)
    target_id: Mapped[str | None]
    run_id: Mapped[str | None] = mapped_column(PublicId(ids.SEND_RUN))
    request_id: Mapped[str | None]
