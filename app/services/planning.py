"""Writes a run: its messages (rejected ones too), their sources, its counters and its audit entry, set by set."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.bulk import insert_rows
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

MESSAGES, SOURCES = 4_000, 8_000
"""Rows a statement: fewer statements than one for 2,000 recipients, in bounded memory."""


@dataclass(frozen=True, slots=True)
class Plan:
    kind: SendRunKind
    resolution: Resolution
    request: SendRequest
    idempotency_key: str
    at: datetime


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
    numbered = enumerate(zip(message_ids, plan.resolution.candidates, strict=True))
    messages = (_message(run, position, message_id, each, plan.at) for position, (message_id, each) in numbered)
    await insert_rows(uow, MessageRow, messages, MESSAGES)
    await insert_rows(uow, MessageSourceRow, _sources(message_ids, plan.resolution.candidates), SOURCES)
    moves = CounterMoves()
    for reason, times in Counter(candidate.reason for candidate in plan.resolution.candidates).items():
        place = Place(MessageState.QUEUED) if reason is None else Place(MessageState.REJECTED, reason)
        moves.move(run.id, None, place, times)
    await moves.apply(uow, plan.at)
    _audit(uow, entered, run, plan)
    return run


def _message(run: SendRunRow, position: int, message_id: str, candidate: Candidate, at: datetime) -> dict[str, Any]:
    rejected = candidate.reason is not None
    return {
        "id": message_id,
        "run_id": run.id,
        "workspace_id": run.workspace_id,
        "event_id": run.event_id,
        "number_id": run.number_id,
        "kind": run.kind,
        "position": position,
        "recipient_name": candidate.recipient_name,
        "phone": candidate.phone,
        "search_key": search_key(candidate.recipient_name, candidate.phone),
        "state": MessageState.REJECTED if rejected else MessageState.QUEUED,
        "state_since": at,
        "rejection_reason": candidate.reason,
        "rejected_at": at if rejected else None,
        "prior_message_id": candidate.prior_message_id,
        "not_before": at,
        "held": False,
        "values": list(candidate.values),
        "text": candidate.text,
        "created_at": at,
        "updated_at": at,
    }


def _sources(message_ids: Sequence[str], candidates: Sequence[Candidate]) -> Iterator[dict[str, Any]]:
    for message_id, candidate in zip(message_ids, candidates, strict=True):
        for ordinal, source in enumerate(candidate.sources):
            yield {
                "message_id": message_id,
                "ordinal": ordinal,
                "guest_unit_id": source.guest_unit_id,
                "person_id": source.person_id,
            }


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
