"""From a selection of households to the phones that will receive: pure, deterministic, one function for every caller.

Preview, precheck, send and retry all resolve through ``select`` and ``resolve``; that they agree is not a coincidence.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.enums import InviteCoverage, PhoneStatus, Side
from app.domain.search import fold


@dataclass(frozen=True, slots=True)
class Audience:
    """All given filters hold together (AND, also between tags); then includes are added and excludes win."""

    side: Side | None = None
    tags: tuple[str, ...] = ()
    search: str | None = None
    coverage: tuple[InviteCoverage, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    name_key: str
    phone: str | None
    phone_status: PhoneStatus
    consents: bool


@dataclass(frozen=True, slots=True)
class Unit:
    """A household that is not archived, with its people that are not archived, in order of creation."""

    id: str
    name: str
    name_key: str
    side: Side
    delivery_phone: str | None
    inviteable: bool
    tags: frozenset[str] = frozenset()
    """Tag keys."""
    people: tuple[Person, ...] = ()
    consents: bool = False
    """The household as a whole, for every phone of it."""


@dataclass(frozen=True, slots=True)
class AudienceTrace:
    """How many households are left after each step, and how many phones they come to."""

    units: int
    after_side: int
    after_tags: int
    after_search: int
    after_coverage: int
    included: int
    excluded: int
    selected_units: int
    recipients: int
    without_phone: int
    shared_phones: int


@dataclass(frozen=True, slots=True)
class Source:
    """A household that a recipient stands for; the person is null when the household's own phone is nobody's."""

    guest_unit_id: str
    person_id: str | None


@dataclass(slots=True)
class Target:
    """One phone that receives, or one household that has none (``phone`` null, ``phone_status`` says why)."""

    phone: str | None
    phone_status: PhoneStatus
    recipient_name: str
    household_name: str
    inviteable: bool
    consents: bool
    sources: list[Source] = field(default_factory=list)


def select(
    units: Sequence[Unit], audience: Audience, coverage: Mapping[str, InviteCoverage], tag_key: Mapping[str, str]
) -> tuple[list[Unit], list[Target], AudienceTrace]:
    """The selected households in order of name, their targets, and the counts of the way there.

    ``coverage`` gives the event's coverage of each household that was tried; ``tag_key`` the key of each tag as written.
    """
    after_side = [unit for unit in units if audience.side is None or unit.side is audience.side]
    wanted_tags = {tag_key[tag] for tag in audience.tags}
    after_tags = [unit for unit in after_side if wanted_tags <= unit.tags]
    after_search = _search(after_tags, audience.search)
    wanted = set(audience.coverage)
    after_coverage = [
        unit for unit in after_search if not wanted or coverage.get(unit.id, InviteCoverage.NOT_TRIED) in wanted
    ]
    chosen = {unit.id for unit in after_coverage}
    include, exclude = set(audience.include), set(audience.exclude)
    known = {unit.id for unit in units}
    added = (include & known) - chosen
    taken = (chosen | added) & exclude
    final = (chosen | added) - exclude
    selected = sorted((unit for unit in units if unit.id in final), key=lambda unit: (unit.name_key, unit.id))
    targets = resolve(selected)
    return (
        selected,
        targets,
        AudienceTrace(
            units=len(units),
            after_side=len(after_side),
            after_tags=len(after_tags),
            after_search=len(after_search),
            after_coverage=len(after_coverage),
            included=len(added),
            excluded=len(taken),
            selected_units=len(selected),
            recipients=sum(target.phone is not None for target in targets),
            without_phone=sum(target.phone is None for target in targets),
            shared_phones=sum(shares(target) for target in targets),
        ),
    )


def _search(units: list[Unit], search: str | None) -> list[Unit]:
    needle = fold(search or "")
    if not needle:
        return units
    # A national number is typed with its trunk zero, E.164 has none.
    digits = needle.lstrip("0") if needle.isascii() and needle.isdecimal() else ""

    def matches(unit: Unit) -> bool:
        if needle in unit.name_key or any(needle in person.name_key for person in unit.people):
            return True
        phones = (unit.delivery_phone, *(person.phone for person in unit.people))
        return bool(digits) and any(phone is not None and digits in phone for phone in phones)

    return [unit for unit in units if matches(unit)]


def resolve(units: Iterable[Unit]) -> list[Target]:
    """The recipient targets of households in their order: the household's own phone first, else its members' phones.

    A phone that several households share is one target with several sources: it gets one message.
    """
    by_phone: dict[str, Target] = {}
    targets: list[Target] = []
    for unit in units:
        reached = False
        for phone, person in _phones(unit):
            reached = True
            consents = unit.consents or (person is not None and person.consents)
            target = by_phone.get(phone)
            if target is None:
                target = by_phone[phone] = Target(
                    phone=phone,
                    phone_status=PhoneStatus.VALID,
                    recipient_name=person.name if person else unit.name,
                    household_name=unit.name,
                    inviteable=unit.inviteable,
                    consents=consents,
                )
                targets.append(target)
            target.inviteable = target.inviteable or unit.inviteable
            target.consents = target.consents or consents
            target.sources.append(Source(unit.id, person.id if person else None))
        if not reached:
            malformed = any(person.phone_status is PhoneStatus.MALFORMED for person in unit.people)
            targets.append(
                Target(
                    phone=None,
                    phone_status=PhoneStatus.MALFORMED if malformed else PhoneStatus.MISSING,
                    recipient_name=unit.name,
                    household_name=unit.name,
                    inviteable=unit.inviteable,
                    consents=False,
                    sources=[Source(unit.id, None)],
                )
            )
    return targets


def _phones(unit: Unit) -> list[tuple[str, Person | None]]:
    if unit.delivery_phone is not None:
        owner = next((person for person in unit.people if person.phone == unit.delivery_phone), None)
        return [(unit.delivery_phone, owner)]
    return [(person.phone, person) for person in unit.people if person.phone is not None]


def shares(target: Target) -> bool:
    """True when the phone stands for more than one household."""
    return target.phone is not None and len({source.guest_unit_id for source in target.sources}) > 1


def matching(targets: Iterable[Target], wanted: Collection[Source]) -> list[Target]:
    """The targets that stand for one of ``wanted`` (the sources of an earlier run's messages).

    A person counts for itself, in whatever household it is now. Where either side is the household as a whole (its own
    phone, or none at all) the household counts, so that a corrected or newly added phone is found.
    """
    people = {source.person_id for source in wanted if source.person_id is not None}
    whole = {source.guest_unit_id for source in wanted if source.person_id is None}
    touched = {source.guest_unit_id for source in wanted}
    return [
        target
        for target in targets
        if any(
            (source.person_id is not None and source.person_id in people)
            or source.guest_unit_id in whole
            or (source.person_id is None and source.guest_unit_id in touched)
            for source in target.sources
        )
    ]
