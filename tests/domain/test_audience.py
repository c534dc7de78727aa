"""From households to phones: selection, counts and resolution."""

import pytest

from app.domain.audience import Audience, Person, Source, Unit, matching, resolve, select
from app.domain.eligibility import RULES
from app.domain.enums import InviteCoverage, PhoneStatus, RejectionReason, Side
from app.domain.guest_list import tag_key
from app.domain.text import name_key


def person(key: str, phone: str | None = None, status: PhoneStatus | None = None) -> Person:
    status = status or (PhoneStatus.VALID if phone else PhoneStatus.MISSING)
    return Person(f"per_{key}", key, name_key(key), phone, status, consents=False)


def unit(key: str, *people: Person, side: Side = Side.NEUTRAL, phone: str | None = None, tags: str = "") -> Unit:
    return Unit(key, key, name_key(key), side, phone, inviteable=True, tags=frozenset(tags.split()), people=people)


UNITS = [
    unit("Rao", person("Anita", "+911"), person("Dev", "+912"), side=Side.BRIDE, tags="vip family"),
    unit("Iyer", person("Ila", "+913"), side=Side.BRIDE, tags="family"),
    unit("Khan", person("Zoya", None), side=Side.GROOM),
    unit("Shah", person("Ravi", None, PhoneStatus.MALFORMED), person("Om", None), side=Side.GROOM),
    unit("Müller", person("Anita", "+914"), phone="+919", tags="vip"),
    unit("Same", phone="+913"),
]


def chosen(audience: Audience, coverage: dict[str, InviteCoverage] | None = None) -> list[str]:
    selected, _, trace = select(UNITS, audience, coverage or {}, {tag: tag_key(tag) for tag in audience.tags})
    assert trace.selected_units == len(selected)
    assert trace.units == len(UNITS)
    return [unit.id for unit in selected]


@pytest.mark.parametrize(
    ("audience", "ids"),
    [
        (Audience(), ["Iyer", "Khan", "Müller", "Rao", "Same", "Shah"]),
        (Audience(side=Side.BRIDE), ["Iyer", "Rao"]),
        (Audience(tags=("Family ", "VIP")), ["Rao"]),
        (Audience(search="mull"), ["Müller"]),
        (Audience(search="anita"), ["Müller", "Rao"]),
        (Audience(search="0912"), ["Rao"]),
        (Audience(side=Side.BRIDE, include=("Khan", "Iyer", "gone")), ["Iyer", "Khan", "Rao"]),
        (Audience(side=Side.BRIDE, include=("Khan",), exclude=("Khan", "Rao")), ["Iyer"]),
        (Audience(coverage=(InviteCoverage.NOT_TRIED,)), ["Iyer", "Khan", "Müller", "Same", "Shah"]),
        (Audience(coverage=(InviteCoverage.READ, InviteCoverage.FAILED)), ["Rao"]),
    ],
)
def test_filters_hold_together_and_excludes_win(audience: Audience, ids: list[str]) -> None:
    assert chosen(audience, {"Rao": InviteCoverage.READ}) == ids


def test_the_trace_counts_every_step() -> None:
    *_, trace = select(
        UNITS,
        Audience(side=Side.BRIDE, tags=("vip",), include=("Khan", "Same", "Iyer"), exclude=("Rao", "Shah")),
        {},
        {"vip": "vip"},
    )
    assert (trace.after_side, trace.after_tags, trace.after_search, trace.after_coverage) == (2, 1, 1, 1)
    assert (trace.included, trace.excluded, trace.selected_units) == (3, 1, 3)
    assert (trace.recipients, trace.without_phone, trace.shared_phones) == (1, 1, 1)


def test_the_households_phone_comes_first_else_its_members() -> None:
    targets = {target.phone or target.household_name: target for target in resolve(UNITS)}
    assert set(targets) == {"+911", "+912", "+913", "+919", "Khan", "Shah"}
    assert targets["+919"].sources == [Source("Müller", None)]
    assert targets["+913"].sources == [Source("Iyer", "per_Ila"), Source("Same", None)]
    assert targets["+913"].recipient_name == "Ila"
    assert targets["Khan"].phone_status is PhoneStatus.MISSING
    assert targets["Shah"].phone_status is PhoneStatus.MALFORMED


def test_a_delivery_phone_that_is_a_members_names_the_member() -> None:
    (target,) = resolve([unit("Rao", person("Anita", "+911"), person("Dev", "+912"), phone="+912")])
    assert (target.recipient_name, target.sources) == ("Dev", [Source("Rao", "per_Dev")])


def test_a_retry_finds_the_person_and_a_household_whose_phone_was_added_since() -> None:
    targets = resolve(UNITS)
    assert [target.phone for target in matching(targets, [Source("Rao", "per_Dev")])] == ["+912"]
    corrected = resolve([unit("Khan", person("Zoya", "+915"))])
    assert [target.phone for target in matching(corrected, [Source("Khan", None)])] == ["+915"]
    moved = resolve([unit("Rao", person("Anita", "+911"), phone="+916")])
    assert [target.phone for target in matching(moved, [Source("Rao", "per_Anita")])] == ["+916"]


def test_every_reason_has_exactly_one_rule_and_do_not_message_stands_first() -> None:
    assert sorted(reason for reason, _ in RULES) == sorted(RejectionReason)
    assert RULES[0][0] is RejectionReason.DO_NOT_MESSAGE
