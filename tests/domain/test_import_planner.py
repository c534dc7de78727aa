"""The rules of an import, as stories and as properties. Pure: no database."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.enums import ImportOutcome, PhoneStatus, Side
from app.domain.guest_list import MAX_TAGS, GuestRow, household_key, make_row
from app.domain.import_plan import ImportPlan, Known, Person, Unit
from app.domain.import_planner import MAX_ALSO_KNOWN_AS, NAMELESS, plan_import
from app.domain.phone import normalise

CREATED, UPDATED, UNCHANGED, REACTIVATED, MALFORMED, NO_PHONE = ImportOutcome
P1, P2, P3 = "+919876543210", "+919876543211", "+919876543212"


def row(
    name: str, phone: str | None = None, household: str | None = None, *, side: Side | None = None,
    tags: Iterable[str] = (), primary: bool = False,
) -> GuestRow:  # fmt: skip
    return make_row(1, household=household, name=name, phone=phone, side=side, tags=tags, primary=primary)


class Guests:
    """A workspace in memory that lists are imported into."""

    def __init__(self) -> None:
        self.known = Known({}, [], {})

    def take(self, *rows: GuestRow) -> list[ImportOutcome]:
        """Import; returns the outcomes. ``plan`` holds the rest."""
        numbered = [
            make_row(
                number, household=each.household, name=each.name, phone=each.phone, side=each.side, tags=each.tags,
                primary=each.primary,
            )
            for number, each in enumerate(rows, start=1)
        ]  # fmt: skip
        self.plan: ImportPlan = plan_import(self.known, [(each, normalise(each.phone, "IN")) for each in numbered])
        self.known.units |= {unit.id: unit for unit in self.plan.new_units}
        return [result.outcome for result in self.plan.results]

    def messages(self) -> list[str]:
        return [result.message or "" for result in self.plan.results]

    def person(self, name: str) -> Person:
        (found,) = [person for person in self.known.people if person.name == name]
        return found

    def unit(self, name: str) -> Unit:
        (found,) = [unit for unit in self.known.units.values() if unit.name == name]
        return found

    def home(self, name: str) -> str:
        unit = self.person(name).unit
        assert unit
        return unit.name


@pytest.fixture
def guests() -> Guests:
    return Guests()


def test_people_of_one_household_however_it_is_written(guests: Guests) -> None:
    assert guests.take(row("Ravi", P1, "The Raos"), row("Sita", P2, "  the  RAOS ")) == [CREATED, CREATED]
    assert [unit.name for unit in guests.known.units.values()] == ["The Raos"]


def test_without_household_each_guest_is_one_of_their_own(guests: Guests) -> None:
    """Two strangers of one name are two."""
    assert guests.take(row("Ravi", P1), row("Ravi", P2), row("Sita")) == [CREATED, CREATED, NO_PHONE]
    assert sorted(unit.name for unit in guests.known.units.values()) == ["Ravi", "Ravi", "Sita"]
    assert guests.take(row("Ravi", P1), row("Ravi", P2), row("Sita")) == [UNCHANGED] * 3


def test_a_guest_without_household_does_not_join_one_of_that_name(guests: Guests) -> None:
    guests.take(row("Sita", P1, "Ravi"))
    again = [row("Ravi", "123"), row("Sita", P1, "Ravi")]
    assert guests.take(*again) == [MALFORMED, UNCHANGED]
    assert len(guests.known.units) == 2
    assert guests.take(*again) == [UNCHANGED, UNCHANGED]


def test_malformed_and_missing_phones_are_kept_and_reported_once(guests: Guests) -> None:
    again = [row("Ravi", "call Sita", "Rao"), row("Sita", None, "Rao")]
    assert guests.take(*again) == [MALFORMED, NO_PHONE]
    ravi, sita = guests.person("Ravi"), guests.person("Sita")
    assert (ravi.status, ravi.phone, ravi.raw_phone) == (PhoneStatus.MALFORMED, None, "call Sita")
    assert (sita.status, sita.phone, sita.raw_phone) == (PhoneStatus.MISSING, None, None)
    assert guests.messages() == [
        "This phone number cannot be read: kept in the list, cannot be invited until it is corrected.",
        "No phone number: kept in the list, cannot be invited until one is added.",
    ]
    assert guests.take(*again) == [UNCHANGED, UNCHANGED]


def test_a_phone_that_comes_later_is_taken(guests: Guests) -> None:
    guests.take(row("Ravi", "call Sita", "Rao"), row("Sita", None, "Rao"))
    assert guests.take(row("Ravi", P1, "Rao"), row("Sita", "12", "Rao")) == [UPDATED, MALFORMED]
    assert (guests.person("Ravi").phone, guests.person("Ravi").status) == (P1, PhoneStatus.VALID)
    assert guests.person("Sita").raw_phone == "12"
    assert guests.take(row("Ravi", None, "Rao"), row("Ravi", "12", "Rao")) == [UNCHANGED, UNCHANGED]
    assert "the one that is known stays" in guests.messages()[0]
    assert guests.person("Ravi").phone == P1


def test_a_name_alone_is_looked_for_when_those_with_phones_are_in_place(guests: Guests) -> None:
    """Wherever the rows stand: else the same list would find other people the next time."""
    guests.take(row("Ravi", P1, "Rao"))
    guests.person("Ravi").unit = None
    again = [
        row("Ravi", None, "Iyer", tags=["vip"]),
        row("Sita", None, "Iyer"),
        row("Sita", P2, "Iyer"),
        row("Ravi", P1, "Iyer"),
    ]
    assert guests.take(*again) == [NO_PHONE, NO_PHONE, CREATED, REACTIVATED]
    assert [person.name for person in guests.known.people] == ["Ravi", "Sita"]
    assert guests.messages()[1].startswith("Same guest as row 3.")
    assert guests.take(*again) == [UNCHANGED] * 4


def test_another_malformed_phone_replaces_the_first_unless_both_are_in_the_list(guests: Guests) -> None:
    guests.take(row("Ravi", "12", "Rao"))
    assert guests.take(row("Ravi", "34", "Rao")) == [MALFORMED]
    assert guests.person("Ravi").raw_phone == "34"
    assert guests.take(row("Ravi", "12", "Rao"), row("Ravi", "34", "Rao")) == [UNCHANGED, UNCHANGED]


def test_one_name_with_two_phones_in_a_household_is_two_people(guests: Guests) -> None:
    assert guests.take(row("Ravi", P1, "Rao"), row("Ravi", P2, "Rao")) == [CREATED, CREATED]
    assert len(guests.known.people) == 2
    assert len(guests.known.units) == 1


def test_the_same_guest_twice_in_a_list(guests: Guests) -> None:
    assert guests.take(row("Ravi", P1, "Rao"), row("RAVI", "098765 43210", "rao")) == [CREATED, UNCHANGED]
    assert guests.messages() == ["", "Same guest as row 1."]


def test_two_names_on_one_phone_are_one_guest_with_both(guests: Guests) -> None:
    again = [row("Ravi", P1, "Rao"), row("Papa", P1, "Rao"), row("papa", P1, "Rao")]
    assert guests.take(*again) == [CREATED, UPDATED, UNCHANGED]
    assert (guests.person("Ravi").also_known_as, len(guests.known.people)) == (["Papa"], 1)
    assert "one guest with both names" in guests.messages()[1]
    assert guests.take(*again) == [UNCHANGED] * 3


def test_names_on_one_phone_are_bounded(guests: Guests) -> None:
    again = [row(f"Guest number {n}", P1, "Rao") for n in range(MAX_ALSO_KNOWN_AS + 5)]
    outcomes = guests.take(*again)
    assert outcomes == [CREATED] + [UPDATED] * MAX_ALSO_KNOWN_AS + [UNCHANGED] * 4
    assert "left out" in guests.messages()[-1]
    assert guests.take(*again) == [UNCHANGED] * len(again)


def test_a_phone_of_another_household_stays_there_and_receives_for_both(guests: Guests) -> None:
    again = [row("Ravi", P1, "Rao"), row("Asha", P1, "Iyer"), row("Ravi", P1, "Nair"), row("Tara", P3, "Nair")]
    assert guests.take(*again) == [CREATED, UPDATED, UPDATED, CREATED]
    assert guests.home("Ravi") == "Rao"
    assert guests.messages()[1].startswith("This phone is Ravi’s in household “Rao” and stays there.")
    assert "receives on it too" in guests.messages()[1]
    assert guests.unit("Iyer").delivery_phone == P1, "nobody of its own: covered"
    assert guests.unit("Nair").delivery_phone is None, "has a phone of its own, though in a later row"
    assert guests.take(*again) == [UNCHANGED] * 4


def test_the_primary_phone_receives_for_the_household(guests: Guests) -> None:
    again = [
        row("Ravi", P1, "Rao"),
        row("Sita", P2, "Rao", primary=True),
        row("Tara", P3, "Rao", primary=True),
        row("Anu", None, "Rao", primary=True),
    ]
    assert guests.take(*again) == [CREATED, CREATED, CREATED, NO_PHONE]
    assert guests.unit("Rao").delivery_phone == P2
    assert "Another phone" in guests.messages()[2]
    assert guests.messages()[3].endswith("Marked primary, but has no phone that could receive for the household.")
    assert guests.take(*again) == [UNCHANGED] * 4
    assert guests.take(row("Ravi", P1, "Rao", primary=True)) == [UPDATED]
    assert guests.unit("Rao").delivery_phone == P1


def test_sides_that_contradict_each_other_come_to_rest(guests: Guests) -> None:
    again = [row("Ravi", P1, "Rao"), row("Sita", P2, "Rao", side=Side.GROOM), row("Anu", P3, "Rao", side=Side.NEUTRAL)]
    guests.take(*again)
    assert guests.unit("Rao").side is Side.GROOM, "the first that is given; the default is nobody's wish"
    assert guests.take(*again) == [UNCHANGED] * 3
    assert guests.take(row("Ravi", P1, "Rao", side=Side.BRIDE)) == [UPDATED]
    assert guests.unit("Rao").side is Side.BRIDE
    assert guests.take(row("Ravi", P1, "Rao")) == [UNCHANGED]
    assert guests.unit("Rao").side is Side.BRIDE, "nothing said: as it was"


def test_tags_are_added_and_never_taken_away(guests: Guests) -> None:
    guests.take(row("Ravi", P1, "Rao", tags=["VIP"]), row("Sita", P2, "Iyer", tags=["vip "]))
    assert [name for _, name, _ in guests.plan.new_tags] == ["VIP"], "one tag, as first written"
    assert guests.take(row("Ravi", P1, "Rao", tags=["office"])) == [UPDATED]
    assert guests.unit("Rao").tags == {"vip", "office"}
    assert guests.take(row("Ravi", P1, "Rao")) == [UNCHANGED]


def test_a_household_has_a_bounded_number_of_tags(guests: Guests) -> None:
    again = [row(f"Guest {n}", None, "Rao", tags=[f"tag {n}.{m}" for m in range(15)]) for n in range(2)]
    guests.take(*again)
    assert len(guests.unit("Rao").tags) == MAX_TAGS
    assert "Tags were left out" in guests.messages()[1]
    assert guests.take(*again) == [UNCHANGED] * 2


def test_an_archived_guest_comes_back_in_the_household_of_the_row(guests: Guests) -> None:
    guests.take(row("Ravi", P1, "Rao"), row("Sita", P2, "Rao"), row("Anu", "12", "Rao"))
    for name in ("Ravi", "Anu"):
        guests.person(name).archived = True
    again = [row("Ravi", P1, "Iyer"), row("Anu", "12", "Rao")]
    assert guests.take(*again) == [REACTIVATED, MALFORMED]
    assert "is active again" in guests.messages()[1]
    assert (guests.person("Ravi").archived, guests.home("Ravi")) == (False, "Iyer")
    assert guests.take(*again) == [UNCHANGED] * 2


def test_an_archived_household_comes_back_with_those_whom_the_list_names(guests: Guests) -> None:
    guests.take(row("Ravi", P1, "Rao"), row("Sita", P2, "Rao"))
    guests.unit("Rao").archived = True
    assert guests.take(row("Ravi", P1, "Rao"), row("Sita", P2, "Iyer")) == [REACTIVATED, REACTIVATED]
    assert not guests.unit("Rao").archived
    assert (guests.home("Ravi"), guests.home("Sita")) == ("Rao", "Iyer")


def test_an_active_household_is_preferred_to_an_archived_one_of_its_name(guests: Guests) -> None:
    guests.take(row("Ravi", P1, "Rao"))
    guests.unit("Rao").archived = True
    guests.known.units["new"] = Unit("new", "Rao!", household_key("Rao"), Side.BRIDE, None, archived=False)
    assert guests.take(row("Ravi", P1, "Rao")) == [REACTIVATED]
    assert guests.home("Ravi") == "Rao!"
    assert guests.unit("Rao").archived


def test_a_row_without_a_name_is_called_by_its_household(guests: Guests) -> None:
    again = [row("", P1, "Rao"), row("", P2), row("", None), row("", P1, "Rao")]
    assert guests.take(*again) == [CREATED, CREATED, NO_PHONE, UNCHANGED]
    assert [person.name for person in guests.known.people] == ["Rao", NAMELESS]
    assert guests.person("Rao").also_known_as == []
    assert guests.take(*again) == [UNCHANGED] * 4
    assert all("has no name" in message for message in guests.messages())


def test_a_name_that_looks_like_a_formula_is_a_name(guests: Guests) -> None:
    guests.take(row('=HYPERLINK("x")', P1, "@Rao"))
    assert (guests.person('=HYPERLINK("x")').phone, guests.home('=HYPERLINK("x")')) == (P1, "@Rao")


NAMES = st.sampled_from(["Ravi", "Sita", "ravi ", "Rao", ""])
PHONES = st.sampled_from([None, P1, P2, P3, "098765 43210", "12", "34", "n/a"])
ROWS = st.builds(
    row,
    NAMES,
    PHONES,
    st.sampled_from([None, "Rao", "RAO", "Iyer", "Ravi"]),
    side=st.sampled_from([None, *Side]),
    tags=st.lists(st.sampled_from(["vip", "VIP", "office"]), max_size=2),
    primary=st.booleans(),
)
LISTS = st.lists(ROWS, max_size=8)


@settings(max_examples=200, deadline=None)
@given(LISTS, st.data(), LISTS)
def test_importing_a_list_again_changes_nothing_whoever_was_there(
    before: list[GuestRow], data: st.DataObject, rows: list[GuestRow]
) -> None:
    guests = Guests()
    guests.take(*before)
    for unit in guests.known.units.values():
        unit.archived = data.draw(st.booleans())
    for person in guests.known.people:
        person.archived = data.draw(st.booleans())
        if data.draw(st.booleans()):
            person.unit = None
    guests.take(*rows)
    _nobody_vanished(guests, rows)
    assert guests.take(*rows) == [UNCHANGED] * len(rows)
    plan = guests.plan
    assert not any(
        (plan.new_units, plan.changed_units, plan.new_people, plan.changed_people, plan.new_tags, plan.new_unit_tags)
    )


def _nobody_vanished(guests: Guests, rows: list[GuestRow]) -> None:
    active = [
        person for person in guests.known.people if not person.archived and person.unit and not person.unit.archived
    ]
    phones = [person.phone for person in guests.known.people if person.phone]
    assert len(phones) == len(set(phones)), "one person per phone"
    reachable = {person.unit.id for person in active if person.phone and person.unit}
    for each, result in zip(rows, guests.plan.results, strict=True):
        unit = guests.known.units[result.unit_id]
        assert not unit.archived
        if e164 := normalise(each.phone, "IN").e164:
            assert e164 in {person.phone for person in active}
            assert unit.delivery_phone or unit.id in reachable, "a household with a usable phone is reached"
