"""Webhook bodies: every shape that Meta documents, and whatever else may come."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.lifecycle import FactStatus
from app.whatsapp.items import ParsedWebhook
from app.whatsapp.port import ProviderError
from app.whatsapp.webhook import parse, signature_matches, verify_challenge
from tests.whatsapp.signatures import SECRET, SIGNATURES

PAYLOADS = Path(__file__).parent.parent / "payloads"
NUMBER = "100000000000001"
LISTS = ("statuses", "preferences", "inbound", "templates", "accounts", "problems", "unrecognised")


def status(**changes: Any) -> dict[str, Any]:
    body = {"id": "wamid.A", "status": "sent", "timestamp": "1795500000", "recipient_id": "16505550101"} | changes
    return {key: value for key, value in body.items() if value is not ...}


def body_of(*statuses: Any, field: str = "messages", **value: Any) -> bytes:
    content = {"metadata": {"phone_number_id": NUMBER}, "statuses": list(statuses)} | value
    return envelope(field, content)


def envelope(field: Any, value: Any) -> bytes:
    change = {"field": field, "value": value}
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "200000000000001", "changes": [change]}]}
    ).encode()


def counts(parsed: ParsedWebhook) -> dict[str, int]:
    return {name: len(getattr(parsed, name)) for name in LISTS if getattr(parsed, name)}


# Signature and subscription


@pytest.mark.parametrize(("body", "signature"), SIGNATURES)
def test_signature_is_over_the_bytes_as_received(body: bytes, signature: str) -> None:
    assert signature_matches(body, f"sha256={signature}", [SECRET])
    assert not signature_matches(body + b" ", f"sha256={signature}", [SECRET])
    assert not signature_matches(body, f"sha256={signature}", ["another"])


def test_either_secret_fits_during_a_rotation() -> None:
    header = "sha256=" + hmac.new(b"new", b"{}", hashlib.sha256).hexdigest()
    assert signature_matches(b"{}", header, ["old", "new"])
    assert signature_matches(b"{}", header, ["new", "old"])
    assert not signature_matches(b"{}", header, ["old"])
    assert not signature_matches(b"{}", header, [])


def test_an_empty_secret_signs_nothing() -> None:
    header = "sha256=" + hmac.new(b"", b"{}", hashlib.sha256).hexdigest()
    assert not signature_matches(b"{}", header, [""])


RIGHT = hmac.new(SECRET.encode(), b"{}", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        RIGHT,
        f"sha1={RIGHT}",
        f"sha256={RIGHT.upper()}",
        f"sha256={RIGHT[:-1]}",
        f"sha256={RIGHT}0",
        f"sha256={RIGHT}\n",
        f" sha256={RIGHT}",
        "sha256=" + "\N{FULLWIDTH DIGIT ONE}" * 64,
    ],
)
def test_a_header_of_another_shape_never_matches(header: str | None) -> None:
    assert signature_matches(b"{}", f"sha256={RIGHT}", [SECRET])
    assert not signature_matches(b"{}", header, [SECRET])


CHALLENGE = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "let me in"}


def test_the_right_token_gets_the_challenge_back() -> None:
    assert verify_challenge(CHALLENGE, "let me in") == "1158201444"


@pytest.mark.parametrize(
    "change",
    [
        {"hub.mode": "unsubscribe"},
        {"hub.verify_token": "let me i"},
        {"hub.verify_token": "l\xe9t me in"},
        {"hub.verify_token": "\ud800"},
        {"hub.challenge": ""},
        {"hub.challenge": "1" * 257},
        {"hub.challenge": "1\r\nSet-Cookie: a=b"},
    ],
)
def test_anything_else_gets_nothing(change: dict[str, str]) -> None:
    assert verify_challenge(CHALLENGE | change, "let me in") is None


@pytest.mark.parametrize("missing", list(CHALLENGE))
def test_each_parameter_is_needed(missing: str) -> None:
    assert verify_challenge({key: value for key, value in CHALLENGE.items() if key != missing}, "let me in") is None


def test_an_unset_token_verifies_nobody() -> None:
    assert verify_challenge(CHALLENGE | {"hub.verify_token": ""}, "") is None


# Meta's documented shapes


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
    assert found.pricing_category == "marketing"
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


# One bad item harms nobody

BAD_STATUSES: list[Any] = [
    None,
    True,
    7,
    "sent",
    [],
    {},
    status(id=...),
    status(id=7),
    status(id=""),
    status(id="x" * 513),
    status(id="wamid.\x00"),
    status(id="wamid.\ud800"),
    status(status=...),
    status(status=None),
    status(status=7),
    status(status=""),
    status(timestamp=...),
    status(timestamp=True),
    status(timestamp=0),
    status(timestamp="0"),
    status(timestamp=-5),
    status(timestamp="1795500000.5"),
    status(timestamp=1795500000.5),
    status(timestamp="1795500000000"),
    status(timestamp=10**30),
    status(timestamp="١٧٩٥"),
    status(timestamp="9" * 5000),
    status(type="payment"),
    status(type=None),
]


@pytest.mark.parametrize("bad", BAD_STATUSES, ids=lambda bad: ascii(bad)[:40])
def test_a_bad_status_is_kept_and_its_neighbours_are_read(bad: Any) -> None:
    parsed = parse(body_of(status(id="wamid.1"), bad, status(id="wamid.2")))
    assert [each.message_id for each in parsed.statuses] == ["wamid.1", "wamid.2"]
    [kept] = parsed.unrecognised
    assert kept.phone_number_id == NUMBER
    assert kept.explanation.endswith(".")
    assert "wamid.1" not in kept.item


@pytest.mark.parametrize(
    "odd",
    [
        {"timestamp": 1795500000},
        {"type": "message"},
        {"errors": "nonsense"},
        {"errors": [None, 7, {"code": "x"}, {"code": True}, {"code": 10**12}]},
        {"pricing": []},
        {"biz_opaque_callback_data": 7},
        {"biz_opaque_callback_data": "x" * 513},
        {"recipient_id": "\x00\ud800"},
        {"surprise": {"deep": [[[[]]]]}},
    ],
)
def test_oddities_beside_the_essentials_do_not_spoil_a_status(odd: dict[str, Any]) -> None:
    [found] = parse(body_of(status(**odd))).statuses
    assert found.at == datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    assert found.errors == ()
    assert found.attempt is None


def test_an_error_without_an_object_around_its_details() -> None:
    [found] = parse(body_of(status(status="failed", errors=[{"code": "131026", "error_data": "why"}]))).statuses
    assert found.errors == (ProviderError(131026, "", "why"),)


def test_texts_can_be_stored_in_any_database() -> None:
    failed = status(
        status="failed", errors=[{"code": 1, "title": "a\x00b\ud800c", "error_data": {"details": "\x00" * 1500}}]
    )
    [found] = parse(body_of(failed)).statuses
    assert found.errors == (ProviderError(1, "a\ufffdb\ufffdc", "\ufffd" * 1000),)
    assert r"a\u0000b\ud800c" in found.item
    assert found.item.isascii()
    assert found.item.isprintable()


def test_a_huge_status_keeps_its_essentials_in_a_bounded_item() -> None:
    [found] = parse(body_of(status(attempt="x", surprise="\\" * 100_000, biz_opaque_callback_data="ours"))).statuses
    assert len(found.item) <= 16 * 1024
    assert parse(found.item.encode()).statuses == [found]


def test_a_huge_unknown_thing_is_cut() -> None:
    parsed = parse(envelope("from_the_future", {"surprise": '"\\' * 50_000}))
    [found] = parsed.unrecognised
    assert len(found.item) <= 16 * 1024
    assert json.loads(found.item)["entry"][0]["changes"][0]["value"]["cut"].startswith('{"surprise":')


def test_nonsense_without_end_is_bounded() -> None:
    parsed = parse(body_of(*[{}] * 5000, status()))
    assert len(parsed.statuses) == 1
    assert len(parsed.unrecognised) == 1001


def test_a_status_without_a_sending_number_is_kept() -> None:
    assert counts(parse(envelope("messages", {"statuses": [status()]}))) == {"unrecognised": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + body_of(status()),
        body_of(status(note="caf\xe9")).replace(rb"\u00e9", b"\xe9"),
        body_of(status(note="X")).replace(b'"X"', b"NaN"),
        body_of(status(note="X")).replace(b'"X"', b"1e999"),
        body_of(status(note="X")).replace(b'"X"', b"9" * 6000),
        body_of(status(note="X")).replace(b'"X"', b"-Infinity"),
        body_of(status(note="\ud83d")),
        body_of(status(note="X")).replace(b'"note"', b'"status": "read", "status"').replace(b'"X"', b'"sent"'),
    ],
    ids=["BOM", "invalid UTF-8", "NaN", "1e999", "6000 digits", "-Infinity", "half a pair", "same key twice"],
)
def test_what_the_strict_parser_refuses_is_read_all_the_same(raw: bytes) -> None:
    parsed = parse(raw)
    assert [each.status for each in parsed.statuses] == [FactStatus.SENT]
    assert json.loads(parsed.statuses[0].item, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"<html>", b"\x00", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"[]", b"7", b"null", b'"x"'],
    ids=lambda raw: repr(raw[:8]),
)
def test_a_body_that_is_no_object_says_so(raw: bytes) -> None:
    parsed = parse(raw)
    assert not parsed.readable
    assert parsed.problem is not None
    assert counts(parsed) == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"object": "page", "entry": json.loads(body_of(status()))["entry"]},
        {"entry": {}},
        {"entry": [7]},
        {"entry": [{"changes": "x"}]},
        {"entry": [{"changes": [7]}]},
        {"entry": [{"changes": [{"field": 7, "value": {}}]}]},
        {"entry": [{"changes": [{"field": "messages", "value": []}]}]},
        {"entry": [{"changes": [{"field": "messages", "value": {}}]}]},
        {"entry": [{"changes": [{"field": "messages", "value": {"statuses": {}}}]}]},
        {"entry": [{"changes": [{"field": "messages", "value": {"metadata": 7, "statuses": [status()]}}]}]},
        {"entry": [{"changes": [{"field": "\x00\ud800" * 99, "value": {}}]}]},
    ],
    ids=lambda body: ascii(body)[:60],
)
def test_each_level_may_have_the_wrong_type(body: dict[str, Any]) -> None:
    parsed = parse(json.dumps(body).encode())
    assert parsed.readable
    assert counts(parsed) == {"unrecognised": 1}


def test_nesting_that_can_be_read_but_not_written() -> None:
    """Both limits depend on the depth of the caller's stack, so every depth about them is tried."""
    shortened = 0
    for depth in range(600, 1000, 2):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        raw = body_of(status(note="X"), status(id="wamid.2"), {"x": "X"}).replace(b'"X"', deep)
        parsed = parse(raw)
        if parsed.readable:
            assert [each.message_id for each in parsed.statuses] == ["wamid.A", "wamid.2"]
            assert len(parsed.unrecognised) == 1
            shortened += "note" not in parsed.statuses[0].item
    assert shortened


