"""The viewer, workspaces and their members."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.db.tables import MemberRow, WorkspaceRow
from app.domain.enums import (
    EventStatus,
    Permission,
    ReceiptFinding,
    Role,
    SendRunStatus,
    Side,
    TemplateStatus,
)
from app.schema.context import Info
from app.schema.described import described
from app.schema.inputs.guests import GuestUnitFilter
from app.schema.inputs.workspaces import AuditFilter
from app.schema.loaders import present
from app.schema.pagination import DEFAULT_FIRST, After, First, first_of
from app.schema.selection import selects
from app.schema.types.audit import AuditEntry, AuditEntryConnection, WebhookFinding, WebhookFindingConnection
from app.schema.types.base import FromRow, Node, workspace_of
from app.schema.types.blocks import DoNotMessageConnection, DoNotMessageEntry
from app.schema.types.events import Event
from app.schema.types.guests import GuestUnit, GuestUnitConnection
from app.schema.types.imports import GuestImport, GuestImportConnection
from app.schema.types.provider import ProviderStatus
from app.schema.types.runs import SendRun, SendRunConnection
from app.schema.types.templates import MessageTemplate


@described
@strawberry.type
class Member(Node, FromRow):
    """A user in a workspace. Never deleted, so that history keeps its authors."""

    row: strawberry.Private[MemberRow]
    subject: str
    """Who it is, as the sign-in knows them: the subject of the token."""
    display_name: str
    """As the console shows the user."""
    role: Role
    """What the user is here."""
    active: bool
    """False: no longer let in."""

    @strawberry.field
    async def workspace(self, info: Info) -> "Workspace":
        """Where the user is a member."""
        return await workspace_of(info, self.row.workspace_id)


@described
@strawberry.type
class Viewer:
    """Who the token says I am."""

    subject: str
    """The token's subject."""
    display_name: str
    """The token's name, else its subject."""

    @strawberry.field
    async def memberships(self, info: Info) -> list[Member]:
        """My active memberships: one for each workspace that I can see."""
        rows = await info.context.services.reader.memberships(info.context.actor)
        return [Member.from_row(row) for row in rows]


@described
@strawberry.type
class SideCount:
    """How many households a family side has."""

    side: Side
    """The family side."""
    guest_units: int
    """Households that are not archived."""


@described
@strawberry.type
class TagCount:
    """How many households carry a tag."""

    name: str
    """The tag as first written."""
    guest_units: int
    """Households that are not archived."""


