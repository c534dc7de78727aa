"""The audit trail: one function for what was done, one for what was refused."""

import calendar
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from app.db.bulk import insert_rows
from app.db.engine import UnitOfWork
from app.db.tables import AuditRow, MemberRow
from app.domain import ids
from app.domain.enums import AuditAction
from app.domain.errors import AppError

if TYPE_CHECKING:
    from app.services.base import Actor


AUDIT_MONTHS = 12
"""How long the database itself keeps entries, see the triggers of migration 0005."""

NO_ID = "(no id)"
"""The target of an entry about a refused attempt on something that no id names."""


def months_before(moment: datetime, months: int) -> datetime:
    """The same day and time so many months earlier, or the last day of a shorter month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def record(
    uow: UnitOfWork,
    action: AuditAction,
    text: str,
    *,
    workspace_id: str | None,
    actor: "Actor | None" = None,
    member: MemberRow | None = None,
    actor_text: str | None = None,
    before: Any = None,
    after: Any = None,
    target_id: str | None = None,
    run_id: str | None = None,
) -> AuditRow:
    """Add an entry to the running transaction: it is there if and only if what it tells of is there.

    ``actor`` and ``member`` are None for what Meta or the service did; then ``actor_text`` says which.
    ``text`` and values carry no full phone number.
    """
    entry = _entry(
        action, text, workspace_id=workspace_id, actor=actor, member=member, actor_text=actor_text,
        before=before, after=after, target_id=target_id, run_id=run_id,
    )  # fmt: skip
    uow.session.add(entry)
    return entry


async def record_many(
    uow: UnitOfWork,
    action: AuditAction,
    acts: Iterable[tuple[str, Any, str]],
    *,
    workspace_id: str,
    actor: "Actor",
    member: MemberRow,
) -> None:
    """``record`` for a long list of like acts, each as (text, after, target id), with few statements."""
    entries = (
        _entry(action, text, workspace_id=workspace_id, actor=actor, member=member, after=after, target_id=target_id)
        for text, after, target_id in acts
    )
    names = sa.inspect(AuditRow).column_attrs.keys()
    await insert_rows(uow, AuditRow, ({name: getattr(entry, name) for name in names} for entry in entries))


def refuse(
    error: AppError,
    action: AuditAction,
    text: str,
    *,
    actor: "Actor",
    workspace_id: str | None,
    member: MemberRow | None,
    target_id: str | None,
) -> AppError:
    """Hang an entry on ``error``: ``UseCases`` writes it after the transaction that the error rolls back.

    ``target_id`` is whatever somebody asked for. What is no id is not kept: it could be a phone, and nobody could erase it.
    """
    asked_for = target_id if target_id and ids.prefix_of(target_id) else NO_ID
    entry = _entry(action, text, workspace_id=workspace_id, actor=actor, member=member, target_id=asked_for)
    error.__dict__["audit_entry"] = (actor.subject, entry)
    return error


def entry_of(error: AppError) -> tuple[str, AuditRow] | None:
    """The entry that ``refuse`` hung on an error, and the subject of whoever was refused."""
    entry: tuple[str, AuditRow] | None = error.__dict__.pop("audit_entry", None)
    return entry


def _entry(
    action: AuditAction,
    text: str,
    *,
    workspace_id: str | None,
    actor: "Actor | None" = None,
    member: MemberRow | None = None,
    actor_text: str | None = None,
    before: Any = None,
    after: Any = None,
    target_id: str | None = None,
    run_id: str | None = None,
) -> AuditRow:
    from app.services.base import utc_now

    name = member.display_name if member else actor.display_name if actor else None
    return AuditRow(
        id=ids.new_id(ids.AUDIT),
        workspace_id=workspace_id,
        at=utc_now(),
        action=action,
        actor_id=member.id if member else None,
        actor_text=actor_text or (f"{name} ({actor.subject})" if actor else "the service"),
        text=text,
        before=before,
        after=after,
        target_id=target_id,
        run_id=run_id,
        request_id=actor.request_id if actor else None,
    )
