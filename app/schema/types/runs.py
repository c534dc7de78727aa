"""Send runs."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.domain.enums import RejectionReason, SendRunKind, SendRunStatus
from app.schema.context import Info
from app.schema.described import described
from app.schema.loaders import present
from app.schema.pagination import DEFAULT_FIRST, After, Connection, First, first_of
from app.schema.types.audit import AuditEntry, AuditEntryConnection
from app.schema.types.base import EventType, MemberType, Node, event_of, member_of, run_of
from app.schema.types.messages import InviteMessage, InviteMessageConnection, Lifecycles, Search, States
from app.schema.types.summaries import SendSummary
from app.schema.types.templates import MessageTemplate
from app.services.reading import MessageFilter, Rate, RunView


@described
@strawberry.type
class SendRun(Node):
    """One send: an event, a template, and everybody whom it is about."""

    view: strawberry.Private[RunView]
    rate: strawberry.Private[Rate | None]
    """As all who watch it share it; None when it is not watched."""
    kind: SendRunKind
    """Invites, or a test."""
    status: SendRunStatus
    """Whether it sends."""
    status_reason: str | None
    """Why it does not send."""
    next_step: str | None
    """What can be done about it."""
    created_at: datetime
    """When it was started."""
    completed_at: datetime | None
    """When the last message left QUEUED and SENDING."""

    @classmethod
    def from_view(cls, view: RunView, rate: Rate | None = None) -> "SendRun":
        row = view.row
        return cls(
            view=view,
            rate=rate,
            id=strawberry.ID(row.id),
            kind=row.kind,
            status=view.status,
            status_reason=view.status_reason,
            next_step=view.next_step,
            created_at=row.created_at,
            completed_at=view.completed_at,
        )

    @strawberry.field
    async def event(self, info: Info) -> EventType:
        """What it invites to."""
        return await event_of(info, self.view.row.event_id)

    @strawberry.field
    async def template(self, info: Info) -> MessageTemplate:
        """The template as it is today; what was sent is in each message."""
        return MessageTemplate.from_row(present(await info.context.loaders.templates.load(self.view.row.template_id)))

    @strawberry.field
    async def retry_of(self, info: Info) -> "SendRun | None":
        """The earlier run whose messages it tries again."""
        return None if self.view.row.retry_of_id is None else await run_of(info, self.view.row.retry_of_id)

    @strawberry.field
    async def created_by(self, info: Info) -> MemberType:
        """Who sent."""
        return await member_of(info, self.view.row.created_by)

    @strawberry.field
    async def current_rate(self, info: Info) -> float:
        """Messages a second over the last 10 s."""
        return (await self._rate(info)).per_second

    @strawberry.field
    async def estimated_completion_at(self, info: Info) -> datetime | None:
        """At the current rate; null while nothing moves."""
        return (await self._rate(info)).estimated_completion_at

    async def _rate(self, info: Info) -> Rate:
        return self.rate or present(await info.context.loaders.rates.load(self.id))

    @strawberry.field
    def summary(self) -> SendSummary:
        """How its messages stand."""
        return SendSummary.of(self.view.summary)

    @strawberry.field
    async def messages(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        states: States = None,
        lifecycle: Lifecycles = None,
        reasons: Annotated[
            list[RejectionReason] | None, strawberry.argument(description="Only those rejected for one of these.")
        ] = None,
        failure_codes: Annotated[
            list[int] | None,
            strawberry.argument(description="Only those failed with one of these codes of Meta's; 0: without a code."),
        ] = None,
        search: Search = None,
    ) -> InviteMessageConnection:
        """In the order of sending; all given filters hold together."""
        where = MessageFilter(
            states=tuple(states or ()),
            lifecycle=tuple(lifecycle or ()),
            reasons=tuple(reasons or ()),
            failure_codes=tuple(failure_codes or ()),
            search=search,
        )
        page = await info.context.services.reader.run_messages(
            info.context.actor, self.view.row.id, where, first=first_of(first), after=after
        )
        return InviteMessageConnection.of(page, after, InviteMessage.from_row)

    @strawberry.field
    async def audit(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> AuditEntryConnection:
        """What members did to it, newest first."""
        page = await info.context.services.reader.run_audit(
            info.context.actor, self.view.row.id, first=first_of(first), after=after
        )
        return AuditEntryConnection.of(page, after, AuditEntry.from_row)


@described
@strawberry.type
class SendRunConnection(Connection[SendRun]):
    """One page of send runs."""
