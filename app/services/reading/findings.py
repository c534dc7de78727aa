"""What Meta posted and nobody could place."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.db.engine import UnitOfWork
from app.db.keyset import Keyset, Page, page
from app.db.tables import ReceiptRow, StatusItemRow, WorkspaceRow
from app.domain import ids
from app.domain.enums import Permission, ReceiptFinding
from app.services.base import Actor
from app.services.reading.base import Reading, empty
from app.services.reading.visibility import allowed, visible

_UNEXPLAINED = "WhatsApp sent something that fits to nothing here."


@dataclass(frozen=True, slots=True)
class Finding:
    received_at: datetime
    finding: ReceiptFinding
    explanation: str
    provider_message_id: str | None
    raw: Any
    """The one item, redacted; None without RECEIPT_READ and for bodies that could not be read."""
    receipt_id: str


_BY_ITEM, _BY_BODY = (
    Keyset("webhookFindings", (sa.type_coerce(row.id, sa.Uuid()).label("key"),), descending=True)
    for row in (StatusItemRow, ReceiptRow)
)
"""One list, whose two parts each come by an index of their own."""


class FindingReading(Reading):
    async def webhook_findings(
        self,
        actor: Actor,
        workspace_id: str,
        *,
        findings: Sequence[ReceiptFinding] = (),
        first: int,
        after: str | None = None,
    ) -> Page[Finding]:
        """Newest first; an empty list of findings is no filter.

        Only of a number that this workspace uses alone: what nobody could place may speak of any of a number's families.
        """
        by_item, by_body = (keyset.window(first, after, workspace_id, set(findings)) for keyset in (_BY_ITEM, _BY_BODY))
        if not ids.is_id(ids.WORKSPACE, workspace_id):
            return empty()
        other = aliased(WorkspaceRow)
        number = (
            sa.select(WorkspaceRow.number_id)
            .where(
                WorkspaceRow.id == workspace_id,
                WorkspaceRow.id.in_(visible(actor)),
                ~sa.exists().where(other.number_id == WorkspaceRow.number_id, other.id != WorkspaceRow.id),
            )
            .scalar_subquery()
        )
        may_read = sa.literal(workspace_id, WorkspaceRow.id.type).in_(allowed(actor, Permission.RECEIPT_READ))
        items = _items(may_read).where(StatusItemRow.number_id == number)
        if findings:
            items = items.where(StatusItemRow.finding.in_(findings))

        async def unit(uow: UnitOfWork) -> Page[Finding]:
            found = [await page(uow, items, by_item, _finding)]
            if not findings or ReceiptFinding.UNPARSED in findings:
                found.append(await page(uow, _BODIES.where(ReceiptRow.number_id == number), by_body, _finding))
            return _merged(found, first)

        return await self._read(unit)


def _items(may_read: sa.ColumnElement[bool]) -> sa.Select[Any]:
    item = StatusItemRow
    return sa.select(
        item.received_at, item.finding, item.explanation, item.provider_message_id, item.receipt_id,
        sa.case((may_read, item.item)),
    ).where(item.finding.is_not(None))  # fmt: skip


_BODIES = sa.select(
    ReceiptRow.received_at,
    sa.literal(ReceiptFinding.UNPARSED, StatusItemRow.finding.type),
    ReceiptRow.problem,
    sa.null(),
    ReceiptRow.id,
    sa.null(),
).where(
    ReceiptRow.problem.is_not(None),
    # A body with a finding of its own is listed by that.
    ~sa.exists().where(StatusItemRow.receipt_id == ReceiptRow.id, StatusItemRow.finding.is_not(None)),
)


def _finding(row: Any) -> tuple[UUID, Finding]:
    received_at, finding, explanation, provider_message_id, receipt_id, item, key = row
    raw = item and json.loads(item)
    return key, Finding(received_at, finding, explanation or _UNEXPLAINED, provider_message_id, raw, receipt_id)


def _merged(pages: Sequence[Page[tuple[UUID, Finding]]], first: int) -> Page[Finding]:
    """The newest of several parts of a list."""
    found = sorted(
        (
            (key, finding, cursor)
            for part in pages
            for (key, finding), cursor in zip(part.nodes, part.cursors, strict=True)
        ),
        key=itemgetter(0),
        reverse=True,
    )
    shown = found[:first]
    return Page(
        nodes=[finding for _, finding, _ in shown],
        cursors=[cursor for _, _, cursor in shown],
        has_next=len(found) > first or any(part.has_next for part in pages),
    )
