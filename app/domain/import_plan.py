"""The shapes of an import's plan: who is known, what became of each row, what is to be written."""

from collections import Counter
from dataclasses import dataclass, field

from app.domain.consent import Consent
from app.domain.enums import ImportOutcome, PhoneStatus, Side


@dataclass(slots=True)
class Unit:
    """A household, as stored or as it will be."""

    id: str
    name: str
    key: str
    side: Side
    delivery_phone: str | None
    archived: bool
    inviteable: bool = True
    tags: set[str] = field(default_factory=set)
    """Keys of its tags."""


@dataclass(slots=True)
class Person:
    """A guest, as stored or as they will be."""

    id: str
    unit: Unit | None
    name: str
    key: str
    also_known_as: list[str]
    raw_phone: str | None
    phone: str | None
    status: PhoneStatus
    archived: bool
    consents: bool = False
    """A consent is on record."""


@dataclass(slots=True)
class Known:
    """Everybody in the workspace before the import, oldest first."""

    units: dict[str, Unit]
    people: list[Person]
    tags: dict[str, str]
    """Tag key → tag id."""
    blocked: set[str] = field(default_factory=set)
    """Phones on the workspace's own Do-Not-Message list."""


@dataclass(frozen=True, slots=True)
class ListedBlock:
    """A phone that the list says must not be messaged."""

    phone: str
    row: int
    text: str
    """What the list says of it."""


@dataclass(frozen=True, slots=True)
class ListedConsent:
    person_id: str
    row: int
    consent: Consent


@dataclass(slots=True)
class RowResult:
    row: int
    name: str | None
    phone: str | None
    """As it was given."""
    status: PhoneStatus
    notes: list[str]
    unit_id: str = ""
    created: bool = False
    changed: bool = False
    reactivated: bool = False
    newcomer: bool = False
    """The person came with this list, perhaps by an earlier row."""

    @property
    def outcome(self) -> ImportOutcome:
        if self.status is not PhoneStatus.VALID and (self.changed or self.newcomer):
            missing = self.status is PhoneStatus.MISSING
            return ImportOutcome.SKIPPED_NO_PHONE if missing else ImportOutcome.WARNING_MALFORMED_PHONE
        if self.created:
            return ImportOutcome.CREATED
        if self.reactivated:
            return ImportOutcome.REACTIVATED
        return ImportOutcome.UPDATED if self.changed else ImportOutcome.UNCHANGED

    @property
    def message(self) -> str | None:
        return " ".join(self.notes) or None


@dataclass(slots=True)
class ImportPlan:
    """What to write. No row of the database is in two of the lists, but for a consent, which comes after its person."""

    new_units: list[Unit]
    changed_units: list[Unit]
    new_people: list[Person]
    changed_people: list[Person]
    new_tags: list[tuple[str, str, str]]
    """Id, name, key."""
    new_unit_tags: list[tuple[str, str]]
    """Unit id, tag id."""
    new_blocks: list[ListedBlock]
    new_consents: list[ListedConsent]
    results: list[RowResult]

    def outcomes(self) -> dict[str, int]:
        """How many rows had each outcome, zeros too."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome.value: counted[outcome] for outcome in ImportOutcome}
