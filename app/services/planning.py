"""Writes a run: its messages (rejected ones too), their sources, its counters and its audit entry, set by set."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from app.db.counters import CounterMoves, Place
from app.db.engine import UnitOfWork
from app.db.tables import MessageRow, MessageSourceRow, RunCountersRow, SendRunRow
from app.domain import ids, requests
from app.domain.eligibility import Candidate
from app.domain.enums import AuditAction, MessageState, SendRunKind, SendRunStatus
from app.domain.requests import SendRequest
from app.domain.search import search_key
from app.services import access, audit
from app.services.resolution import Resolution

BATCH = 10_000
"""Rows a statement: 100,000 recipients are planned in some twenty statements and bounded memory."""

T = TypeVar("T")

M = MessageRow
S = MessageSourceRow


@dataclass(frozen=True, slots=True)
class Plan:
    kind: SendRunKind
    resolution: Resolution
    request: SendRequest
    idempotency_key: str
    at: datetime


_MESSAGE: dict[str, Any] = {
    name: getattr(M, name).type
    for name in (
        "id", "run_id", "workspace_id", "event_id", "number_id", "kind", "position", "recipient_name", "phone",
        "search_key", "state", "state_since", "rejection_reason", "rejected_at", "prior_message_id", "attempt_count",
        "retry_count", "not_before", "held", "values", "text", "created_at", "updated_at",
    )
}  # fmt: skip
_SOURCE: dict[str, Any] = {
    name: getattr(S, name).type for name in ("message_id", "ordinal", "guest_unit_id", "person_id")
}


async def plan_run(uow: UnitOfWork, entered: access.Access, plan: Plan) -> SendRunRow:
    """Write everything that a run is. The caller holds the event's lock and has settled that it may be sent."""
    setting = plan.resolution.setting
    assert setting.number is not None
    assert setting.template is not None
    assert setting.renderer is not None
    run = SendRunRow(
        id=ids.new_id(ids.SEND_RUN),
        workspace_id=setting.workspace.id,
        event_id=setting.event.id,
        number_id=setting.number.id,
        template_id=setting.template.id,
        template_name=setting.template.name,
        template_language=setting.template.language,
        recipe=setting.renderer.freeze(),
        kind=plan.kind,
        status=SendRunStatus.RUNNING,
        retry_of_id=plan.request.from_run.run_id if plan.request.from_run else None,
        request=requests.to_json(plan.request),
        idempotency_key=plan.idempotency_key,
        created_by=entered.member.id,
        created_at=plan.at,
    )
    uow.session.add(run)
    await uow.session.flush()
    uow.session.add(RunCountersRow(run_id=run.id, changed_at=plan.at))
    await uow.session.flush()
    message_ids = [ids.new_id(ids.MESSAGE) for _ in plan.resolution.candidates]
    candidates = list(enumerate(zip(message_ids, plan.resolution.candidates, strict=True)))
    for part in _batches(candidates):
        rows = [_message(run, position, message_id, candidate, plan.at) for position, (message_id, candidate) in part]
        await _insert(uow, M, _MESSAGE, rows)
    sources = [
        (message_id, ordinal, source.guest_unit_id, source.person_id)
        for message_id, candidate in zip(message_ids, plan.resolution.candidates, strict=True)
        for ordinal, source in enumerate(candidate.sources)
    ]
    for part_of_sources in _batches(sources):
        await _insert(uow, S, _SOURCE, part_of_sources)
    moves = CounterMoves()
    for reason, times in Counter(candidate.reason for candidate in plan.resolution.candidates).items():
        place = Place(MessageState.QUEUED) if reason is None else Place(MessageState.REJECTED, reason)
        moves.move(run.id, None, place, times)
    await moves.apply(uow, plan.at)
    _audit(uow, entered, run, plan)
    return run


def _message(run: SendRunRow, position: int, message_id: str, candidate: Candidate, at: datetime) -> tuple[Any, ...]:
    rejected = candidate.reason is not None
    return (
        message_id, run.id, run.workspace_id, run.event_id, run.number_id, run.kind, position,
        candidate.recipient_name, candidate.phone, search_key(candidate.recipient_name, candidate.phone),
        MessageState.REJECTED if rejected else MessageState.QUEUED, at, candidate.reason, at if rejected else None,
        candidate.prior_message_id, 0, 0, at, False, list(candidate.values), candidate.text, at, at,
    )  # fmt: skip


def _audit(uow: UnitOfWork, entered: access.Access, run: SendRunRow, plan: Plan) -> None:
    resolution, event = plan.resolution, plan.resolution.setting.event
    what = "a test message" if plan.kind is SendRunKind.TEST else f"invites to {resolution.eligible_count} recipients"
    audit.record(
        uow,
        AuditAction.INVITE_SEND,
        f"Sent {what} for “{event.title}” with template {run.template_name} ({run.template_language})",
        workspace_id=run.workspace_id,
        actor=entered.actor,
        member=entered.member,
        target_id=event.id,
        run_id=run.id,
        after={
            "kind": run.kind,
            "template": run.template_name,
            "language": run.template_language,
            "candidates": len(resolution.candidates),
            "eligible": resolution.eligible_count,
            "rejected": resolution.rejected_count,
            "rejections": {str(reason): count for reason, count in sorted(resolution.rejections.items())},
            "includeAlreadyInvited": plan.request.include_already_invited,
            "retryOf": run.retry_of_id,
        },
    )


async def _insert(uow: UnitOfWork, table: Any, columns: dict[str, Any], rows: Sequence[Sequence[Any]]) -> None:
    values = uow.rows(columns, rows, "planned")
    await uow.session.execute(sa.insert(table).from_select(list(columns), sa.select(*values.c)))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
