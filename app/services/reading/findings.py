"""What Meta posted and nobody could place."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

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


_ITEMS = sa.select(
    sa.type_coerce(StatusItemRow.id, sa.Uuid()).label("key"),
    StatusItemRow.number_id,
    StatusItemRow.received_at,
    StatusItemRow.finding,
    StatusItemRow.explanation,
    StatusItemRow.provider_message_id,
    StatusItemRow.item,
    StatusItemRow.receipt_id,
).where(StatusItemRow.finding.is_not(None))

_BODIES = sa.select(
    sa.type_coerce(ReceiptRow.id, sa.Uuid()),
    ReceiptRow.number_id,
    ReceiptRow.received_at,
    sa.literal(ReceiptFinding.UNPARSED, StatusItemRow.finding.type),
    ReceiptRow.problem,
    sa.cast(sa.null(), sa.Text),
    sa.cast(sa.null(), sa.Text),
    ReceiptRow.id,
).where(
    ReceiptRow.problem.is_not(None),
    # A body with a finding of its own is listed by that.
    ~sa.exists().where(StatusItemRow.receipt_id == ReceiptRow.id, StatusItemRow.finding.is_not(None)),
)

_FOUND = sa.union_all(_ITEMS, _BODIES).subquery("found")
_FINDINGS = Keyset("webhookFindings", (_FOUND.c.key,), descending=True)


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
        window = _FINDINGS.window(first, after, workspace_id, set(findings))
        if not ids.is_id(ids.WORKSPACE, workspace_id):
            return empty()
        other = aliased(WorkspaceRow)
        own_number = sa.select(WorkspaceRow.number_id).where(
            WorkspaceRow.id == workspace_id,
            WorkspaceRow.id.in_(visible(actor)),
            ~sa.exists().where(other.number_id == WorkspaceRow.number_id, other.id != WorkspaceRow.id),
        )
        may_read = sa.literal(workspace_id, WorkspaceRow.id.type).in_(allowed(actor, Permission.RECEIPT_READ))
        query = sa.select(
            _FOUND.c.received_at,
            _FOUND.c.finding,
            sa.func.coalesce(_FOUND.c.explanation, _UNEXPLAINED),
            _FOUND.c.provider_message_id,
            sa.case((may_read, _FOUND.c.item)),
            _FOUND.c.receipt_id,
        ).where(_FOUND.c.number_id.in_(own_number))
        if findings:
            query = query.where(_FOUND.c.finding.in_(findings))
        return await self._read(lambda uow: page(uow, query, window, _finding))


def _finding(row: Any) -> Finding:
    received_at, finding, explanation, provider_message_id, item, receipt_id = row[:6]
    return Finding(received_at, finding, explanation, provider_message_id, item and json.loads(item), receipt_id)
