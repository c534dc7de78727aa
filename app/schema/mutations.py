"""Root mutations: an input in, one use case, what it made out. Nothing is decided here."""

import asyncio
from typing import Annotated

import strawberry

from app.schema.context import Info
from app.schema.described import described
from app.schema.inputs.guests import (
    AddDoNotMessageInput,
    EraseGuestInput,
    ImportGuestsInput,
    RevokeDoNotMessageInput,
    SyncTemplatesInput,
    UpdateGuestUnitInput,
    UpdatePersonInput,
)
from app.schema.inputs.sending import SendInvitesInput, SendTestInput
from app.schema.inputs.workspaces import (
    CreateEventInput,
    CreateWorkspaceInput,
    SetMemberInput,
    SetSendPolicyInput,
    UpdateEventInput,
)
from app.schema.types.base import run_of
from app.schema.types.blocks import DoNotMessageEntry
from app.schema.types.erasures import Erasure
from app.schema.types.events import Event
from app.schema.types.guests import GuestUnit, Person
from app.schema.types.imports import GuestImport
from app.schema.types.runs import SendRun
from app.schema.types.sends import SendInvitesResult, send_result
from app.schema.types.templates import MessageTemplate
from app.schema.types.workspaces import Member, Workspace

RunId = Annotated[strawberry.ID, strawberry.argument(description="The run.")]


