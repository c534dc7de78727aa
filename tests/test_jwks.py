"""Tokens of a sign-in of one's own: which of its keys are taken, which tokens, and how often it is asked for them."""

import asyncio
import base64
import gzip
import hmac
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from app.auth import MAX_HEADER, Identity
from app.auth.fetching import MAX_DOCUMENT, fetch_keys
from app.auth.keys import MAX_KEYS, KeysError, read_keys
from app.auth.sources import FIRST_PAUSE, FRESH, KEPT, PAUSE, KeySet
from app.auth.verifying import Verifier
from app.domain.errors import UnauthenticatedError, UnavailableError
from tests.sign_in import AUDIENCE, EC, ISSUER, OTHER_RSA, PRIVATE, RSA, SignIn, bearer, claims, jwk, pem, sign_in

pytestmark = pytest.mark.anyio


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Door:
    """A verifier, whose clock the test turns."""

    def __init__(self, issuer: SignIn) -> None:
        self.issuer = issuer
        self.clock = Clock()
        keys = KeySet(partial(fetch_keys, issuer.url, within=5), self.clock)
        self._verifier = Verifier(keys, issuer=ISSUER, audience=AUDIENCE)

    async def identify(self, header: object) -> Identity:
        return await self._verifier.identify(header)

    async def lets_in(self, header: object) -> bool:
        try:
            return (await self.identify(header)).subject == "anita"
        except UnauthenticatedError:
            return False

    async def settle(self) -> None:
        """Let a fetch beside the requests come to its end."""
        keys: Any = self._verifier._keys
        if keys._fetching is not None:
            await asyncio.wait([keys._fetching])


@pytest.fixture
async def door(anyio_backend: str) -> AsyncIterator[Door]:
    """In front of a sign-in with one RSA key, ``first``."""
    async with sign_in(jwk(RSA)) as issuer:
        yield Door(issuer)


@pytest.mark.parametrize("algorithm", PRIVATE)
async def test_every_algorithm_with_its_key(door: Door, algorithm: str) -> None:
    door.issuer.publish(jwk(PRIVATE[algorithm], algorithm=algorithm))
    identity = await door.identify(bearer(PRIVATE[algorithm], algorithm=algorithm, name="Anita Thomas"))
    assert (identity.subject, identity.display_name) == ("anita", "Anita Thomas")
    assert timedelta(minutes=59) < identity.expires_at - datetime.now(UTC) <= timedelta(hours=1)


async def test_one_fetch_serves_all(door: Door) -> None:
    assert all(await asyncio.gather(*(door.lets_in(bearer()) for _ in range(50))))
    assert await door.lets_in(bearer())
    assert door.issuer.fetches == 1


async def test_tokens_that_are_refused(door: Door) -> None:
    now = datetime.now(UTC)
    unsigned = bearer(None, algorithm="none")
    good = bearer()
    body = good.split(".")
    refused = {
        "no signature": unsigned,
        "none, with a signature": unsigned + body[2],
        "another body": ".".join([body[0], bearer(sub="mallory").split(".")[1], body[2]]),
        "another key under this name": bearer(OTHER_RSA),
        "no key id": bearer(kid=None),
        "another issuer": bearer(iss="https://other.example"), "an issuer that contains ours": bearer(iss=ISSUER + "/"),
        "no issuer": bearer(iss=None), "issuers": bearer(iss=[ISSUER]),
        "another audience": bearer(aud="other"), "no audience": bearer(aud=None), "no audiences": bearer(aud=[]),
        "expired": bearer(exp=now - timedelta(seconds=30)), "no expiry": bearer(exp=None), "expiry": bearer(exp="never"),
        "not yet": bearer(nbf=now + timedelta(minutes=5)), "issued later": bearer(iat=now + timedelta(minutes=5)),
        "no subject": bearer(sub=None), "empty subject": bearer(sub=""), "long subject": bearer(sub="x" * 256),
        "critical": bearer(header={"crit": ["b64"], "b64": True}),
        "huge": bearer(padding="x" * MAX_HEADER),
    }  # fmt: skip
    assert await door.lets_in(good)
    assert [why for why, header in refused.items() if await door.lets_in(header)] == []
    assert await door.lets_in(bearer(aud=["other", AUDIENCE]))


@pytest.mark.parametrize("name", ["alg", "kid", "typ", "crit", "b64", "jwk", "x5c"])
async def test_headers_of_odd_types(door: Door, name: str) -> None:
    """By hand: PyJWT makes none of them."""
    good = bearer()
    header = json.loads(base64.urlsafe_b64decode(good.split()[1].split(".")[0] + "=="))
    odds: list[Any] = [[], {}, [name], {name: 1}, 1, 1.5, True, None, "", [[]]]
    for odd in odds:
        part = base64.urlsafe_b64encode(json.dumps(header | {name: odd}).encode()).rstrip(b"=").decode()
        assert not await door.lets_in(f"Bearer {part}.{good.partition('.')[2]}"), odd


