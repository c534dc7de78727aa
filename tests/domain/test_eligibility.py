"""Who may be messaged: the table reads as the specification, from the strongest rule to the weakest."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from app.domain.audience import Person, Unit, resolve
from app.domain.eligibility import CAUTIONS, RULES, Situation, Undertaking, cautions, judge
from app.domain.enums import PhoneStatus, RejectionReason, Side, TemplateCategory, WarningCode
from app.domain.reach import daily_limit, is_reachable

GOOD = Situation(
    phone_status=PhoneStatus.VALID, blocked=False, inviteable=True, live=False, repeat_accepted=False, cooling=False,
    reachable=True, consent_required=False, consents=False, values_complete=True,
)  # fmt: skip

SPECIFICATION: list[tuple[RejectionReason, list[dict[str, Any]], list[dict[str, Any]]]] = [
    # reason, what makes it so, what comes near and does not
    (RejectionReason.DO_NOT_MESSAGE, [{"blocked": True}], []),
    (RejectionReason.MISSING_PHONE, [{"phone_status": PhoneStatus.MISSING}], []),
    (RejectionReason.MALFORMED_PHONE, [{"phone_status": PhoneStatus.MALFORMED}], []),
    (RejectionReason.NOT_INVITEABLE, [{"inviteable": False}], []),
    (RejectionReason.ALREADY_INVITED, [{"live": True}], [{"live": True, "repeat_accepted": True}]),
    (
        RejectionReason.CONSENT_MISSING,
        [{"consent_required": True}],
        [{"consent_required": True, "consents": True}, {"consents": False}],
    ),
    (RejectionReason.COUNTRY_NOT_REACHABLE, [{"reachable": False}], []),
    (RejectionReason.RECIPIENT_COOLING_DOWN, [{"cooling": True}], []),
    (RejectionReason.MISSING_TEMPLATE_VALUE, [{"values_complete": False}], []),
]


def test_whoever_is_in_order_may_be_messaged() -> None:
    assert judge(GOOD) is None


@pytest.mark.parametrize(("reason", "so", "near"), SPECIFICATION, ids=lambda value: str(value)[:40])
def test_each_rule(reason: RejectionReason, so: list[dict[str, Any]], near: list[dict[str, Any]]) -> None:
    assert [judge(replace(GOOD, **change)) for change in so] == [reason] * len(so)
    assert [judge(replace(GOOD, **change)) for change in near] == [None] * len(near)


def test_of_two_rules_the_earlier_is_the_reason() -> None:
    for (stronger, so, _), (_, also, _) in combinations(SPECIFICATION, 2):
        assert judge(replace(GOOD, **also[0] | so[0])) is stronger


@pytest.mark.parametrize("change", [{"repeat_accepted": True}, {"consent_required": True, "consents": True}])
def test_nothing_lifts_do_not_message(change: dict[str, Any]) -> None:
    assert judge(replace(GOOD, blocked=True, live=True, **change)) is RejectionReason.DO_NOT_MESSAGE


def test_the_specification_has_every_rule_in_its_order() -> None:
    assert [reason for reason, _ in RULES] == [reason for reason, _, _ in SPECIFICATION]
    assert set(RejectionReason) == {reason for reason, _, _ in SPECIFICATION}


CALM = Undertaking(
    new=10, started=0, limit=None, quality="GREEN", category="MARKETING", changing_to=None, shared=0
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, []),
        ({"quality": "RED"}, [WarningCode.QUALITY_LOW]),
        ({"quality": "YELLOW"}, []),
        ({"quality": None}, []),
        ({"limit": 10}, []),
        ({"limit": 9}, [WarningCode.MESSAGING_LIMIT]),
        ({"limit": 250, "started": 240}, []),
        ({"limit": 250, "started": 241}, [WarningCode.MESSAGING_LIMIT]),
        ({"limit": 250, "started": 999, "new": 0}, []),
        ({"changing_to": "UTILITY"}, [WarningCode.TEMPLATE_CATEGORY_CHANGED]),
        ({"changing_to": "MARKETING"}, []),
        ({"shared": 1}, [WarningCode.SHARED_PHONE]),
        ({"quality": "RED", "limit": 1, "changing_to": "UTILITY", "shared": 2}, list(WarningCode)),
    ],
)
def test_what_should_be_known_before_a_send(change: dict[str, Any], codes: list[WarningCode]) -> None:
    assert cautions(replace(CALM, **change)) == codes


def test_every_warning_has_exactly_one_rule() -> None:
    assert [code for code, _ in CAUTIONS] == list(WarningCode)


@pytest.mark.parametrize(
    ("tier", "limit"),
    [
        ("TIER_50", 50), ("TIER_250", 250), ("TIER_2K", 2_000), ("TIER_10K", 10_000), ("TIER_100K", 100_000),
        ("TIER_UNLIMITED", None), ("TIER_NOT_SET", None), (None, None), ("", None), ("TIER_²K", None), ("TIER_K", None),
    ],
)  # fmt: skip
def test_the_limit_of_a_tier(tier: str | None, limit: int | None) -> None:
    assert daily_limit(tier) == limit


@pytest.mark.parametrize(
    ("phone", "marketing", "utility"),
    [
        ("+919876543210", True, True),
        ("+16505550143", False, True),  # California
        ("+14165550143", True, True),  # Toronto: +1, and not the United States
        ("+18765550143", True, True),  # Jamaica
        ("+989121234567", False, False),  # Iran
        ("+5351234567", False, False),  # Cuba
        ("+963944567890", False, False),  # Syria
        ("+8501921234567", False, False),  # North Korea
        ("+5511987654321", True, True),  # begins like Cuba's +53 and is Brazil
    ],
)
def test_where_whatsapp_delivers(phone: str, marketing: bool, utility: bool) -> None:
    assert is_reachable(phone, TemplateCategory.MARKETING) is marketing
    assert is_reachable(phone, TemplateCategory.UTILITY) is utility


def household(key: str, *people: tuple[str, bool], phone: str | None = None, consents: bool = False) -> Unit:
    members = tuple(
        Person(f"per_{number}", number, number, number, PhoneStatus.VALID, consents=agreed) for number, agreed in people
    )
    return Unit(key, key, key, Side.NEUTRAL, phone, inviteable=True, people=members, consents=consents)


@pytest.mark.parametrize(
    ("units", "consents"),
    [
        ([household("Rao", ("+911", True), ("+912", False))], {"+911": True, "+912": False}),
        ([household("Rao", ("+911", False), ("+912", False), consents=True)], {"+911": True, "+912": True}),
        ([household("Rao", ("+911", True), phone="+919")], {"+919": False}),
        ([household("Rao", ("+911", True), phone="+911")], {"+911": True}),
        ([household("Rao", phone="+919", consents=True)], {"+919": True}),
        ([household("Rao", phone="+919"), household("Khan", phone="+919", consents=True)], {"+919": True}),
    ],
)
def test_whose_consent_counts_for_a_phone(units: list[Unit], consents: dict[str, bool]) -> None:
    """Of the guest whose phone it is, and of any household that it receives for."""
    assert {target.phone: target.consents for target in resolve(units)} == consents
