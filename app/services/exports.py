"""Messages as CSV, of one run or of all invite runs of an event: who was planned for what, and what became of it.

Nothing is gathered: a page is read in a short snapshot of its own, written out and forgotten, so a download of a million
rows costs what one of a thousand does. What changes meanwhile shows in the pages that are still to come.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.db.engine import UnitOfWork
from app.db.tables import EventRow, GuestUnitRow, MessageRow, MessageSourceRow, SendRunRow
from app.domain import ids
from app.domain.csv_lines import BYTE_ORDER_MARK, lines
from app.domain.enums import AuditAction, Permission, SendRunKind
from app.domain.errors import NotFoundError
from app.domain.texts import REJECTIONS
from app.services import audit
from app.services.access import enter, find, require
from app.services.base import Actor, UseCases
from app.whatsapp.codes import describe_failure

PAGE = 1_000

HEADER = (
    "message_id", "run_id", "recipient", "households", "phone", "state", "state_since", "rejection_reason",
    "failure_code", "explanation", "held", "planned_at", "accepted_at", "sent_at", "delivered_at", "read_at", "failed_at",
)  # fmt: skip
"""Columns are added at the end and never renamed: people build on them. Times are UTC, as RFC 3339."""

M = MessageRow


class Exports(UseCases):
    """Each returns the file in parts, once it is certain that the actor may have it, and audited."""

    async def run(self, actor: Actor, run_id: str) -> AsyncIterator[str]:
        """One run in the order of sending. Raises NotFoundError, ForbiddenError."""

        async def begin(uow: UnitOfWork) -> tuple[str, list[str]]:
            run = await find(uow, actor, SendRunRow, ids.SEND_RUN, run_id)
            workspace_id = await _begin(uow, actor, run.workspace_id if run else None, run_id)
            return workspace_id, [run_id]

        return self._parts(actor, *await self._write(begin))

    async def event(self, actor: Actor, event_id: str) -> AsyncIterator[str]:
        """All invite runs of an event, the oldest first; no tests. Raises NotFoundError, ForbiddenError."""

        async def begin(uow: UnitOfWork) -> tuple[str, list[str]]:
            event = await find(uow, actor, EventRow, ids.EVENT, event_id)
            workspace_id = await _begin(uow, actor, event.workspace_id if event else None, event_id)
            query = sa.select(SendRunRow.id).where(
                SendRunRow.event_id == event_id, SendRunRow.kind == SendRunKind.INVITE
            )
            return workspace_id, list(await uow.session.scalars(query.order_by(SendRunRow.id)))

        return self._parts(actor, *await self._write(begin))

    async def _parts(self, actor: Actor, workspace_id: str, run_ids: Sequence[str]) -> AsyncIterator[str]:
        yield BYTE_ORDER_MARK + lines([HEADER])
        for run_id in run_ids:
            after: int | None = -1
            while after is not None:
                after, rows = await self._page(actor, workspace_id, run_id, after)
                yield lines(rows)

    async def _page(
        self, actor: Actor, workspace_id: str, run_id: str, after: int
    ) -> tuple[int | None, list[Sequence[str]]]:
        """The rows behind a position, and the last one's position; None when there are no more."""

        async def unit(uow: UnitOfWork) -> tuple[int | None, list[Sequence[str]]]:
            if await enter(uow, actor, workspace_id) is None:
                raise NotFoundError  # removed meanwhile: a download that breaks off is seen, half of one is not
            query = sa.select(M).where(M.run_id == run_id, M.position > after).order_by(M.position).limit(PAGE)
            messages = list(await uow.session.scalars(query))
            households = await _households(uow, messages)
            rows = [_row(message, households.get(message.id, ())) for message in messages]
            return (messages[-1].position if len(messages) == PAGE else None), rows

        return await self._read(unit)


async def _begin(uow: UnitOfWork, actor: Actor, workspace_id: str | None, target_id: str) -> str:
    access = await require(
        uow, actor, workspace_id, Permission.EXPORT, doing="download messages as CSV", target_id=target_id
    )
    audit.record(
        uow, AuditAction.EXPORT, "Downloaded messages as CSV", workspace_id=access.workspace.id, actor=actor,
        member=access.member, target_id=target_id, run_id=target_id if ids.is_id(ids.SEND_RUN, target_id) else None,
    )  # fmt: skip
    return access.workspace.id


async def _households(uow: UnitOfWork, messages: Sequence[MessageRow]) -> dict[str, list[str]]:
    """The names of the households that each message stands for."""
    wanted = uow.rows({"id": M.id.type}, [(message.id,) for message in messages], "wanted")
    query = (
        sa.select(MessageSourceRow.message_id, GuestUnitRow.name)
        .join(wanted, wanted.c.id == MessageSourceRow.message_id)
        .join(GuestUnitRow, GuestUnitRow.id == MessageSourceRow.guest_unit_id)
        .order_by(MessageSourceRow.message_id, MessageSourceRow.ordinal)
    )
    names: dict[str, list[str]] = {}
    for message_id, name in await uow.session.execute(query):
        of_message = names.setdefault(message_id, [])
        if name not in of_message:
            of_message.append(name)
    return names


def _row(message: MessageRow, households: Sequence[str]) -> Sequence[str]:
    return (
        message.id,
        message.run_id,
        message.recipient_name,
        "; ".join(households),
        message.phone or "",
        message.state.value,
        _time(message.state_since),
        message.rejection_reason.value if message.rejection_reason else "",
        _text(message.failure_code),
        _explanation(message),
        "yes" if message.held else "",
        *map(
            _time,
            (
                message.created_at,
                message.accepted_at,
                message.sent_at,
                message.delivered_at,
                message.read_at,
                message.failed_at,
            ),
        ),
    )


def _explanation(message: MessageRow) -> str:
    """In the words that the API uses too."""
    if message.rejection_reason is not None:
        return REJECTIONS[message.rejection_reason].operator_text
    return describe_failure(message.failure_code)[1] if message.failed_at is not None else ""


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _text(value: Any) -> str:
    return "" if value is None else str(value)
