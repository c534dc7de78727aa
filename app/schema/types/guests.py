"""Households and people."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from app.db.tables import GuestUnitRow, PersonRow
from app.domain.enums import InviteCoverage, PhoneStatus, Side
from app.schema.context import Info
from app.schema.described import described
from app.schema.loaders import present
from app.schema.pagination import DEFAULT_FIRST, After, Connection, First, first_of
from app.schema.types.base import FromRow, MemberType, Node, maybe_member_of

if TYPE_CHECKING:
    from app.schema.types.messages import InviteMessageConnection


@described
@strawberry.type
class Consent:
    """That somebody agreed to be messaged, as it is on record."""

    row: strawberry.Private[PersonRow | GuestUnitRow]
    at: datetime
    """When they agreed."""
    evidence: str | None
    """How, in the words of whoever recorded it or of the imported list."""
    recorded_at: datetime | None
    """When it was put on record."""

    @classmethod
    def of(cls, row: PersonRow | GuestUnitRow) -> "Consent | None":
        if row.consent_at is None:
            return None
        return cls(row=row, at=row.consent_at, evidence=row.consent_evidence, recorded_at=row.consent_recorded_at)

    @strawberry.field
    async def recorded_by(self, info: Info) -> MemberType | None:
        """Who put it on record."""
        return await maybe_member_of(info, self.row.consent_recorded_by)


@described
@strawberry.type
class Person(Node, FromRow):
    """A guest. In one active household at a time; one person per phone in a workspace."""

    row: strawberry.Private[PersonRow]
    name: str
    """As invites call the guest."""
    phone: str | None
    """E.164, null unless VALID."""
    raw_phone: str | None
    """As it was given."""
    phone_status: PhoneStatus
    """What the phone is worth."""
    archived: bool
    """True: kept for history only."""
    also_known_as: list[str]
    """Other names that came in on the same phone."""

    @strawberry.field
    def consent(self) -> Consent | None:
        """The guest's own consent to be messaged; null: none on record, though the household may have one."""
        return Consent.of(self.row)

    @strawberry.field
    async def guest_unit(self, info: Info) -> "GuestUnit | None":
        """The household; null for a person in none."""
        unit_id = self.row.guest_unit_id
        return None if unit_id is None else await guest_unit_of(info, unit_id)


@described
@strawberry.type
class GuestUnit(Node, FromRow):
    """A household: the unit that is invited."""

    row: strawberry.Private[GuestUnitRow]
    name: str
    """As invites call the household."""
    side: Side
    """Whose family it belongs to."""
    delivery_phone: str | None
    """Receives for the whole household; with its country code. Null: its people's phones receive."""
    inviteable: bool
    """False: never invited."""
    archived: bool
    """True: kept for history only."""

    @strawberry.field
    def consent(self) -> Consent | None:
        """The household's consent, which counts for all of its phones; null: none on record."""
        return Consent.of(self.row)

    @strawberry.field
    async def tags(self, info: Info) -> list[str]:
        """Labels, by name."""
        return await info.context.loaders.unit_tags.load(self.row.id) or []

    @strawberry.field
    async def phone_status(self, info: Info) -> PhoneStatus:
        """VALID when a message can go somewhere, else MALFORMED when there is something to mend."""
        return present(await info.context.loaders.phone_statuses.load(self.row.id))

    @strawberry.field
    async def do_not_message(self, info: Info) -> bool:
        """True: one of its phones is on the Do-Not-Message list."""
        return present(await info.context.loaders.blocked_units.load(self.row.id))

    @strawberry.field
    async def people(self, info: Info) -> list[Person]:
        """Its people, in the order of their creation."""
        return [Person.from_row(row) for row in await info.context.loaders.unit_people.load(self.row.id) or ()]

    @strawberry.field
    async def coverage(
        self, info: Info, event_id: Annotated[strawberry.ID, strawberry.argument(description="Which event.")]
    ) -> InviteCoverage:
        """How an event stands with this household."""
        return present(await info.context.loaders.coverage.load((self.row.id, event_id)))

    @strawberry.field
    async def messages(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Annotated["InviteMessageConnection", strawberry.lazy("app.schema.types.messages")]:
        """Everything that was ever planned for this household, newest first."""
        from app.schema.types.messages import InviteMessage, InviteMessageConnection

        page = await info.context.services.reader.unit_messages(
            info.context.actor, self.row.id, first=first_of(first), after=after
        )
        return InviteMessageConnection.of(page, after, InviteMessage.from_row)


@described
@strawberry.type
class GuestUnitConnection(Connection[GuestUnit]):
    """One page of households."""

    @strawberry.field
    def total_count(self) -> int:
        """Households of the whole list."""
        return self.page.total or 0


@described
@strawberry.type
class RecipientSource:
    """Which household, and which person of it, a recipient stands for."""

    unit_id: strawberry.Private[str]
    person_id: strawberry.Private[str | None]

    @strawberry.field
    async def guest_unit(self, info: Info) -> GuestUnit:
        """The household."""
        return await guest_unit_of(info, self.unit_id)

    @strawberry.field
    async def person(self, info: Info) -> Person | None:
        """Null when the household's own phone receives."""
        if self.person_id is None:
            return None
        return Person.from_row(present(await info.context.loaders.people.load(self.person_id)))


async def guest_unit_of(info: Info, unit_id: str) -> GuestUnit:
    return GuestUnit.from_row(present(await info.context.loaders.guest_units.load(unit_id)))
