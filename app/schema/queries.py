"""Root queries. An id that is unknown, malformed or of another workspace is null, without an error: one code path."""

from collections.abc import Callable
from typing import Annotated, Any

import strawberry

from app.db.tables import (
    AuditRow,
    DoNotMessageRow,
    EventRow,
    GuestImportRow,
    GuestUnitRow,
    MemberRow,
    MessageRow,
    PersonRow,
    TemplateRow,
    WorkspaceRow,
)
from app.schema.context import Info
from app.schema.described import described
from app.schema.inputs.sending import AudiencePreviewInput, PrecheckSendInput
from app.schema.types.audit import AuditEntry
from app.schema.types.base import Node
from app.schema.types.blocks import DoNotMessageEntry
from app.schema.types.events import Event
from app.schema.types.guests import GuestUnit, Person
from app.schema.types.imports import GuestImport
from app.schema.types.messages import InviteMessage
from app.schema.types.prechecks import AudienceTrace, Precheck
from app.schema.types.runs import SendRun
from app.schema.types.templates import MessageTemplate
from app.schema.types.workspaces import Member, Viewer, Workspace
from app.services.reading import RunView

Id = Annotated[strawberry.ID, strawberry.argument(description="A public id.")]

_SHOWN: dict[type, Callable[[Any], Node]] = {
    WorkspaceRow: Workspace.from_row,
    MemberRow: Member.from_row,
    EventRow: Event.from_row,
    GuestUnitRow: GuestUnit.from_row,
    PersonRow: Person.from_row,
    GuestImportRow: GuestImport.from_row,
    TemplateRow: MessageTemplate.from_row,
    RunView: SendRun.from_view,
    MessageRow: InviteMessage.from_row,
    DoNotMessageRow: DoNotMessageEntry.from_row,
    AuditRow: AuditEntry.from_row,
}
"""How ``node`` shows each kind of row."""


async def _node(info: Info, node_id: str) -> Node | None:
    found = await info.context.services.reader.node(info.context.actor, node_id)
    return None if found is None else _SHOWN[type(found)](found)


@described
@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    def me(self, info: Info) -> Viewer:
        """Who the token says I am, and my workspaces."""
        actor = info.context.actor
        return Viewer(subject=actor.subject, display_name=actor.display_name)

    @strawberry.field
    async def node(self, info: Info, id: Id) -> Node | None:  # noqa: A002 - the contract's name
        """Refetches anything by id."""
        return await _node(info, id)

    @strawberry.field
    async def workspace(self, info: Info, id: Id) -> Workspace | None:  # noqa: A002 - the contract's name
        """One wedding."""
        found = await info.context.loaders.workspaces.load(id)
        return None if found is None else Workspace.from_row(found)

    @strawberry.field
    async def event(self, info: Info, id: Id) -> Event | None:  # noqa: A002 - the contract's name
        """Lifecycle by event."""
        found = await info.context.loaders.events.load(id)
        return None if found is None else Event.from_row(found)

    @strawberry.field
    async def send_run(self, info: Info, id: Id) -> SendRun | None:  # noqa: A002 - the contract's name
        """Lifecycle by run."""
        found = await info.context.loaders.runs.load(id)
        return None if found is None else SendRun.from_view(found)

    @strawberry.field
    async def invite_message(self, info: Info, id: Id) -> InviteMessage | None:  # noqa: A002 - the contract's name
        """One message and all that happened to it."""
        found = await info.context.loaders.messages.load(id)
        return None if found is None else InviteMessage.from_row(found)

    @strawberry.field
    async def guest_unit(self, info: Info, id: Id) -> GuestUnit | None:  # noqa: A002 - the contract's name
        """One household."""
        found = await info.context.loaders.guest_units.load(id)
        return None if found is None else GuestUnit.from_row(found)

    @strawberry.field
    async def guest_import(self, info: Info, id: Id) -> GuestImport | None:  # noqa: A002 - the contract's name
        """One imported list and what became of its rows."""
        found = await info.context.loaders.imports.load(id)
        return None if found is None else GuestImport.from_row(found)

    @strawberry.field
    async def audience_preview(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            AudiencePreviewInput, strawberry.argument(description="Whom to count.")
        ],
    ) -> AudienceTrace:
        """Live counts while the audience is being chosen; needs no template."""
        trace = await info.context.services.prechecks.preview(
            info.context.actor, event_id=input.event_id, audience=input.audience.to_domain()
        )
        return AudienceTrace.of(trace)

    @strawberry.field
    async def precheck_send(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            PrecheckSendInput, strawberry.argument(description="What would be sent, and to whom.")
        ],
    ) -> Precheck:
        """Resolves and judges every candidate. Stores nothing, sends nothing; fetch it network-only."""
        actor = info.context.actor
        return Precheck.of(await info.context.services.prechecks.precheck(actor, input.to_domain()))

    @strawberry.field
    async def precheck(
        self,
        info: Info,
        token: Annotated[str, strawberry.argument(description="The token of a precheck.")],
    ) -> Precheck | None:
        """Opens a precheck from its token: the next page, or a Parent Admin opening what a coordinator prepared."""
        found = await info.context.services.prechecks.open(info.context.actor, token)
        return None if found is None else Precheck.of(found)
