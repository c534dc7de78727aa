"""What a guest list changes: a pure function of who is known and what the rows say.

The same list imported again changes nothing, always. Where rows contradict each other, a value that is stored and that
some row gives stays, else the first one given is taken; and names are looked for when all phones are in place.

* A row is the person with its phone; without a usable phone, the person of that name in that household.
* A second name on one phone is kept beside the first: the phone is what receives, so it is one person here.
* A person is in one active household at a time. A phone that is active elsewhere stays there; the row's household gets it
  as delivery phone if it has no other, so that nobody is left out and the phone still receives once. It keeps it when
  it gets a phone of its own later: who receives for a household is then the operator's to say.
* A person is inactive when archived, without household, or in an archived household. A row makes an inactive person
  active again, in the row's household.
* A row that must not be messaged puts the person's phone, and every other number of the row, on the Do-Not-Message list,
  whatever else the list says; where there is none, its household is no longer inviteable. A consent is recorded where none
  is, and never taken away.
* Tags are added, never taken away. Households without a name of their own are named after the person.
"""

from collections.abc import Sequence

from app.domain import ids
from app.domain.enums import PhoneStatus, Side
from app.domain.guest_list import MAX_TAGS, GuestRow, household_key, tag_key
from app.domain.import_plan import ImportPlan, Known, ListedBlock, ListedConsent, Person, RowResult, Unit
from app.domain.import_wishes import Wishes, choose
from app.domain.phone import Phone
from app.domain.text import name_key

NAMELESS = "Guest"
"""How a person is called for whom the list gives neither a name nor a household: fit for "Dear Guest"."""
MAX_ALSO_KNOWN_AS = 20


def plan_import(known: Known, rows: Sequence[tuple[GuestRow, Phone]]) -> ImportPlan:
    """Judge every row; results in the order of the list. ``known`` is used up: its people become the new state."""
    return _Planner(known).plan(rows)