@described
@strawberry.type
class Workspace(Node, FromRow):
    """One wedding: its events, guests, runs and members."""

    row: strawberry.Private[WorkspaceRow]
    name: str
    """As its members call it."""
    default_region: str
    """Region of phones without country code, e.g. IN."""
    timezone: str
    """By a place, such as Asia/Kolkata; dates and times in invites are told in it."""
    created_at: datetime
    """When it was created."""
    require_consent: bool
    """True: only guests whose consent is on record can be invited."""

    @strawberry.field
    async def viewer_role(self, info: Info) -> Role:
        """What I am here."""
        return present(await info.context.loaders.accesses.load(self.row.id)).member.role

    @strawberry.field
    async def viewer_can(self, info: Info) -> list[Permission]:
        """What I may do here."""
        access = present(await info.context.loaders.accesses.load(self.row.id))
        return [permission for permission in Permission if permission in access.permissions]

    @strawberry.field
    def roles_that_send(self) -> list[Role]:
        """The send policy; always contains OWNER."""
        return [role for role in Role if role in self.row.roles_that_send]

    @strawberry.field
    async def provider(self, info: Info) -> ProviderStatus:
        """The number that sends for this workspace."""
        number = await info.context.loaders.numbers.load(self.row.id)
        return ProviderStatus.of(number, send_rate=info.context.services.send_rate)

    @strawberry.field
    async def members(self, info: Info) -> list[Member]:
        """All members, those no longer active too, in the order of their joining."""
        return [Member.from_row(row) for row in await info.context.loaders.workspace_members.load(self.row.id) or ()]

    @strawberry.field
    async def events(
        self,
        info: Info,
        statuses: Annotated[
            list[EventStatus] | None, strawberry.argument(description="Only these; left out: all.")
        ] = None,
    ) -> list[Event]:
        """In the workspace's own order."""
        rows = await info.context.loaders.workspace_events.load(self.row.id, tuple(statuses or ()))
        return [Event.from_row(row) for row in rows or ()]

    @strawberry.field
    async def sides(self, info: Info) -> list[SideCount]:
        """Households by family side, zeros too."""
        counts = await info.context.loaders.sides.load(self.row.id) or {}
        return [SideCount(side=side, guest_units=count) for side, count in counts.items()]

    @strawberry.field
    async def tags(self, info: Info) -> list[TagCount]:
        """Tags in use, by name."""
        counts = await info.context.loaders.tags.load(self.row.id) or ()
        return [TagCount(name=name, guest_units=count) for name, count in counts]

    @strawberry.field
    async def guest_units(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        filter: Annotated[  # noqa: A002 - the contract's name
            GuestUnitFilter | None, strawberry.argument(description="All given filters hold together.")
        ] = None,
    ) -> GuestUnitConnection:
        """Households by name."""
        page = await info.context.services.reader.guest_units(
            info.context.actor,
            self.row.id,
            (filter or GuestUnitFilter()).to_domain(),
            first=first_of(first),
            after=after,
            counted=selects(info, "totalCount"),
        )
        return GuestUnitConnection.of(page, after, GuestUnit.from_row)

    @strawberry.field
    async def imports(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> GuestImportConnection:
        """Guest list imports, newest first."""
        page = await info.context.services.reader.imports(
            info.context.actor, self.row.id, first=first_of(first), after=after
        )
        return GuestImportConnection.of(page, after, GuestImport.from_row)

    @strawberry.field
    async def templates(
        self,
        info: Info,
        statuses: Annotated[
            list[TemplateStatus] | None, strawberry.argument(description="Only these; left out: all.")
        ] = None,
    ) -> list[MessageTemplate]:
        """The number's message templates as last synced, by name and language."""
        rows = await info.context.loaders.workspace_templates.load(self.row.id, tuple(statuses or ()))
        return [MessageTemplate.from_row(row) for row in rows or ()]

    @strawberry.field
    async def send_runs(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        statuses: Annotated[
            list[SendRunStatus] | None, strawberry.argument(description="Only these; left out: all.")
        ] = None,
    ) -> SendRunConnection:
        """Newest first."""
        page = await info.context.services.reader.workspace_runs(
            info.context.actor, self.row.id, statuses=statuses or (), first=first_of(first), after=after
        )
        return SendRunConnection.of(page, after, SendRun.from_view)

    @strawberry.field
    async def do_not_message(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        search: Annotated[
            str | None, strawberry.argument(description="Part of the phone, or of the name of a guest with this phone.")
        ] = None,
        active: Annotated[
            bool | None, strawberry.argument(description="True: in force; false: revoked; null: both.")
        ] = True,
    ) -> DoNotMessageConnection:
        """Who must not be messaged, newest first."""
        page = await info.context.services.reader.do_not_message(
            info.context.actor, self.row.id, search=search, active=active, first=first_of(first), after=after
        )
        return DoNotMessageConnection.of(page, after, DoNotMessageEntry.from_row)

    @strawberry.field
    async def audit(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        filter: Annotated[  # noqa: A002 - the contract's name
            AuditFilter | None, strawberry.argument(description="All given filters hold together.")
        ] = None,
    ) -> AuditEntryConnection:
        """Who did what, newest first; governance only with AUDIT_GOVERNANCE."""
        page = await info.context.services.reader.audit(
            info.context.actor,
            self.row.id,
            (filter or AuditFilter()).to_domain(),
            first=first_of(first),
            after=after,
        )
        return AuditEntryConnection.of(page, after, AuditEntry.from_row)

    @strawberry.field
    async def webhook_findings(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        findings: Annotated[
            list[ReceiptFinding] | None, strawberry.argument(description="Only these; left out: all.")
        ] = None,
    ) -> WebhookFindingConnection:
        """Statuses nobody could place. Only of a number that this workspace uses alone; else empty, and the CLI shows them."""
        page = await info.context.services.reader.webhook_findings(
            info.context.actor, self.row.id, findings=findings or (), first=first_of(first), after=after
        )
        return WebhookFindingConnection.of(page, after, WebhookFinding.of)