@described
@strawberry.type
class Mutation:
    """What can be done. One mutation per request."""

    @strawberry.mutation
    async def create_workspace(
        self,
        info: Info,
        input: Annotated[CreateWorkspaceInput, strawberry.argument(description="The wedding.")],  # noqa: A002 - the contract's name
    ) -> Workspace:
        """The caller becomes its OWNER."""
        row = await info.context.services.workspaces.create_workspace(
            info.context.actor, name=input.name, default_region=input.default_region, timezone=input.timezone
        )
        return Workspace.from_row(row)

    @strawberry.mutation
    async def set_member(
        self,
        info: Info,
        input: Annotated[SetMemberInput, strawberry.argument(description="The member.")],  # noqa: A002 - the contract's name
    ) -> Member:
        """Adds a member, or changes role, name and standing of one."""
        row = await info.context.services.workspaces.set_member(
            info.context.actor,
            workspace_id=input.workspace_id,
            subject=input.subject,
            role=input.role,
            active=input.active,
            display_name=input.new_display_name,
            note=input.note,
        )
        return Member.from_row(row)

    @strawberry.mutation
    async def set_send_policy(
        self,
        info: Info,
        input: Annotated[SetSendPolicyInput, strawberry.argument(description="The policy.")],  # noqa: A002 - the contract's name
    ) -> Workspace:
        """Says which roles may send, and whether consent is required."""
        row = await info.context.services.workspaces.set_send_policy(
            info.context.actor,
            workspace_id=input.workspace_id,
            roles_that_send=input.roles_that_send,
            require_consent=input.require_consent,
        )
        return Workspace.from_row(row)

    @strawberry.mutation
    async def create_event(
        self,
        info: Info,
        input: Annotated[CreateEventInput, strawberry.argument(description="The event.")],  # noqa: A002 - the contract's name
    ) -> Event:
        """A draft, last in the workspace's order."""
        row = await info.context.services.events.create_event(
            info.context.actor,
            workspace_id=input.workspace_id,
            title=input.title,
            starts_at=input.starts_at,
            venue=input.venue,
        )
        return Event.from_row(row)

    @strawberry.mutation
    async def update_event(
        self,
        info: Info,
        input: Annotated[UpdateEventInput, strawberry.argument(description="What is to change.")],  # noqa: A002 - the contract's name
    ) -> Event:
        """Changes, publishes, archives or moves an event."""
        row = await info.context.services.events.update_event(info.context.actor, id=input.id, **input.changes())
        return Event.from_row(row)

    @strawberry.mutation
    async def import_guests(
        self,
        info: Info,
        input: Annotated[ImportGuestsInput, strawberry.argument(description="The list.")],  # noqa: A002 - the contract's name
    ) -> GuestImport:
        """Takes a guest list in; the same list again changes nothing."""
        row = await info.context.services.guests.import_guests(
            info.context.actor,
            workspace_id=input.workspace_id,
            csv=input.csv,
            # Cleaning 50,000 rows takes a second, in which the loop that answers webhooks must not wait.
            rows=await asyncio.to_thread(input.rows_to_domain),
            file_name=input.file_name,
        )
        return GuestImport.from_row(row)

    @strawberry.mutation
    async def update_guest_unit(
        self,
        info: Info,
        input: Annotated[UpdateGuestUnitInput, strawberry.argument(description="What is to change.")],  # noqa: A002 - the contract's name
    ) -> GuestUnit:
        """Changes or archives a household."""
        row = await info.context.services.guests.update_guest_unit(info.context.actor, id=input.id, **input.changes())
        return GuestUnit.from_row(row)

    @strawberry.mutation
    async def update_person(
        self,
        info: Info,
        input: Annotated[UpdatePersonInput, strawberry.argument(description="What is to change.")],  # noqa: A002 - the contract's name
    ) -> Person:
        """Changes, moves or archives a guest."""
        row = await info.context.services.guests.update_person(info.context.actor, id=input.id, **input.changes())
        return Person.from_row(row)

    @strawberry.mutation
    async def erase_guest(
        self,
        info: Info,
        input: Annotated[EraseGuestInput, strawberry.argument(description="Who, and why.")],  # noqa: A002 - the contract's name
    ) -> Erasure:
        """Personal data goes for good, counts stay, and the phone stays blocked. CONFLICT while a message is on its way."""
        done = await info.context.services.erasures.erase_guest(info.context.actor, id=input.id, reason=input.reason)
        return Erasure(id=strawberry.ID(done.id), erased_at=done.at, replayed=done.replayed)

    @strawberry.mutation
    async def add_do_not_message(
        self,
        info: Info,
        input: Annotated[AddDoNotMessageInput, strawberry.argument(description="The phone.")],  # noqa: A002 - the contract's name
    ) -> DoNotMessageEntry:
        """From now on nothing goes out to this phone, not even what is queued."""
        blocked = await info.context.services.blocks.block(
            info.context.actor, workspace_id=input.workspace_id, phone=input.phone, reason=input.reason
        )
        return DoNotMessageEntry.just_added(blocked)

    @strawberry.mutation
    async def revoke_do_not_message(
        self,
        info: Info,
        input: Annotated[RevokeDoNotMessageInput, strawberry.argument(description="The entry.")],  # noqa: A002 - the contract's name
    ) -> DoNotMessageEntry:
        """Takes an entry of this workspace back; those from Meta stay."""
        row = await info.context.services.blocks.revoke(info.context.actor, id=input.id, reason=input.reason)
        return DoNotMessageEntry.from_row(row)

    @strawberry.mutation
    async def sync_templates(
        self,
        info: Info,
        input: Annotated[SyncTemplatesInput, strawberry.argument(description="Where.")],  # noqa: A002 - the contract's name
    ) -> list[MessageTemplate]:
        """Reads templates and number anew from Meta."""
        rows = await info.context.services.templates.sync(info.context.actor, workspace_id=input.workspace_id)
        return [MessageTemplate.from_row(row) for row in rows]

    @strawberry.mutation
    async def send_invites(
        self,
        info: Info,
        input: Annotated[SendInvitesInput, strawberry.argument(description="What to send.")],  # noqa: A002 - the contract's name
    ) -> SendInvitesResult:
        """Plans the run and queues it; never waits for Meta."""
        result = await info.context.services.sends.send_invites(info.context.actor, token=input.precheck_token)
        return send_result(result)

    @strawberry.mutation
    async def send_test(
        self,
        info: Info,
        input: Annotated[SendTestInput, strawberry.argument(description="What to send, and where to.")],  # noqa: A002 - the contract's name
    ) -> SendInvitesResult:
        """One real message to one's own phone, through the same checks."""
        result = await info.context.services.sends.send_test(
            info.context.actor,
            event_id=input.event_id,
            template_name=input.template_name,
            template_language=input.template_language,
            parameters=tuple(parameter.to_domain() for parameter in input.parameters),
            phone=input.phone,
            idempotency_key=input.idempotency_key,
        )
        return send_result(result)

    @strawberry.mutation
    async def pause_send_run(self, info: Info, id: RunId) -> SendRun:  # noqa: A002 - the contract's name
        """Sends nothing more until resumed. Already so = the run as it is; impossible (e.g. cancelled) = CONFLICT."""
        return await run_of(info, (await info.context.services.runs.pause(info.context.actor, id=id)).id)

    @strawberry.mutation
    async def resume_send_run(self, info: Info, id: RunId) -> SendRun:  # noqa: A002 - the contract's name
        """Sends on after a pause or a stop. Already so = the run as it is; impossible = CONFLICT."""
        return await run_of(info, (await info.context.services.runs.resume(info.context.actor, id=id)).id)

    @strawberry.mutation
    async def cancel_send_run(self, info: Info, id: RunId) -> SendRun:  # noqa: A002 - the contract's name
        """Cancels what is QUEUED; what is claimed or sent stays. Already so = the run as it is; impossible = CONFLICT."""
        return await run_of(info, (await info.context.services.runs.cancel(info.context.actor, id=id)).id)
