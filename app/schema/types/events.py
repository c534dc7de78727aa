"""Events."""

from datetime import datetime

import strawberry

from app.db.tables import EventRow
from app.domain.enums import EventStatus, EventVisibility
from app.schema.context import Info
from app.schema.described import described
from app.schema.loaders import present
from app.schema.pagination import DEFAULT_FIRST, After, First, first_of
from app.schema.types.base import FromRow, Node, WorkspaceType, workspace_of
from app.schema.types.messages import InviteMessage, InviteMessageConnection, Lifecycles, Search, States
from app.schema.types.runs import SendRun, SendRunConnection
from app.schema.types.summaries import CoverageSummary, SendSummary
from app.services.reading import MessageFilter


@described
@strawberry.type
class Event(Node, FromRow):
    """One celebration of the wedding: mehndi, sangeet, reception …"""

    row: strawberry.Private[EventRow]
    title: str
    """As invites call it."""
    starts_at: datetime
    """When it begins."""
    venue: str | None
    """Where it is."""
    status: EventStatus
    """Whether invites can go out."""
    visibility: EventVisibility
    """Who may see it outside this service."""
    position: int
    """Place in the workspace's order; the first is 1."""

    @strawberry.field
    async def workspace(self, info: Info) -> WorkspaceType:
        """The wedding that it belongs to."""
        return await workspace_of(info, self.row.workspace_id)

    @strawberry.field
    async def summary(self, info: Info) -> SendSummary:
        """Counts messages of all invite runs: a household invited twice counts twice."""
        return SendSummary.of(present(await info.context.loaders.event_summaries.load(self.row.id)))

    @strawberry.field
    async def coverage(self, info: Info) -> CoverageSummary:
        """Counts households, each once, by its best message."""
        return CoverageSummary.of(present(await info.context.loaders.coverage_summaries.load(self.row.id)))

    @strawberry.field
    async def send_runs(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> SendRunConnection:
        """Newest first, test runs too."""
        page = await info.context.services.reader.event_runs(
            info.context.actor, self.row.id, first=first_of(first), after=after
        )
        return SendRunConnection.of(page, after, SendRun.from_view)

    @strawberry.field
    async def messages(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        states: States = None,
        lifecycle: Lifecycles = None,
        search: Search = None,
    ) -> InviteMessageConnection:
        """Of all invite runs, the newest run first."""
        where = MessageFilter(states=tuple(states or ()), lifecycle=tuple(lifecycle or ()), search=search)
        page = await info.context.services.reader.event_messages(
            info.context.actor, self.row.id, where, first=first_of(first), after=after
        )
        return InviteMessageConnection.of(page, after, InviteMessage.from_row)