async def test_a_public_key_is_no_secret(door: Door) -> None:
    """The algorithm is the key's: HS256 with the public key, which everybody has, signs nothing."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "first"}
    signed = b".".join(map(_encode, (head, claims(exp=9_999_999_999))))
    for key in (pem(RSA), json.dumps(jwk(RSA)).encode(), b"a secret of the tests, long enough for them"):
        # By hand: PyJWT refuses to sign with what looks like a public key, an attacker does not.
        signature = base64.urlsafe_b64encode(hmac.digest(key, signed, "sha256")).rstrip(b"=")
        assert not await door.lets_in(f"Bearer {(signed + b'.' + signature).decode()}")
    assert door.issuer.fetches == 0, "no key of a sign-in could be meant"


def _encode(part: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


@pytest.mark.parametrize(
    ("own", "algorithm"), [("RS256", "RS512"), ("PS256", "RS256"), ("RS512", "PS512"), ("RSA-OAEP", "RS256")]
)
async def test_a_key_is_good_for_its_own_algorithm_only(door: Door, own: str, algorithm: str) -> None:
    door.issuer.publish(jwk(RSA, alg=own), jwk(PRIVATE["ES256"], "second", algorithm="ES256"))
    assert not await door.lets_in(bearer(algorithm=algorithm))


async def test_keys_of_two_types_may_share_a_name(door: Door) -> None:
    door.issuer.publish(jwk(PRIVATE["ES256"], algorithm="ES256"), jwk(RSA))
    assert await door.lets_in(bearer())
    assert await door.lets_in(bearer(PRIVATE["ES256"], algorithm="ES256"))
    assert not await door.lets_in(bearer(PRIVATE["ES384"], algorithm="ES384"))


UNUSABLE: dict[str, Any] = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0" * 6, "kid": "first"},
    "symmetric that calls itself RSA": jwk(RSA) | {"k": "c2VjcmV0"},
    "private": jwk(RSA) | {"d": "AQAB"},
    "for encryption": jwk(RSA, use="enc"),
    "to sign with": jwk(RSA, key_ops=["sign"]),
    "operations that are none": jwk(RSA, key_ops="verify"),
    "without a name": jwk(RSA, None),
    "with a number as its name": jwk(RSA, 7),
    "with a long name": jwk(RSA, "x" * 256),
    "with a short modulus": jwk(RSA) | {"n": "AQAB" * 40},
    "with a long modulus": jwk(RSA) | {"n": "_" * 1400},
    "without a modulus": jwk(RSA, n=None),
    "with a number as its modulus": jwk(RSA) | {"n": 7},
    "of another type": jwk(RSA) | {"kty": "XYZ"},
    "of no type": jwk(RSA, kty=None),
    "of a list of types": jwk(RSA) | {"kty": ["RSA"]},
    "on another curve": jwk(PRIVATE["ES256"], algorithm="ES256") | {"crv": "secp256k1"},
    "on a list of curves": jwk(PRIVATE["ES256"], algorithm="ES256") | {"crv": ["P-256"]},
    "not on its curve": jwk(PRIVATE["ES256"], algorithm="ES256") | {"x": "AQAB"},
    "for HS256": jwk(RSA, alg="HS256"),
    "for none": jwk(RSA, alg="none"),
    "for ES256K": jwk(PRIVATE["ES256"], algorithm="ES256", alg="ES256K"),
    "no object": "key",
    "null": None,
}


@pytest.mark.parametrize("why", UNUSABLE)
async def test_unusable_keys_are_passed_over(why: str) -> None:
    with pytest.raises(KeysError, match="no usable key"):
        read_keys(json.dumps({"keys": [UNUSABLE[why]]}).encode())
    good = jwk(PRIVATE["ES512"], "good", algorithm="ES512")
    keys = read_keys(json.dumps({"keys": [UNUSABLE[why], good]}).encode())
    assert {name: [key.algorithms for key in same] for name, same in keys.items()} == {"good": [("ES512",)]}


def test_the_curve_decides() -> None:
    keys = read_keys(json.dumps({"keys": [jwk(PRIVATE[name], name, algorithm=name) for name in EC]}).encode())
    assert {name: same[0].algorithms for name, same in keys.items()} == {name: (name,) for name in EC}
    both = read_keys(json.dumps({"keys": [jwk(RSA, use="sig", key_ops=["verify", "encrypt"])]}).encode())
    assert len(both["first"][0].algorithms) == 6


DOCUMENTS = {
    "JSON": (b"", b"{", b"<html></html>", b"\xff", b"[" * 100_000, gzip.compress(b'{"keys": []}')),
    "JWK Set": (b"[]", b"{}", b"null", b'{"keys": {}}', b'{"keys": null}', b"1"),
    "no usable key": (b'{"keys": []}', b'{"keys": [1, [], "x"]}'),
    f"more than {MAX_KEYS} keys": (json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(),),
    "more than 256 KiB": (b" " * (MAX_DOCUMENT + 1),),
}


@pytest.mark.parametrize("said", DOCUMENTS)
async def test_documents_that_are_no_keys(door: Door, said: str) -> None:
    for document in DOCUMENTS[said]:
        door.issuer.body = document
        with pytest.raises(KeysError, match=said):
            await fetch_keys(door.issuer.url)


async def test_answers_that_are_none(door: Door) -> None:
    for status in (204, 401, 404, 500):
        door.issuer.status = status
        with pytest.raises(KeysError, match=f"answers {status}"):
            await fetch_keys(door.issuer.url)
    async with sign_in(jwk(OTHER_RSA)) as elsewhere:
        door.issuer.status, door.issuer.headers = 302, {"Location": elsewhere.url}
        with pytest.raises(KeysError, match="answers 302"):
            await fetch_keys(door.issuer.url)
        assert elsewhere.fetches == 0
    door.issuer.silent = True
    with pytest.raises(KeysError, match=r"does not answer within 0\.2 seconds"):
        await fetch_keys(door.issuer.url, within=0.2)
    with pytest.raises(KeysError, match=r"cannot be reached \(ConnectError\)"):
        await fetch_keys("http://127.0.0.1:1/keys")


async def test_a_compressed_answer_is_not_unfolded(door: Door) -> None:
    door.issuer.body = gzip.compress(door.issuer.body)
    door.issuer.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(KeysError, match="JSON"):
        await fetch_keys(door.issuer.url)


async def test_an_endless_answer_is_cut(door: Door) -> None:
    """By what has come, not by what it says of its length."""
    door.issuer.headers = {"Content-Length": str(10**12)}
    door.issuer.body = b" " * (MAX_DOCUMENT + 65536)
    with pytest.raises(KeysError, match="more than 256 KiB"):
        await fetch_keys(door.issuer.url)


async def test_a_new_key_is_taken_and_an_old_one_dropped(door: Door) -> None:
    assert await door.lets_in(bearer())
    door.issuer.publish(jwk(RSA), jwk(OTHER_RSA, "second"))
    assert not await door.lets_in(bearer(OTHER_RSA, "second")), "asked within the minute"
    door.clock.now += PAUSE
    assert await door.lets_in(bearer(OTHER_RSA, "second"))
    door.issuer.publish(jwk(OTHER_RSA, "second"))
    door.clock.now += FRESH + 1
    assert await door.lets_in(bearer()), "the fetch is beside the request"
    await door.settle()
    assert not await door.lets_in(bearer())
    assert await door.lets_in(bearer(OTHER_RSA, "second"))
    assert door.issuer.fetches == 3


async def test_invented_key_ids_do_not_flood_the_sign_in(door: Door) -> None:
    assert await door.lets_in(bearer())
    for minute in range(1, 4):
        door.clock.now += PAUSE
        attempts = (door.lets_in(bearer(OTHER_RSA, f"invented-{minute}-{number}")) for number in range(100))
        assert not any(await asyncio.gather(*attempts))
        assert door.issuer.fetches == 1 + minute
    assert await door.lets_in(bearer())


async def test_whoever_gives_up_waiting_ends_no_fetch(door: Door) -> None:
    door.issuer.silent = True
    first = asyncio.create_task(door.lets_in(bearer()))
    while not door.issuer.fetches:
        await asyncio.sleep(0.01)
    keys: Any = door._verifier._keys
    fetching = keys._fetching
    door.clock.now += PAUSE
    second = asyncio.create_task(door.identify(bearer()))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert keys._fetching is fetching, "one at a time, however long it takes"
    assert not second.done()
    assert not keys._fetching.cancelling()
    keys._fetching.cancel()
    with pytest.raises(UnavailableError):
        await second


async def test_without_any_keys_nobody_can_say(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.issuer.status = 500
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(UnavailableError, match="Nobody can be signed in now"):
                await door.identify(bearer())
    assert door.issuer.fetches == 1
    assert [record.message for record in caplog.records] == ["the keys of AUTH_JWKS_URL cannot be used: it answers 500"]
    door.issuer.status = 200
    door.clock.now += FIRST_PAUSE
    assert await door.lets_in(bearer())


@pytest.mark.parametrize("bad", [b"{", b'{"keys": []}'])
async def test_kept_keys_serve_while_there_are_no_others_but_not_for_ever(door: Door, bad: bytes) -> None:
    assert await door.lets_in(bearer())
    door.issuer.body = bad
    for _ in range(2):
        door.clock.now += KEPT / 2
        assert await door.lets_in(bearer())
        await door.settle()
    assert door.issuer.fetches == 3
    door.clock.now += 1
    with pytest.raises(UnavailableError):
        await door.identify(bearer())
