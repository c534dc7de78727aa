"""Webhook bodies: every shape that Meta documents, and whatever else may come."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.lifecycle import FactStatus
from app.whatsapp.items import ParsedWebhook
from app.whatsapp.port import ProviderError
from app.whatsapp.webhook import parse
from tests.whatsapp.bodies import NUMBER, PAYLOADS, body_of, counts, envelope, status

FIXTURES: dict[str, dict[str, int]] = {
    "01_status_sent": {"statuses": 1},
    "02_status_delivered": {"statuses": 1},
    "03_status_read": {"statuses": 1},
    "04_status_sent_webhook_v23_with_conversation": {"statuses": 1},
    "05_status_failed_131026_undeliverable": {"statuses": 1},
    "06_status_failed_131049_ecosystem_limit": {"statuses": 1},
    "07_status_failed_131047_reengagement": {"statuses": 1},
    "08_status_failed_131050_user_stopped_marketing": {"statuses": 1},
    "13_unknown_status_values": {"statuses": 4},
    "16_inbound_text_stop": {"inbound": 1},
    "17_inbound_template_button_reply": {"inbound": 1},
    "18_user_preferences_stop": {"preferences": 1},
    "19_user_preferences_resume_legacy_shape": {"preferences": 1},
    "20_message_template_status_update_paused": {"templates": 1},
    "21_phone_number_quality_update": {"accounts": 1},
    "22_account_update_restriction": {"accounts": 1},
    "24_unknown_field_beside_known_one": {"statuses": 1, "unrecognised": 1},
}


@pytest.mark.parametrize(("file", "found"), FIXTURES.items())
def test_every_fixture_gives_its_items_and_each_item_reads_back(file: str, found: dict[str, int]) -> None:
    parsed = parse((PAYLOADS / f"{file}.json").read_bytes())
    assert parsed.readable
    assert counts(parsed) == found
    assert parsed.phone_number_ids == (() if {"templates", "accounts"} & set(found) else (NUMBER,))
    for name in found:
        for each in getattr(parsed, name):
            assert getattr(parse(each.item.encode()), name) == [each]
            assert "Alice" not in each.item


def test_no_fixture_is_left_out() -> None:
    assert {path.stem for path in PAYLOADS.glob("[0-9]*.json")} == set(FIXTURES)


def read(file: str) -> ParsedWebhook:
    return parse((PAYLOADS / f"{file}.json").read_bytes())


def test_a_status_in_full() -> None:
    [found] = read("02_status_delivered").statuses
    assert found.phone_number_id == NUMBER
    assert found.message_id == "wamid.HBgr2AbJfw4ArxofwzKPp2OpJpcjyNuPrE+Tr3HbGG0="
    assert found.status is FactStatus.DELIVERED
    assert found.at == datetime(2026, 11, 24, 6, 0, 4, tzinfo=UTC)
    assert found.attempt == "run:42/inv:1001"
    assert found.phone == "+16505550101"
    assert found.errors == ()


def test_a_failed_status_has_its_errors() -> None:
    [found] = read("05_status_failed_131026_undeliverable").statuses
    assert found.status is FactStatus.FAILED
    assert found.errors == (ProviderError(131026, "Message undeliverable", "Message Undeliverable."),)


def test_an_unknown_status_value_is_kept_without_a_meaning() -> None:
    found = read("13_unknown_status_values").statuses
    assert [each.status_text for each in found] == ["warning", "deleted", "played", "teleported"]
    assert {each.status for each in found} == {None}


def test_accepted_is_our_word_and_never_a_webhook_status() -> None:
    [found] = parse(body_of(status(status="accepted"))).statuses
    assert found.status is None


def test_a_typed_stop_and_a_pressed_button() -> None:
    [stop] = read("16_inbound_text_stop").inbound
    assert (stop.phone, stop.texts, stop.type) == ("+16505550101", ("STOP",), "text")
    [button] = read("17_inbound_template_button_reply").inbound
    assert (button.texts, button.type) == (("Not interested", "invite:1001:decline"), "button")
    caption = {"id": "wamid.I", "type": "image", "text": {"body": "STOP"}}
    [image] = parse(envelope("messages", {"metadata": {"phone_number_id": NUMBER}, "messages": [caption]})).inbound
    assert image.texts == ()


def test_what_a_guest_sends_besides_text_is_not_kept() -> None:
    message = {"id": "wamid.I", "from": "16505550101", "timestamp": "1795500200", "type": "image"}
    raw = envelope(
        "messages", {"metadata": {"phone_number_id": NUMBER}, "messages": [message | {"image": {"id": "private"}}]}
    )
    [found] = parse(raw).inbound
    assert found.type == "image"
    assert "private" not in found.item


@pytest.mark.parametrize(
    ("kind", "part", "kept"),
    [
        ("text", {"body": "Hello", "more": "private"}, {"body": "Hello"}),
        ("button", {"text": "No", "payload": "0", "more": "private"}, {"text": "No", "payload": "0"}),
        ("image", {"id": "private", "caption": "Us"}, {"caption": "Us"}),
        (
            "interactive",
            {"type": "list_reply", "list_reply": {"id": "private", "title": "Yes"}, "nfm_reply": {"body": "private"}},
            {"list_reply": {"title": "Yes"}},
        ),
    ],
)
def test_of_what_a_guest_says_the_words_alone_are_kept(kind: str, part: Any, kept: Any) -> None:
    message = {"id": "wamid.I", "from": "16505550101", "timestamp": "1795500200", "type": kind, kind: part}
    context = {"context": {"id": "wamid.private"}}
    value = {"metadata": {"phone_number_id": NUMBER}, "messages": [message | context]}
    [found] = parse(envelope("messages", value)).inbound
    [change] = json.loads(found.item)["entry"][0]["changes"]
    assert change["value"]["messages"] == [message | {kind: kept}]
    assert parse(found.item.encode()).inbound == [found]


def test_preferences_with_and_without_a_phone() -> None:
    [stop] = read("18_user_preferences_stop").preferences
    assert (stop.phone, stop.user_id, stop.value) == ("+16505550101", "US.10000000000000000101", "stop")
    assert stop.at == datetime(2026, 11, 24, 6, 5, tzinfo=UTC)
    [resume] = read("19_user_preferences_resume_legacy_shape").preferences
    assert (resume.phone, resume.user_id, resume.value) == ("+16505550101", None, "resume")
    hidden = {"user_id": "US.1", "value": "stop", "timestamp": 1795500300}
    value = {"metadata": {"phone_number_id": NUMBER}, "user_preferences": [hidden, {"value": "stop"}]}
    parsed = parse(envelope("user_preferences", value))
    assert [(each.phone, each.user_id) for each in parsed.preferences] == [(None, "US.1")]
    assert len(parsed.unrecognised) == 1


def test_a_paused_template() -> None:
    [paused] = read("20_message_template_status_update_paused").templates
    assert (paused.name, paused.language, paused.event) == ("event_invite_v1", "en_US", "PAUSED")
    assert (paused.reason, paused.waba_id) == (None, "200000000000001")


TEMPLATE = {"message_template_name": "event_invite_v1", "message_template_language": "en_US"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("message_template_status_update", {"event": "paused"}, ("PAUSED", None, None, None)),
        (
            "template_category_update",
            {"new_category": "UTILITY", "correct_category": "MARKETING"},
            (None, "UTILITY", "MARKETING", None),
        ),
        (
            "template_category_update",
            {"previous_category": "UTILITY", "new_category": "MARKETING"},
            (None, "MARKETING", None, None),
        ),
        ("message_template_quality_update", {"new_quality_score": "RED"}, (None, None, None, "RED")),
        ("message_template_status_update", {"new_quality_score": "YELLOW"}, (None, None, None, "YELLOW")),
    ],
)
def test_template_updates(field: str, value: dict[str, str], expected: tuple[str | None, ...]) -> None:
    [found] = parse(envelope(field, TEMPLATE | value)).templates
    assert (found.event, found.new_category, found.correct_category, found.quality) == expected


def test_a_template_update_that_names_nothing_is_kept() -> None:
    assert counts(parse(envelope("message_template_status_update", TEMPLATE))) == {"unrecognised": 1}
    assert counts(parse(envelope("template_category_update", {"new_category": "UTILITY"}))) == {"unrecognised": 1}


@pytest.mark.parametrize(
    ("field", "value", "stops", "word"),
    [
        ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}, True, "disabled"),
        (
            "account_update",
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}},
            False,
            "going to",
        ),
        ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, False, "back"),
        ("account_update", {"event": "DISABLED_UPDATE", "ban_info": 7}, False, "ban"),
        ("account_update", {"event": "ACCOUNT_DELETED"}, True, "deleted"),
        ("account_update", {"event": "PARTNER_REMOVED"}, True, "no longer"),
        ("account_update", {"event": "APP_UNINSTALLED"}, True, "no longer"),
        ("account_update", {"event": "PARTNER_ADDED"}, False, "partner added"),
        (
            "account_update",
            {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SCAM"}},
            False,
            "(scam)",
        ),
        (
            "account_update",
            {
                "event": "ACCOUNT_RESTRICTION",
                "restriction_info": [{"restriction_type": "RESTRICTED_UTILITY_TEMPLATES"}],
            },
            False,
            "restricted utility templates",
        ),
        (
            "account_update",
            {
                "event": "ACCOUNT_RESTRICTION",
                "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 9**17}],
            },
            True,
            "until it says otherwise",
        ),
        (
            "account_alerts",
            {"alert_info": {"alert_type": "X_DEFERRED", "alert_severity": "CRITICAL", "alert_description": "Why."}},
            False,
            "(critical): Why.",
        ),
        ("business_capability_update", {"max_daily_conversations_per_business": 2000}, False, "2000"),
        ("business_capability_update", {"max_daily_conversations_per_business": "TIER_2K"}, False, "tier 2k"),
        ("business_capability_update", {"max_daily_conversation_per_phone": -1}, False, "no limit"),
        ("account_review_update", {"decision": "APPROVED"}, False, "approved"),
    ],
)
def test_account_updates(field: str, value: dict[str, Any], stops: bool, word: str) -> None:
    parsed = parse(envelope(field, value))
    [found] = parsed.accounts
    assert found.stops_sending is stops
    assert word in found.explanation
    assert not parsed.unrecognised


@pytest.mark.parametrize(
    ("field", "value", "quality", "limit"),
    [
        ("business_capability_update", {"max_daily_conversations_per_business": 2000}, None, "TIER_2K"),
        ("business_capability_update", {"max_daily_conversations_per_business": "TIER_10K"}, None, "TIER_10K"),
        ("business_capability_update", {"max_daily_conversations_per_business": 250}, None, "TIER_250"),
        ("business_capability_update", {"max_daily_conversations_per_business": -1}, None, "TIER_UNLIMITED"),
        ("phone_number_quality_update", {"event": "FLAGGED", "current_limit": "TIER_250"}, "RED", "TIER_250"),
        ("phone_number_quality_update", {"event": "UNFLAGGED"}, "UNKNOWN", None),
        ("phone_number_quality_update", {"event": "THROUGHPUT_UPGRADE"}, None, None),
        ("account_update", {"event": "FLAGGED"}, None, None),
    ],
)
def test_what_a_number_is_worth_to_meta(field: str, value: dict[str, Any], quality: str, limit: str) -> None:
    [found] = parse(envelope(field, value)).accounts
    assert (found.quality, found.messaging_limit, found.stops_sending) == (quality, limit, False)


@pytest.mark.parametrize(
    "field",
    [
        "account_update",
        "account_alerts",
        "phone_number_quality_update",
        "business_capability_update",
        "account_review_update",
    ],
)
def test_an_account_update_that_says_nothing_is_kept(field: str) -> None:
    assert counts(parse(envelope(field, {}))) == {"unrecognised": 1}


def test_a_removed_partner_is_about_the_account_inside() -> None:
    value = {"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "200000000000009"}}
    assert parse(envelope("account_update", value)).accounts[0].waba_id == "200000000000009"


def test_a_problem_without_a_message() -> None:
    value = {"metadata": {"phone_number_id": NUMBER}, "errors": [{"code": 130429, "title": "Rate limit hit"}, {"x": 1}]}
    parsed = parse(envelope("messages", value))
    assert [each.error for each in parsed.problems] == [ProviderError(130429, "Rate limit hit")]
    assert len(parsed.unrecognised) == 1


def test_every_number_of_the_body_is_named_once() -> None:
    one = json.loads(body_of(status()))
    two = json.loads(body_of(status(), metadata={"phone_number_id": "100000000000002"}))
    raw = json.dumps(one | {"entry": one["entry"] + two["entry"] + one["entry"]}).encode()
    assert parse(raw).phone_number_ids == (NUMBER, "100000000000002")
