"""The life of one message as a list of what happened, from everything that is kept about it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import AttemptRow, AuditRow, DoNotMessageRow, DoNotMessageSpellingRow, MessageRow, StatusItemRow
from app.domain import ids
from app.domain.enums import (
    AuditAction,
    DoNotMessageSource,
    MessageState,
    Permission,
    RejectionReason,
    TimelineKind,
    TimelineSource,
)
from app.domain.lifecycle import RANK, FactStatus
from app.domain.texts import HELD_TEXT, REJECTIONS
from app.services.base import Actor
from app.services.reading.base import Reading
from app.services.reading.visibility import allowed, audit_seen, blocks_proven, blocks_seen, visible
from app.whatsapp.codes import describe_failure
from app.whatsapp.port import Behaviour

MAX_ITEMS = 500

_ACTS = (AuditAction.INVITE_SEND, AuditAction.RUN_PAUSE, AuditAction.RUN_RESUME, AuditAction.RUN_CANCEL)

_STATUS_TEXT = {
    FactStatus.ACCEPTED: "WhatsApp has taken it.",
    FactStatus.SENT: "WhatsApp sent it to the guest's phone.",
    FactStatus.DELIVERED: "It arrived on the guest's phone.",
    FactStatus.READ: "The guest has read it.",
}

_BLOCKED_BY = {
    DoNotMessageSource.MEMBER: (TimelineSource.MEMBER, "a member did it"),
    DoNotMessageSource.IMPORT: (TimelineSource.MEMBER, "an imported list asked for it"),
    DoNotMessageSource.ERASURE: (TimelineSource.MEMBER, "the guest's data was erased"),
    DoNotMessageSource.META_STOP: (TimelineSource.GUEST, "the guest pressed Stop in WhatsApp"),
    DoNotMessageSource.INBOUND_STOP_WORD: (TimelineSource.GUEST, "the guest replied with a stop word"),
    DoNotMessageSource.META_CODE_131050: (TimelineSource.META, "the guest had stopped such messages"),
}


@dataclass(frozen=True, slots=True)
class TimelineItem:
    at: datetime
    """When it happened, to the second: Meta tells no more, and its times and ours must sort together."""
    received_at: datetime
    """When this service learned of it or did it."""
    kind: TimelineKind
    text: str
    source: TimelineSource = TimelineSource.SERVICE
    state: MessageState | None = None
    """The state that it speaks of, which need not be the one that the message then had."""
    repeated: bool = False
    late: bool = False
    """It came after a higher fact and moved nothing."""
    actor_id: str | None = None
    raw: Any = None
    """The one status or answer; None without RECEIPT_READ."""
    receipt_id: str | None = None


class TimelineReading(Reading):
    async def timeline(self, actor: Actor, message_id: str) -> list[TimelineItem]:
        """Oldest first, at most ``MAX_ITEMS``; empty for a message that the actor cannot see."""
        if not ids.is_id(ids.MESSAGE, message_id):
            return []

        async def unit(uow: UnitOfWork) -> list[TimelineItem]:
            query = sa.select(
                MessageRow.run_id,
                MessageRow.created_at,
                MessageRow.rejected_at,
                MessageRow.rejection_reason,
                MessageRow.cancelled_at,
                MessageRow.held,
                MessageRow.workspace_id,
                MessageRow.phone,
                MessageRow.workspace_id.in_(allowed(actor, Permission.RECEIPT_READ)).label("may_read"),
            ).where(MessageRow.id == message_id, MessageRow.workspace_id.in_(visible(actor)))
            message = (await uow.session.execute(query)).one_or_none()
            if message is None:
                return []
            items = [
                *_planned(message),
                *await _acts(uow, actor, message.run_id),
                *await _attempts(uow, message_id, may_read=message.may_read, held=message.held),
                *await _statuses(uow, message_id, may_read=message.may_read),
                *_ended(message),
                *(await _blocks(uow, actor, message) if message.phone else ()),
            ]
            # Within a second the order in which we learned of things is the better guess.
            return sorted(items, key=lambda item: (item.at, item.received_at))[:MAX_ITEMS]

        return await self._read(unit)


def _item(kind: TimelineKind, text: str, moment: datetime, **more: Any) -> TimelineItem:
    return TimelineItem(moment.replace(microsecond=0), moment, kind, text, **more)


def _planned(message: Any) -> Iterator[TimelineItem]:
    rejected = message.rejected_at is not None and message.rejected_at <= message.created_at
    state = MessageState.REJECTED if rejected else MessageState.QUEUED
    text = "Planned, but not to be sent." if rejected else "Planned, and waiting to be sent."
    yield _item(TimelineKind.PLANNED, text, message.created_at, state=state)


def _ended(message: Any) -> Iterator[TimelineItem]:
    if message.rejected_at is not None:
        advice = REJECTIONS[RejectionReason(message.rejection_reason)]
        text = f"Not sent. {advice.operator_text}"
        yield _item(TimelineKind.BLOCKED, text, message.rejected_at, state=MessageState.REJECTED)
    if message.cancelled_at is not None:
        text = "Cancelled before it was sent."
        yield _item(TimelineKind.CANCELLED, text, message.cancelled_at, state=MessageState.CANCELLED)


async def _blocks(uow: UnitOfWork, actor: Actor, message: Any) -> list[TimelineItem]:
    """When the phone came on the Do-Not-Message list and off it, whether or not that stopped this message."""
    D = DoNotMessageRow  # noqa: N806 - the table's alias, as in every query
    spelled = sa.select(DoNotMessageSpellingRow.entry_id).where(DoNotMessageSpellingRow.spelling == message.phone)
    evidence = sa.case((blocks_proven(actor), D.evidence)) if message.may_read else sa.null()
    query = (
        sa.select(
            D.source, D.created_at, D.created_by, D.revoked_at, D.revoked_by, D.receipt_id, evidence.label("evidence")
        )
        .where(D.id.in_(spelled), blocks_seen(actor, message.workspace_id))
        .order_by(D.id)
        .limit(MAX_ITEMS)
    )  # fmt: skip
    return [item for entry in await uow.session.execute(query) for item in _block(entry)]


def _block(entry: Any) -> Iterator[TimelineItem]:
    source, why = _BLOCKED_BY[entry.source]
    yield _item(
        TimelineKind.BLOCKED, f"The phone was put on the Do-Not-Message list: {why}.", entry.created_at,
        source=source, actor_id=entry.created_by, receipt_id=entry.receipt_id,
        # Items of webhooks are kept as the text that can be read again.
        raw=json.loads(entry.evidence) if isinstance(entry.evidence, str) else entry.evidence,
    )  # fmt: skip
    if entry.revoked_at is not None:
        text = "The phone was taken off the Do-Not-Message list."
        yield _item(
            TimelineKind.BLOCKED, text, entry.revoked_at, source=TimelineSource.MEMBER, actor_id=entry.revoked_by
        )


async def _acts(uow: UnitOfWork, actor: Actor, run_id: str) -> list[TimelineItem]:
    """What members did to the whole run."""
    query = (
        sa.select(AuditRow.at, AuditRow.text, AuditRow.actor_id)
        .where(AuditRow.run_id == run_id, AuditRow.action.in_(_ACTS), audit_seen(actor))
        .order_by(AuditRow.id)
        .limit(MAX_ITEMS)
    )
    return [
        _item(TimelineKind.AUDIT, text, at, source=TimelineSource.MEMBER, actor_id=actor_id)
        for at, text, actor_id in await uow.session.execute(query)
    ]


async def _attempts(uow: UnitOfWork, message_id: str, *, may_read: bool, held: bool) -> list[TimelineItem]:
    query = (
        sa.select(
            AttemptRow.n,
            AttemptRow.claimed_at,
            AttemptRow.finished_at,
            AttemptRow.outcome,
            AttemptRow.behaviour,
            AttemptRow.code,
            AttemptRow.fenced,
            AttemptRow.lease_expired_at,
            (AttemptRow.answer if may_read else sa.null()).label("answer"),
        )
        .where(AttemptRow.message_id == message_id)
        .order_by(AttemptRow.n)
        .limit(MAX_ITEMS)
    )
    return [item for attempt in await uow.session.execute(query) for item in _attempt(attempt, held=held)]


def _attempt(attempt: Any, *, held: bool) -> Iterator[TimelineItem]:
    claimed = f"Attempt {attempt.n}: being handed to WhatsApp."
    yield _item(TimelineKind.CLAIMED, claimed, attempt.claimed_at, state=MessageState.SENDING)
    if attempt.lease_expired_at is not None:
        lost = f"Attempt {attempt.n} was given up: no answer in time. It may or may not have been sent."
        yield _item(TimelineKind.LEASE_EXPIRED, lost, attempt.lease_expired_at, state=MessageState.UNCONFIRMED)
    if attempt.finished_at is not None:
        text, state = _answer(attempt, held=held)
        kind = TimelineKind.PROVIDER_ANSWER
        if attempt.fenced:
            kind, text = TimelineKind.FENCED, f"An answer came after attempt {attempt.n} had been given up. {text}"
        source = TimelineSource.META if attempt.outcome in {"ACCEPTED", "REFUSED"} else TimelineSource.SERVICE
        yield _item(kind, text, attempt.finished_at, source=source, state=state, raw=attempt.answer)


def _answer(attempt: Any, *, held: bool) -> tuple[str, MessageState | None]:
    if attempt.outcome == "ACCEPTED":
        return f"WhatsApp has taken it.{f' {HELD_TEXT}' if held else ''}", MessageState.ACCEPTED
    if attempt.outcome == "NOT_SENT":
        return "WhatsApp could not be reached, so nothing was sent. It will be tried again.", MessageState.QUEUED
    if attempt.outcome == "REFUSED":
        title, operator_text, _next_step = describe_failure(attempt.code)
        refused = f"WhatsApp refused it: {title}. {operator_text}"
        if attempt.behaviour == Behaviour.FINAL:
            return refused, MessageState.FAILED
        return f"{refused} It was not sent.", None
    return "No clear answer came: it may or may not have been sent.", MessageState.UNCONFIRMED


async def _statuses(uow: UnitOfWork, message_id: str, *, may_read: bool) -> list[TimelineItem]:
    query = (
        sa.select(
            StatusItemRow.received_at,
            StatusItemRow.at,
            StatusItemRow.status,
            StatusItemRow.error_code,
            StatusItemRow.repeated,
            StatusItemRow.receipt_id,
            (StatusItemRow.item if may_read else sa.null()).label("item"),
        )
        .where(StatusItemRow.message_id == message_id)
        .order_by(StatusItemRow.id)
        .limit(MAX_ITEMS)
    )
    items = []
    highest = 0
    for row in sorted(await uow.session.execute(query), key=lambda row: row.received_at):
        text, state = _status(row)
        rank = RANK[state] if state else highest
        items.append(
            TimelineItem(
                at=row.at or row.received_at.replace(microsecond=0),
                received_at=row.received_at,
                kind=TimelineKind.STATUS,
                text=text,
                source=TimelineSource.META,
                state=state,
                repeated=row.repeated,
                late=rank < highest,
                raw=json.loads(row.item) if row.item else None,
                receipt_id=row.receipt_id,
            )
        )
        highest = max(highest, rank)
    return items


def _status(row: Any) -> tuple[str, MessageState | None]:
    if row.status not in set(FactStatus):
        return f"WhatsApp reported “{row.status or 'nothing'}”, which says nothing about delivery.", None
    status = FactStatus(row.status)
    if status is FactStatus.FAILED:
        title, operator_text, _next_step = describe_failure(row.error_code)
        return f"WhatsApp could not deliver it: {title}. {operator_text}", MessageState.FAILED
    return _STATUS_TEXT[status], MessageState(status.value.upper())
