"""Tokens: HS256 and nothing else, and one refusal for every cause."""

import base64
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from app.auth import MAX_HEADER, Identity, issue_token, verifier_for
from app.auth.verifying import MAX_VERIFIED
from app.config import Secret, Settings
from app.domain.errors import UnauthenticatedError
from app.domain.text import MAX_SUBJECT

pytestmark = pytest.mark.anyio

KEY = "k" * 64
SETTINGS = Settings(auth_secret=Secret(KEY))
STRICT = Settings(auth_secret=Secret(KEY), auth_issuer="issuer", auth_audience="invites")
LATER = datetime.now(UTC) + timedelta(hours=1)


def token(claims: dict[str, Any] | None = None, *, key: str = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode({"sub": "anita", "exp": LATER} | (claims or {}), key, algorithm=algorithm)


def bearer(claims: dict[str, Any] | None = None) -> str:
    return f"Bearer {token(claims)}"


async def identify(settings: Settings, header: object) -> Identity:
    return await verifier_for(settings).identify(header)


async def refused(header: object, settings: Settings = SETTINGS) -> str:
    with pytest.raises(UnauthenticatedError) as error:
        await identify(settings, header)
    return error.value.message


@pytest.mark.parametrize("settings", [SETTINGS, STRICT])
async def test_what_is_issued_is_taken(settings: Settings) -> None:
    header = "Bearer " + issue_token(settings, "anita", "Anita Thomas", timedelta(minutes=5))
    identity = await identify(settings, header)
    assert (identity.subject, identity.display_name) == ("anita", "Anita Thomas")
    assert timedelta(minutes=4) < identity.expires_at - datetime.now(UTC) <= timedelta(minutes=5)
    assert (await identify(settings, header.replace("Bearer", "bearer"))).subject == "anita"


async def test_a_name_is_the_token_s_else_the_subject() -> None:
    assert (await identify(SETTINGS, bearer())).display_name == "anita"
    assert (await identify(SETTINGS, bearer({"name": " A\nB\u202e "}))).display_name == "A B"
    for name in ("", 7, ["x"], None):
        assert (await identify(SETTINGS, bearer({"name": name}))).display_name == "anita"


async def test_a_subject_may_be_long_and_is_shown_shortened() -> None:
    identity = await identify(SETTINGS, bearer({"sub": "x" * MAX_SUBJECT}))
    assert (len(identity.subject), identity.display_name) == (MAX_SUBJECT, "x" * 200)


async def test_what_a_header_marks_as_critical_is_refused() -> None:
    """Also what PyJWT itself would understand."""
    headers: list[dict[str, Any]] = [
        {"crit": ["b64"], "b64": True}, {"crit": ["exp"], "exp": 1}, {"crit": []}, {}
    ]  # fmt: skip
    for header in headers:
        # By hand: PyJWT drops a ``b64`` that is true.
        parts = [{"alg": "HS256"} | header, {"sub": "anita", "exp": int(LATER.timestamp())}]
        signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        made = f"{signed}.{encoded(hmac.digest(KEY.encode(), signed.encode(), 'sha256'))}"
        if header:
            await refused(f"Bearer {made}")
        else:
            assert (await identify(SETTINGS, f"Bearer {made}")).subject == "anita"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def unsigned(algorithm: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return encoded(json.dumps(value).encode())

    return f"Bearer {part({'alg': algorithm, 'typ': 'JWT'})}.{part({'sub': 'anita', 'exp': int(LATER.timestamp())})}."


async def test_one_refusal_for_every_cause() -> None:
    now = datetime.now(UTC)
    causes: list[object] = [
        None, "", 1, {}, b"Bearer x", "Bearer", "Bearer ", token(), f"Token {token()}", "Bearer x.y.z", "Bearer é", "Bearer \ud800", "Bearer " + "." * 5000,
        f"Bearer {token(key='x' * 32)}", f"Bearer {token(algorithm='HS512')}", f"Bearer {token()[:-3]}",
        unsigned("none"), unsigned("None"), unsigned("HS256"),
        bearer({"exp": now - timedelta(seconds=30)}), bearer({"exp": "soon"}), bearer({"exp": 10**30}),
        bearer({"nbf": now + timedelta(minutes=5)}), bearer({"iat": now + timedelta(minutes=5)}),
        bearer({"sub": ""}), bearer({"sub": 7}), bearer({"sub": "x" * 256}), bearer({"sub": "a\nb"}), bearer({"sub": " a"}),
        bearer({"aud": "somebody else"}), bearer({"padding": "x" * MAX_HEADER}),
        f"Bearer {jwt.encode({'exp': LATER}, KEY)}", f"Bearer {jwt.encode({'sub': 'anita'}, KEY)}",
    ]  # fmt: skip
    assert len({await refused(cause) for cause in causes}) == 1


async def test_issuer_and_audience_where_they_are_set() -> None:
    good = {"iss": "issuer", "aud": ["other", "invites"]}
    assert (await identify(STRICT, bearer(good))).subject == "anita"
    for wrong in ({}, {"iss": "issuer"}, {"aud": "invites"}, good | {"iss": "x"}, good | {"aud": "x"}):
        await refused(bearer(wrong), STRICT)


async def test_clocks_may_be_a_little_apart() -> None:
    assert await identify(SETTINGS, bearer({"exp": datetime.now(UTC) - timedelta(seconds=5)}))


async def test_an_identity_runs_out() -> None:
    identity = await identify(SETTINGS, bearer())
    identity.require_fresh()
    old = type(identity)(identity.subject, identity.display_name, datetime.now(UTC) - timedelta(seconds=11))
    with pytest.raises(UnauthenticatedError):
        old.require_fresh()


async def test_a_token_is_verified_once_but_judged_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, decoded, decode = verifier_for(SETTINGS), list[str](), jwt.decode

    def noted(text: str, *given: Any, **more: Any) -> Any:
        decoded.append(text)
        return decode(text, *given, **more)

    monkeypatch.setattr(jwt, "decode", noted)
    header = bearer()
    assert [(await verifier.identify(header)).subject for _ in range(2)] == ["anita"] * 2
    assert len(decoded) == 1
    with pytest.raises(UnauthenticatedError):
        await verifier.identify(header[:-8] + "AAAAAAAA")
    assert len(verifier._verified) == 1, "the forged one is not kept"

    (digest, kept), later = next(iter(verifier._verified.items())), datetime.now(UTC) - timedelta(seconds=11)
    verifier._verified[digest] = replace(kept, identity=replace(kept.identity, expires_at=later))
    with pytest.raises(UnauthenticatedError):
        await verifier.identify(header)


async def test_only_so_many_tokens_are_kept() -> None:
    verifier = verifier_for(SETTINGS)
    await verifier.identify(bearer())
    kept = next(iter(verifier._verified.values()))
    verifier._verified |= {str(number).encode(): kept for number in range(MAX_VERIFIED - 1)}
    await verifier.identify(bearer({"name": "another"}))
    assert len(verifier._verified) == MAX_VERIFIED