class _Planner:
    def __init__(self, known: Known) -> None:
        self._people = known.people
        self._tag_ids = known.tags
        self._by_phone = {person.phone: person for person in known.people if person.phone}
        self._units: dict[str, Unit] = {}
        for unit in sorted(known.units.values(), key=lambda unit: unit.archived):
            self._units.setdefault(unit.key, unit)
        self._namesakes: dict[tuple[str, str], list[Person]] = {}
        for person in known.people:
            self._index(person)
        self._dormant = {
            person.id for person in known.people if person.archived or person.unit is None or person.unit.archived
        }
        self._new_units: dict[str, Unit] = {}
        self._changed_units: dict[str, Unit] = {}
        self._new_people: dict[str, Person] = {}
        self._changed_people: dict[str, Person] = {}
        self._new_tags: list[tuple[str, str, str]] = []
        self._new_unit_tags: list[tuple[str, str]] = []
        self._wishes: dict[str, tuple[Unit, Wishes]] = {}
        self._raw_phones: dict[str, tuple[Person, list[tuple[str, RowResult]]]] = {}
        self._first_rows: dict[str, int] = {}
        self._blocked = known.blocked
        self._new_blocks: list[ListedBlock] = []
        self._new_consents: list[ListedConsent] = []

    def plan(self, rows: Sequence[tuple[GuestRow, Phone]]) -> ImportPlan:
        results = [
            RowResult(row.row, row.name or None, phone.raw or None, phone.status, list(row.problems))
            for row, phone in rows
        ]
        placed: dict[int, tuple[Person, Unit]] = {}
        for index in sorted(range(len(rows)), key=lambda index: self._turn(rows[index][1])):
            placed[index] = self._place(*rows[index], results[index])
        for index, (row, phone) in enumerate(rows):
            person, unit = placed[index]
            self._say_phone(person, phone, results[index])
            self._say_household(unit, row, phone, results[index])
            self._say_policy(person, unit, row, phone, results[index])
        self._settle()
        return ImportPlan(
            list(self._new_units.values()),
            list(self._changed_units.values()),
            list(self._new_people.values()),
            list(self._changed_people.values()),
            self._new_tags,
            self._new_unit_tags,
            self._new_blocks,
            self._new_consents,
            results,
        )

    def _turn(self, phone: Phone) -> int:
        """Known phones, then new ones, then names alone: so that everybody is in place when a name is looked for, and
        the next import of the list looks among the same people.
        """
        return 2 if phone.e164 is None else 0 if phone.e164 in self._by_phone else 1

    def _place(self, row: GuestRow, phone: Phone, result: RowResult) -> tuple[Person, Unit]:
        """Find or make the row's person and household."""
        name = row.name or row.household or NAMELESS
        person = self._by_phone.get(phone.e164) if phone.e164 else None
        person = person or self._namesake(household_key(row.household or name), name_key(name), phone)
        unit = self._unit_of(row, person) or self._new_unit(row.household or name, result)
        if unit.archived:
            unit.archived = False
            result.reactivated = True
            self._unit_changed(unit, result)
        if person is None:
            person = self._new_person(unit, name, phone, result)
        else:
            self._meet(person, unit, row, phone, result)
        self._first_rows.setdefault(person.id, row.row)
        result.newcomer = person.id in self._new_people
        result.unit_id = unit.id
        return person, unit

    def _unit_of(self, row: GuestRow, person: Person | None) -> Unit | None:
        """The household that a row speaks of; None asks for a new one, as strangers may share a name."""
        home = person.unit if person else None
        key = household_key(row.household) if row.household else home.key if home else None
        if person and home and home.key == key and person.id not in self._dormant:
            return home
        return self._units.get(key) if key else None

    def _namesake(self, unit_key: str, key: str, phone: Phone) -> Person | None:
        """The person of this name in a household of this name, the oldest active one before one who is not.

        With another usable phone they are somebody else.
        """
        fitting = [
            person
            for person in self._namesakes.get((unit_key, key), ())
            # Who came back in another household is nobody of this one any more.
            if person.unit and person.unit.key == unit_key and not (phone.e164 and person.phone)
        ]
        return min(fitting, key=lambda person: (person.id in self._dormant, person.id), default=None)

    def _index(self, person: Person) -> None:
        if person.unit:
            self._namesakes.setdefault((person.unit.key, person.key), []).append(person)

    def _new_unit(self, name: str, result: RowResult) -> Unit:
        unit = Unit(ids.new_id(ids.GUEST_UNIT), name, household_key(name), Side.NEUTRAL, None, archived=False)
        self._units.setdefault(unit.key, unit)
        self._new_units[unit.id] = unit
        result.changed = True
        return unit

    def _new_person(self, unit: Unit, name: str, phone: Phone, result: RowResult) -> Person:
        person = Person(
            ids.new_id(ids.PERSON), unit, name, name_key(name), [], phone.raw or None, phone.e164, phone.status, archived=False
        )  # fmt: skip
        self._people.append(person)
        self._new_people[person.id] = person
        self._index(person)
        if person.phone:
            self._by_phone[person.phone] = person
        result.created = True
        return person

    def _meet(self, person: Person, unit: Unit, row: GuestRow, phone: Phone, result: RowResult) -> None:
        """A row of somebody who is known, from the workspace or from an earlier row."""
        if person.id in self._dormant:
            self._dormant.discard(person.id)
            result.reactivated = True
            result.notes.append("Was archived and is active again.")
            if person.archived or person.unit is not unit:
                person.archived, person.unit = False, unit
                self._index(person)
                self._person_changed(person, result)
        elif person.unit is not unit and person.unit:
            result.notes.append(f"This phone is {person.name}’s in household “{person.unit.name}” and stays there.")
            if phone.e164:
                self._wish(unit).shared.append((phone.e164, result))
        if phone.e164 and person.phone is None:
            person.phone, person.raw_phone, person.status = phone.e164, phone.raw, phone.status
            self._by_phone[phone.e164] = person
            self._person_changed(person, result)
        if row.name and name_key(row.name) != person.key:
            self._also_known_as(person, row.name, result)
        elif person.unit is unit and (first := self._first_rows.get(person.id)):
            result.notes.append(f"Same guest as row {first}.")

    def _also_known_as(self, person: Person, name: str, result: RowResult) -> None:
        first = self._first_rows.get(person.id)
        where = f" in row {first}" if first else ""
        result.notes.append(f"Same phone as {person.name}{where}: kept as one guest with both names.")
        if name_key(name) in {name_key(other) for other in person.also_known_as}:
            return
        if len(person.also_known_as) == MAX_ALSO_KNOWN_AS:
            result.notes.append(f"This name was left out: more than {MAX_ALSO_KNOWN_AS} names have one phone.")
            return
        person.also_known_as = [*person.also_known_as, name]
        self._person_changed(person, result)

    def _say_phone(self, person: Person, phone: Phone, result: RowResult) -> None:
        if phone.e164:
            return
        malformed = phone.status is PhoneStatus.MALFORMED
        trouble = "This phone number cannot be read" if malformed else "No phone number"
        if person.phone:
            result.notes.append(f"{trouble}: the one that is known stays.")
            return
        until = "it is corrected" if malformed else "one is added"
        result.notes.append(f"{trouble}: kept in the list, cannot be invited until {until}.")
        if malformed:
            self._raw_phones.setdefault(person.id, (person, []))[1].append((phone.raw, result))

    def _say_household(self, unit: Unit, row: GuestRow, phone: Phone, result: RowResult) -> None:
        if row.side:
            self._wish(unit).sides.append((row.side, result))
        if row.primary and phone.e164:
            self._wish(unit).primaries.append((phone.e164, result))
        elif row.primary:
            result.notes.append("Marked primary, but has no phone that could receive for the household.")
        for tag in row.tags:
            key = tag_key(tag)
            if key in unit.tags:
                continue
            if len(unit.tags) >= MAX_TAGS:
                result.notes.append(f"Tags were left out: a household has at most {MAX_TAGS}.")
                break
            unit.tags.add(key)
            self._new_unit_tags.append((unit.id, self._tag_id(tag, key)))
            self._unit_changed(unit, result)

    def _say_policy(self, person: Person, unit: Unit, row: GuestRow, phone: Phone, result: RowResult) -> None:
        if row.do_not_message is not None:
            numbers = dict.fromkeys(filter(None, (person.phone, phone.e164, *phone.others)))
            self._block(list(numbers), row, row.do_not_message, result)
            if not numbers:
                self._do_not_invite(unit, result)
        if row.consent is not None and not person.consents:
            person.consents = True
            self._new_consents.append(ListedConsent(person.id, row.row, row.consent))
            result.changed = True

    def _block(self, numbers: Sequence[str], row: GuestRow, text: str, result: RowResult) -> None:
        """All numbers of the person: on which of them they are on WhatsApp, the list does not say."""
        new = [number for number in numbers if number not in self._blocked]
        if not new:
            return
        self._blocked.update(new)
        self._new_blocks += [ListedBlock(number, row.row, text) for number in new]
        what = "This phone is" if len(new) == 1 else f"{len(new)} phones of this guest are"
        result.notes.append(f"{what} on the Do-Not-Message list now.")
        result.changed = True

    def _do_not_invite(self, unit: Unit, result: RowResult) -> None:
        """Whoever has no phone yet could not be told from others once there is one."""
        result.notes.append(
            "Must not be messaged, but there is no phone to put on the Do-Not-Message list: the household is not invited. "
            "Put the phone on the list when one is added, before the household is invited again."
        )
        if unit.inviteable:
            unit.inviteable = False
            self._unit_changed(unit, result)

    def _tag_id(self, name: str, key: str) -> str:
        if key not in self._tag_ids:
            self._tag_ids[key] = ids.new_id(ids.TAG)
            self._new_tags.append((self._tag_ids[key], name, key))
        return self._tag_ids[key]

    def _settle(self) -> None:
        """Decide what rows may have said differently, once all of them are known."""
        for person, given in self._raw_phones.values():
            raw, giver = choose(person.raw_phone, given)
            if giver:
                person.raw_phone, person.status = raw, PhoneStatus.MALFORMED
                self._person_changed(person, giver)
        reachable = {person.unit.id for person in self._people if person.phone and person.unit and not person.archived}
        for unit, wishes in self._wishes.values():
            for giver in wishes.settle(unit, new=unit.id in self._new_units, reachable=unit.id in reachable):
                self._unit_changed(unit, giver)

    def _wish(self, unit: Unit) -> Wishes:
        return self._wishes.setdefault(unit.id, (unit, Wishes()))[1]

    def _unit_changed(self, unit: Unit, result: RowResult) -> None:
        result.changed = True
        if unit.id not in self._new_units:
            self._changed_units[unit.id] = unit

    def _person_changed(self, person: Person, result: RowResult) -> None:
        result.changed = True
        if person.id not in self._new_people:
            self._changed_people[person.id] = person
