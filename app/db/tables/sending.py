"""Templates, send runs with their counters, invite messages and their attempts."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Count, only_where
from app.db.types import JsonText, PublicId, enum_name
from app.domain import ids
from app.domain.enums import (
    MessageState,
    RejectionReason,
    SendRunKind,
    SendRunStatus,
    TemplateCategory,
    TemplateStatus,
)
from app.domain.lifecycle import LIVE_STATES

LIVE_SQL = "state IN ({})".format(", ".join(f"'{state}'" for state in sorted(LIVE_STATES)))


class TemplateRow(Base):
    """A message template as Meta last listed it; shared by the workspaces of a number."""

    __tablename__ = "templates"
    __table_args__ = (sa.UniqueConstraint("number_id", "name", "language"),)

    id: Mapped[str] = mapped_column(PublicId(ids.TEMPLATE), primary_key=True)
    number_id: Mapped[str] = mapped_column(PublicId(ids.NUMBER), sa.ForeignKey("numbers.id"))
    provider_id: Mapped[str | None]
    name: Mapped[str]
    language: Mapped[str]
    status: Mapped[TemplateStatus] = mapped_column(enum_name(TemplateStatus))
    category: Mapped[TemplateCategory] = mapped_column(enum_name(TemplateCategory))
    correct_category: Mapped[str | None]
    """Set while Meta announces that the category is about to change."""
    parameter_format: Mapped[str]
    components: Mapped[list[Any]] = mapped_column(JsonText)
    quality: Mapped[str | None]
    synced_at: Mapped[datetime]


class SendRunRow(Base):
    """One operator action. What was approved is frozen here and in its messages."""

    __tablename__ = "send_runs"
    __table_args__ = (
        sa.Index(None, "workspace_id", "id"),
        sa.Index(None, "event_id", "id"),
        sa.Index("ix_send_runs_running", "number_id", "id", **only_where("status = 'RUNNING'")),
        sa.Index(
            "ix_send_runs_open", "number_id", "status", **only_where("status IN ('PAUSED', 'RUNNING', 'STOPPED')")
        ),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.SEND_RUN), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE), sa.ForeignKey("workspaces.id"))
    event_id: Mapped[str] = mapped_column(PublicId(ids.EVENT), sa.ForeignKey("events.id"))
    number_id: Mapped[str] = mapped_column(PublicId(ids.NUMBER), sa.ForeignKey("numbers.id"))
    template_id: Mapped[str] = mapped_column(PublicId(ids.TEMPLATE), sa.ForeignKey("templates.id"))
    template_name: Mapped[str]
    template_language: Mapped[str]
    recipe: Mapped[Any] = mapped_column(JsonText)
    """The frozen template recipe (``domain.templates``): with a message's values it gives Meta's components."""
    kind: Mapped[SendRunKind] = mapped_column(enum_name(SendRunKind))
    status: Mapped[SendRunStatus] = mapped_column(enum_name(SendRunStatus))
    status_reason: Mapped[str | None]
    next_step: Mapped[str | None]
    retry_of_id: Mapped[str | None] = mapped_column(PublicId(ids.SEND_RUN), sa.ForeignKey("send_runs.id"))
    request: Mapped[Any] = mapped_column(JsonText)
    """The normalised request that was approved."""
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    """Hash of the precheck token, or of workspace and key of a test: the same request finds this run for ever."""
    refusal_code: Mapped[int | None]
    refusal_streak: Mapped[Count]
    """The same final refusal for so many recipients in a row; ten stop the run."""
    created_by: Mapped[str] = mapped_column(PublicId(ids.MEMBER), sa.ForeignKey("members.id"))
    created_at: Mapped[datetime]


class RunCountersRow(Base):
    """How many messages of a run stand where; moved in the transaction that moves the messages, always locked last."""

    __tablename__ = "run_counters"

    run_id: Mapped[str] = mapped_column(PublicId(ids.SEND_RUN), sa.ForeignKey("send_runs.id"), primary_key=True)
    rejected: Mapped[Count]
    cancelled: Mapped[Count]
    queued: Mapped[Count]
    sending: Mapped[Count]
    unconfirmed: Mapped[Count]
    accepted: Mapped[Count]
    sent: Mapped[Count]
    failed: Mapped[Count]
    delivered: Mapped[Count]
    read: Mapped[Count]
    reached_accepted: Mapped[Count]
    reached_sent: Mapped[Count]
    reached_delivered: Mapped[Count]
    reached_read: Mapped[Count]
    changed_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    """When the last message left QUEUED and SENDING."""


class RunBreakdownRow(Base):
    """The parts of two counters: ``REJECTED`` by reason, ``FAILED`` by Meta's code (0 for none)."""

    __tablename__ = "run_breakdowns"

    run_id: Mapped[str] = mapped_column(PublicId(ids.SEND_RUN), sa.ForeignKey("send_runs.id"), primary_key=True)
    state: Mapped[MessageState] = mapped_column(enum_name(MessageState), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[Count]


class MessageRow(Base):
    """One row per candidate of a run, for its whole life."""

    __tablename__ = "invite_messages"
    __table_args__ = (
        sa.Index("uq_invite_messages_position", "run_id", "position", unique=True),
        sa.Index(
            "uq_invite_messages_provider",
            "number_id",
            "provider_message_id",
            unique=True,
            **only_where("provider_message_id IS NOT NULL"),
        ),
        sa.Index("ix_invite_messages_due", "run_id", "not_before", "position", **only_where("state = 'QUEUED'")),
        sa.Index("ix_invite_messages_leased", "lease_until", **only_where("state = 'SENDING'")),
        sa.Index("ix_invite_messages_unconfirmed", "run_id", "state_since", **only_where("state = 'UNCONFIRMED'")),
        sa.Index("ix_invite_messages_live", "event_id", "phone", **only_where(f"kind = 'INVITE' AND {LIVE_SQL}")),
        sa.Index("ix_invite_messages_queued_phone", "number_id", "phone", **only_where("state = 'QUEUED'")),
        sa.Index("ix_invite_messages_cooling", "number_id", "failed_at", **only_where("failure_code = 131049")),
        sa.Index("ix_invite_messages_second", "run_id", **only_where("second_message_id IS NOT NULL")),
        sa.Index("ix_invite_messages_event", "event_id", "run_id", "position"),
        sa.Index("ix_invite_messages_state", "run_id", "state", "position"),
    )

    id: Mapped[str] = mapped_column(PublicId(ids.MESSAGE), primary_key=True)
    run_id: Mapped[str] = mapped_column(PublicId(ids.SEND_RUN), sa.ForeignKey("send_runs.id"))
    workspace_id: Mapped[str] = mapped_column(PublicId(ids.WORKSPACE))
    event_id: Mapped[str] = mapped_column(PublicId(ids.EVENT))
    number_id: Mapped[str] = mapped_column(PublicId(ids.NUMBER))
    kind: Mapped[SendRunKind] = mapped_column(enum_name(SendRunKind))
    position: Mapped[int]
    """Place in the run's candidate list, from 0: the order of sending and of every page."""
    recipient_name: Mapped[str]
    phone: Mapped[str | None]
    """E.164; null when the household had no usable one."""
    search_key: Mapped[str]
    """Folded names and digits, for search."""
    state: Mapped[MessageState] = mapped_column(enum_name(MessageState))
    state_since: Mapped[datetime]
    rejection_reason: Mapped[RejectionReason | None] = mapped_column(enum_name(RejectionReason))
    rejected_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    prior_message_id: Mapped[str | None] = mapped_column(PublicId(ids.MESSAGE))
    """The earlier message that this one retries; when that turns out to be live, this one is not sent."""
    attempt_count: Mapped[Count]
    retry_count: Mapped[Count]
    """Passing refusals that counted; bounded."""
    not_before: Mapped[datetime]
    claim_id: Mapped[str | None] = mapped_column(PublicId(ids.CLAIM))
    lease_until: Mapped[datetime | None]
    provider_message_id: Mapped[str | None]
    second_message_id: Mapped[str | None]
    """Meta accepted this message twice under two ids: must never happen, raises an alarm."""
    held: Mapped[bool] = mapped_column(default=False)
    """Meta holds it for quality assessment; released or dropped later."""
    accepted_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failure_code: Mapped[int | None]
    failure_digest: Mapped[str | None]
    failure_title: Mapped[str | None]
    failure_details: Mapped[str | None]
    values: Mapped[list[str]] = mapped_column(JsonText)
    """Rendered parameter values, aligned with the slots of the run's recipe."""
    text: Mapped[str]
    """Exactly what is or will be sent; empty when it could not be rendered."""
    erased_at: Mapped[datetime | None]
    """Whom it was for is not known any more: no name, phone, text or value, and Meta's ids are pseudonyms."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MessageSourceRow(Base):
    """Which household, and which person of it, a message stands for."""

    __tablename__ = "message_sources"
    __table_args__ = (sa.Index(None, "guest_unit_id", "message_id"),)

    message_id: Mapped[str] = mapped_column(
        PublicId(ids.MESSAGE), sa.ForeignKey("invite_messages.id"), primary_key=True
    )
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    guest_unit_id: Mapped[str] = mapped_column(PublicId(ids.GUEST_UNIT))
    person_id: Mapped[str | None] = mapped_column(PublicId(ids.PERSON))
    """Null when the household's own delivery phone receives."""


class AttemptRow(Base):
    """One provider call. Named ``<message id>.<n>`` in ``biz_opaque_callback_data``."""

    __tablename__ = "attempts"
    __table_args__ = (
        sa.Index("ix_attempts_finished", "finished_at", **only_where("finished_at IS NOT NULL")),
        sa.Index("ix_attempts_kept", "finished_at", "message_id", "n", **only_where("answer IS NOT NULL")),
    )

    message_id: Mapped[str] = mapped_column(
        PublicId(ids.MESSAGE), sa.ForeignKey("invite_messages.id"), primary_key=True
    )
    n: Mapped[int] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(PublicId(ids.CLAIM))
    claimed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    """ACCEPTED, REFUSED, NOT_SENT or UNKNOWN; null while nobody knows."""
    behaviour: Mapped[str | None]
    code: Mapped[int | None]
    title: Mapped[str | None]
    details: Mapped[str | None]
    http_status: Mapped[int | None]
    provider_message_id: Mapped[str | None]
    answer: Mapped[Any | None] = mapped_column(JsonText)
    """Body, headers and error of the answer (``whatsapp.port.Evidence``)."""
    fenced: Mapped[bool] = mapped_column(default=False)
    """The outcome came after the claim had been given away: evidence only."""
    lease_expired_at: Mapped[datetime | None]