# Whatever the bytes

_TEXT = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    ["\x00", "\ud800", "9" * 20, "wamid.A", "sent"]
)
_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | _TEXT
_JSON = st.recursive(
    _SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3), max_leaves=8
)
_STATUS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("wamid.A") | _JSON,
        "status": st.sampled_from(["sent", "delivered", "read", "failed", "played"]) | _JSON,
        "timestamp": st.integers(1, 2_000_000_000).map(str) | _JSON,
        "errors": st.lists(st.fixed_dictionaries({"code": _JSON}, optional={"title": _JSON, "error_data": _JSON}))
        | _JSON,
        "biz_opaque_callback_data": _JSON,
        "pricing": _JSON,
        "type": st.just("message") | _JSON,
    },
)
_FIELDS = st.sampled_from(
    [
        "messages",
        "user_preferences",
        "message_template_status_update",
        "account_update",
        "account_alerts",
        "phone_number_quality_update",
        "business_capability_update",
        "account_review_update",
    ]
)
_VALUE = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.just({"phone_number_id": NUMBER}) | _JSON,
        "statuses": st.lists(_STATUS | _JSON, max_size=4) | _JSON,
        "messages": st.lists(st.fixed_dictionaries({"id": _JSON, "type": _JSON, "text": _JSON}), max_size=2) | _JSON,
        "errors": _JSON,
        "user_preferences": st.lists(st.fixed_dictionaries({"wa_id": _JSON, "value": _JSON}), max_size=2) | _JSON,
        "event": st.sampled_from(["ACCOUNT_RESTRICTION", "DISABLED_UPDATE"]) | _JSON,
        "restriction_info": st.lists(st.fixed_dictionaries({"restriction_type": _JSON, "expiration": _JSON})) | _JSON,
        "ban_info": _JSON,
        "message_template_name": _JSON,
        "message_template_language": _JSON,
    },
)


def check(parsed: ParsedWebhook) -> None:
    for name in LISTS:
        for each in getattr(parsed, name):
            # What a database stores, and what an operator reads.
            repr(each).encode()
            for slot in each.__dataclass_fields__:
                text = getattr(each, slot)
                if isinstance(text, str):
                    assert "\x00" not in text
                    text.encode()
            assert len(each.item) <= 16 * 1024
            assert each.item.isascii()
            json.loads(each.item)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(_FIELDS | _TEXT, _VALUE | _JSON)
def test_arbitrary_json_in_the_right_places(field: str, value: Any) -> None:
    parsed = parse(envelope(field, value))
    assert parsed.readable
    check(parsed)
    for each in parsed.statuses:
        assert parse(each.item.encode()).statuses == [each]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(_STATUS | _JSON, max_size=5))
def test_no_status_is_lost(statuses: list[Any]) -> None:
    parsed = parse(body_of(*statuses))
    check(parsed)
    assert len(parsed.statuses) + len(parsed.unrecognised) == len(statuses)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes(raw: bytes) -> None:
    check(parse(raw))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_body(data: st.DataObject) -> None:
    raw = bytearray(body_of(status(), status(id="wamid.2")))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=2))
    check(parse(bytes(raw)))
