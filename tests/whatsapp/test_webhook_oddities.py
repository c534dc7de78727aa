"""One bad item harms nobody, and no bytes break the parser."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.lifecycle import FactStatus
from app.whatsapp.items import ParsedWebhook
from app.whatsapp.port import ProviderError
from app.whatsapp.webhook import parse
from tests.whatsapp.bodies import LISTS, NUMBER, body_of, counts, envelope, status

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
