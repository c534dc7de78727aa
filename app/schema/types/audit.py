"""Who did what, and what Meta posted that nobody could place."""

from datetime import datetime

import strawberry

from app.db.tables import AuditRow
from app.domain.enums import AuditAction, ReceiptFinding
from app.schema.context import Info
from app.schema.described import described
from app.schema.pagination import Connection
from app.schema.scalars import JSON
from app.schema.types.base import FromRow, MemberType, Node, SendRunType, maybe_member_of, run_of
from app.services.reading import Finding


@described
@strawberry.type
class AuditEntry(Node, FromRow):
    """One thing that was done or refused. Nobody can change or remove it."""

    row: strawberry.Private[AuditRow]
    at: datetime
    """When."""
    action: AuditAction
    """What."""
    actor_text: str
    """Who, with name and subject as they were then."""
    text: str
    """What, in a sentence."""
    before: JSON | None
    """What was changed, as it was."""
    after: JSON | None
    """What was changed, as it is since."""
    target_id: strawberry.ID | None
    """What it was done to."""
    request_id: str | None
    """The request that did it, as in the log."""

    @strawberry.field
    async def actor(self, info: Info) -> MemberType | None:
        """Null: Meta or the service itself, see actorText."""
        return await maybe_member_of(info, self.row.actor_id)

    @strawberry.field
    async def reason(self, info: Info) -> str | None:
        """Why, in the words of whoever blocked or unblocked a phone. Kept with the entry, so that it can be erased."""
        if self.row.action not in {AuditAction.BLOCK_ADD, AuditAction.BLOCK_REVOKE} or self.row.target_id is None:
            return None
        entry = await info.context.loaders.blocks.load(self.row.target_id)
        if entry is None:
            return None
        return entry.reason if self.row.action is AuditAction.BLOCK_ADD else entry.revoke_reason

    @strawberry.field
    async def run(self, info: Info) -> SendRunType | None:
        """The send run that it is about."""
        return None if self.row.run_id is None else await run_of(info, self.row.run_id)


@described
@strawberry.type
class AuditEntryConnection(Connection[AuditEntry]):
    """One page of the audit trail."""


@described
@strawberry.type
class WebhookFinding:
    """Something that Meta told us and that could not be placed: kept, shown, and harming nothing else."""

    received_at: datetime
    """When Meta posted it."""
    finding: ReceiptFinding
    """What is wrong with it."""
    explanation: str
    """The same in a sentence."""
    provider_message_id: str | None
    """Meta's id of the message that it names."""
    raw: JSON | None
    """The one piece, what is personal to others removed; null without RECEIPT_READ."""
    receipt_id: strawberry.ID
    """What Meta sent as a whole, for whoever runs the service."""

    @classmethod
    def of(cls, found: Finding) -> "WebhookFinding":
        return cls(
            received_at=found.received_at,
            finding=found.finding,
            explanation=found.explanation,
            provider_message_id=found.provider_message_id,
            raw=found.raw,
            receipt_id=strawberry.ID(found.receipt_id),
        )


@described
@strawberry.type
class WebhookFindingConnection(Connection[WebhookFinding]):
    """One page of webhook findings."""
