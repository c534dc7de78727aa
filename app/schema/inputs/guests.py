"""Inputs about guests, and who must not be messaged."""

from datetime import datetime
from typing import Any

import strawberry

from app.domain.consent import Consent, read_consent
from app.domain.enums import ErasureReason, InviteCoverage, PhoneStatus, Side
from app.domain.guest_list import GuestRow, make_row
from app.schema.described import described
from app.schema.inputs.patch import given
from app.services import reading


@described
@strawberry.input
class ConsentInput:
    """That a guest or a household agreed to be messaged, with the proof that WhatsApp may ask for."""

    evidence: str
    """How it was given: a form, a call, a message; 1 to 500 characters."""
    at: datetime | None = None
    """When; left out: now."""

    def to_domain(self) -> Consent:
        return Consent(self.evidence, self.at)


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
    do_not_message: str | None = None
    """Why this guest must not be messaged, "yes" at the least: puts the phone on the Do-Not-Message list."""
    consent: str | None = None
    """As in a list: yes or the day (2026-03-01), then perhaps how it was given; recorded where none is."""

    def to_domain(self, row: int) -> GuestRow:
        consent, problem = read_consent(self.consent or "")
        return make_row(
            row,
            household=self.household,
            name=self.name,
            phone=self.phone,
            side=self.side,
            tags=self.tags,
            primary=self.primary,
            problems=[problem] if problem else (),
            do_not_message=self.do_not_message,
            consent=consent,
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
    consent: ConsentInput | None = strawberry.UNSET
    """The household agreed to be messaged, on all of its phones; null: taken off the record."""

    def changes(self) -> dict[str, Any]:
        names = ("name", "side", "tags", "delivery_phone", "inviteable", "archived")
        return {name: given(getattr(self, name)) for name in names} | {"consent": _consent(self.consent)}


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
    consent: ConsentInput | None = strawberry.UNSET
    """The guest agreed to be messaged; null: taken off the record."""

    def changes(self) -> dict[str, Any]:
        names = ("name", "phone", "guest_unit_id", "archived")
        return {name: given(getattr(self, name)) for name in names} | {"consent": _consent(self.consent)}


def _consent(consent: Any) -> Any:
    return consent.to_domain() if isinstance(consent, ConsentInput) else given(consent)


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
