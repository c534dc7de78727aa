"""Queries for what must never be: a guest with two messages. Each gives the ids of messages."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.db.tables import FactRow, MessageRow, SendRunRow, is_state
from app.domain.enums import SendRunKind
from app.domain.lifecycle import LIVE_STATES, FactStatus

M = MessageRow


def same_phone_twice(run_id: str) -> sa.Select[Any]:
    """Messages of the run that share their phone with another one of it."""
    of_run = M.run_id == run_id
    twice = sa.select(M.phone).where(of_run, M.phone.is_not(None)).group_by(M.phone).having(sa.func.count() > 1)
    return sa.select(M.id).where(of_run, M.phone.in_(twice))


def second_live_invites(run_id: str, made_at: datetime, known_by: datetime) -> sa.Select[Any]:
    """Live messages of an invite run whose guest had a live invite of an earlier run when this one was made.

    An earlier invite whose failure was known then (``known_by``) was no live one: that it came to life later nobody could
    know. One that was turned away or cancelled and is live all the same is another check's business.
    """
    other, earlier = aliased(M), aliased(SendRunRow)
    had_failed = sa.exists().where(
        FactRow.message_id == other.id, FactRow.status == FactStatus.FAILED, FactRow.received_at <= known_by
    )
    same_guest = sa.and_(
        other.event_id == M.event_id,
        other.phone == M.phone,
        is_state(other.kind, SendRunKind.INVITE),
        is_state(other.state, *LIVE_STATES),
        other.rejected_at.is_(None),
        other.cancelled_at.is_(None),
    )
    before = sa.or_(earlier.created_at < made_at, sa.and_(earlier.created_at == made_at, earlier.id < run_id))
    found = (
        sa.select(M.id)
        .join(other, same_guest)
        .join(earlier, earlier.id == other.run_id)
        .where(M.run_id == run_id, is_state(M.state, *LIVE_STATES), before, ~had_failed)
        .distinct()
    )
    return sa.select(found.subquery().c.id)
