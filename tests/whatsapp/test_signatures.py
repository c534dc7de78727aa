"""Who posts to the webhook: signatures over the raw bytes, and the subscription check."""

import hashlib
import hmac

import pytest

from app.whatsapp.webhook import signature_matches, verify_challenge
from tests.whatsapp.signatures import SECRET, SIGNATURES


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
