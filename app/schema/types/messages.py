"""Invite messages and what happened to them."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from app.db.tables import MessageRow
from app.domain.enums import LifecycleState, MessageState, TemplateComponent, TimelineKind, TimelineSource
from app.domain.lifecycle import lifecycle_of
from app.domain.rendering import thaw
from app.domain.texts import HELD_TEXT, STATES
from app.schema.context import Info
from app.schema.described import described
from app.schema.loaders import present
from app.schema.pagination import Connection
from app.schema.scalars import JSON
from app.schema.types.base import MemberType, Node, SendRunType, maybe_member_of, run_of
from app.schema.types.guests import RecipientSource
from app.schema.types.summaries import Failure, Rejection
from app.services.reading import TimelineItem

States: TypeAlias = Annotated[list[MessageState] | None, strawberry.argument(description="Only these; left out: all.")]
Lifecycles: TypeAlias = Annotated[
    list[LifecycleState] | None, strawberry.argument(description="Only these; left out: all.")
]
Search: TypeAlias = Annotated[str | None, strawberry.argument(description="Part of a name or of a phone.")]


@described
@strawberry.type
class RenderedParameter:
    """A placeholder with the value that this guest gets."""

    component: TemplateComponent
    """The part that holds it."""
    name: str | None
    """Where placeholders have names: guest_name of {{guest_name}}."""
    position: int | None
    """Where placeholders have numbers: 1 of {{1}}."""
    value: str
    """Empty where there was nothing to fill in."""


@described
@strawberry.type
class TimelineEntry:
    """One thing that happened to a message."""

    item: strawberry.Private[TimelineItem]
    at: datetime
    """When it happened, by the clock of whoever told it."""
    received_at: datetime
    """When this service learned of it."""
    kind: TimelineKind
    """What kind of thing."""
    source: TimelineSource
    """Who says so."""
    text: str
    """The same in a sentence."""
    state: MessageState | None
    """The state that it speaks of."""
    repeated: bool
    """A repeat of a fact already known."""
    late: bool
    """Came after a higher fact; moved nothing."""
    raw: JSON | None
    """The one status or answer, never its neighbours in the same POST; null without RECEIPT_READ."""
    receipt_id: strawberry.ID | None
    """What Meta sent as a whole, for whoever runs the service."""

    @classmethod
    def of(cls, item: TimelineItem) -> "TimelineEntry":
        return cls(
            item=item,
            at=item.at,
            received_at=item.received_at,
            kind=item.kind,
            source=item.source,
            text=item.text,
            state=item.state,
            repeated=item.repeated,
            late=item.late,
            raw=item.raw,
            receipt_id=None if item.receipt_id is None else strawberry.ID(item.receipt_id),
        )

    @strawberry.field
    async def actor(self, info: Info) -> MemberType | None:
        """The member who did it."""
        return await maybe_member_of(info, self.item.actor_id)


@described
@strawberry.type
class InviteMessage(Node):
    """The invite to one recipient, for its whole life: kept back, sent, delivered, read."""

    row: strawberry.Private[MessageRow]
    recipient_name: str
    """As the invite calls the recipient."""
    phone: str | None
    """With its country code, such as +919820012345; null when the household had no usable one."""
    state: MessageState
    """Where it stands."""
    operator_text: str
    """The same in a sentence."""
    next_step: str | None
    """What can be done now, if anything."""
    lifecycle: LifecycleState | None
    """Null before Meta's first status: ACCEPTED is not yet delivery."""
    rejection: Rejection | None
    """Why it may not be sent."""
    failure: Failure | None
    """Stays after a later DELIVERED or READ."""
    provider_message_id: str | None
    """Meta's id; it contains the phone, so treat it as personal."""
    attempt_count: int
    """How often it was handed to Meta."""
    not_before: datetime | None
    """While QUEUED: when it is due."""
    created_at: datetime
    """When the run was started."""
    updated_at: datetime
    """When anything of it last changed."""
    accepted_at: datetime | None
    """When Meta took it."""
    sent_at: datetime | None
    """When Meta sent it, by Meta's clock."""
    delivered_at: datetime | None
    """When it reached the phone, by Meta's clock; null also when only its reading was told."""
    read_at: datetime | None
    """When it was opened, by Meta's clock."""
    failed_at: datetime | None
    """When it failed, by Meta's clock."""
    text: str
    """Exactly what was or will be sent."""

    @classmethod
    def from_row(cls, row: MessageRow) -> "InviteMessage":
        operator_text, next_step = STATES[row.state]
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            recipient_name=row.recipient_name,
            phone=row.phone,
            state=row.state,
            operator_text=HELD_TEXT if row.held and row.state is MessageState.ACCEPTED else operator_text,
            next_step=next_step,
            lifecycle=lifecycle_of(row.state),
            rejection=_rejection(row),
            failure=_failure(row),
            provider_message_id=row.provider_message_id,
            attempt_count=row.attempt_count,
            not_before=row.not_before if row.state is MessageState.QUEUED else None,
            created_at=row.created_at,
            updated_at=row.updated_at,
            accepted_at=row.accepted_at,
            sent_at=row.sent_at,
            delivered_at=row.delivered_at,
            read_at=row.read_at,
            failed_at=row.failed_at,
            text=row.text,
        )

    @strawberry.field
    async def run(self, info: Info) -> SendRunType:
        """The run that it belongs to."""
        return await run_of(info, self.row.run_id)

    @strawberry.field
    async def sources(self, info: Info) -> list[RecipientSource]:
        """The households and people that this one message stands for."""
        rows = await info.context.loaders.sources.load(self.row.id) or ()
        return [RecipientSource(unit_id=row.guest_unit_id, person_id=row.person_id) for row in rows]

    @strawberry.field
    async def parameters(self, info: Info) -> list[RenderedParameter]:
        """The template's placeholders with this guest's values."""
        run = present(await info.context.loaders.runs.load(self.row.run_id))
        slots = [binding.slot for binding in thaw(run.row.recipe).bindings]
        return [
            RenderedParameter(component=slot.component, name=slot.name, position=slot.position, value=value)
            for slot, value in zip(slots, self.row.values, strict=False)
        ]

    @strawberry.field
    async def timeline(self, info: Info) -> list[TimelineEntry]:
        """Oldest first, at most 500."""
        items = await info.context.services.reader.timeline(info.context.actor, self.row.id)
        return [TimelineEntry.of(item) for item in items]


@described
@strawberry.type
class InviteMessageConnection(Connection[InviteMessage]):
    """totalCount is null where it would have to be counted (search)."""

    @strawberry.field
    def total_count(self) -> int | None:
        """Messages of the whole list; null where it would have to be counted (search)."""
        return self.page.total


def _rejection(row: MessageRow) -> Rejection | None:
    if row.rejection_reason is None:
        return None
    return Rejection.of(row.rejection_reason, row.rejected_at or row.created_at)


def _failure(row: MessageRow) -> Failure | None:
    return None if row.failed_at is None else Failure.of(row.failure_code, row.failure_details, row.failed_at)
