"""Inputs about guests, and who must not be messaged."""

from typing import Any

import strawberry

from app.domain.enums import ErasureReason, InviteCoverage, PhoneStatus, Side
from app.domain.guest_list import GuestRow, make_row
from app.schema.described import described
from app.schema.inputs.patch import given
from app.services import reading


@described
@strawberry.input
class GuestRowInput:
    """One person of one household."""

    household: str | None = None
    """Left out: the person is a household."""
    name: str
    """As invites call the guest."""
    phone: str | None = None
    """Any notation; without country code it is of the workspace's region."""
    side: Side | None = None
    """Whose family; left out: NEUTRAL for a new household."""
    tags: list[str] = strawberry.field(default_factory=list)
    """Labels of the household."""
    primary: bool = False
    """This phone receives for the household."""

    def to_domain(self, row: int) -> GuestRow:
        return make_row(
            row,
            household=self.household,
            name=self.name,
            phone=self.phone,
            side=self.side,
            tags=self.tags,
            primary=self.primary,
        )


@described
@strawberry.input
class ImportGuestsInput:
    """Exactly one of csv and rows; at most 50,000 rows and 8 MiB."""

    workspace_id: strawberry.ID
    """Where."""
    csv: str | None = None
    """A file with a header, from a spreadsheet or Google Contacts."""
    rows: list[GuestRowInput] | None = None
    """The same as data."""
    file_name: str | None = None
    """What to call the list."""

    def rows_to_domain(self) -> list[GuestRow] | None:
        return None if self.rows is None else [row.to_domain(number) for number, row in enumerate(self.rows, 1)]


@described
@strawberry.input
class UpdateGuestUnitInput:
    """What is to change; left out stays."""

    id: strawberry.ID
    """The household."""
    name: str | None = strawberry.UNSET
    """As invites call the household."""
    side: Side | None = strawberry.UNSET
    """Whose family it belongs to."""
    tags: list[str] | None = strawberry.UNSET
    """All its labels."""
    delivery_phone: str | None = strawberry.UNSET
    """Receives for the whole household; null: its people's phones receive."""
    inviteable: bool | None = strawberry.UNSET
    """False: never invited."""
    archived: bool | None = strawberry.UNSET
    """True: kept for history only."""

    def changes(self) -> dict[str, Any]:
        names = ("name", "side", "tags", "delivery_phone", "inviteable", "archived")
        return {name: given(getattr(self, name)) for name in names}


@described
@strawberry.input
class UpdatePersonInput:
    """What is to change; left out stays."""

    id: strawberry.ID
    """The guest."""
    name: str | None = strawberry.UNSET
    """As invites call the guest."""
    phone: str | None = strawberry.UNSET
    """Any notation; null: none."""
    guest_unit_id: strawberry.ID | None = strawberry.UNSET
    """The household to move to; null: none."""
    archived: bool | None = strawberry.UNSET
    """True: kept for history only."""

    def changes(self) -> dict[str, Any]:
        return {name: given(getattr(self, name)) for name in ("name", "phone", "guest_unit_id", "archived")}


@described
@strawberry.input
class EraseGuestInput:
    """Whose personal data is to go, for good."""

    id: strawberry.ID
    """A person, or a household with all its people. With its last person a household goes too."""
    reason: ErasureReason
    """Why."""


@described
@strawberry.input
class SyncTemplatesInput:
    """Whose templates to read anew."""

    workspace_id: strawberry.ID
    """Where."""


@described
@strawberry.input
class AddDoNotMessageInput:
    """A phone that must not be messaged from now on."""

    workspace_id: strawberry.ID
    """Where."""
    phone: str
    """Any notation."""
    reason: str
    """Why, for those who come later."""


@described
@strawberry.input
class RevokeDoNotMessageInput:
    """An entry to take back."""

    id: strawberry.ID
    """The entry."""
    reason: str
    """Why, for those who come later."""


@described
@strawberry.input
class GuestUnitFilter:
    """All given filters hold together, also between tags."""

    side: Side | None = None
    """Only this family side."""
    tags: list[str] | None = None
    """Only households that carry all of these."""
    search: str | None = None
    """Part of a name of the household or of its people, or of a phone."""
    phone_status: PhoneStatus | None = None
    """Only households whose phone is worth this."""
    inviteable: bool | None = None
    """Only those that may, or may not, be invited."""
    archived: bool = False
    """True: the archived ones instead."""
    event_id: strawberry.ID | None = None
    """With coverage: which event."""
    coverage: list[InviteCoverage] | None = None
    """Only households standing so with the event."""

    def to_domain(self) -> reading.GuestUnitFilter:
        return reading.GuestUnitFilter(
            side=self.side,
            tags=tuple(self.tags or ()),
            search=self.search,
            phone_status=self.phone_status,
            inviteable=self.inviteable,
            archived=self.archived,
            event_id=self.event_id,
            coverage=tuple(self.coverage or ()),
        )
