"""From an ``Authorization`` header to an identity: one set of checks, whichever key a token is verified with."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final

import jwt

from app.auth.fetching import fetch_keys
from app.auth.identity import LEEWAY, Identity
from app.auth.keys import Key
from app.auth.sources import KeySet, KeySource, OneSecret
from app.config import Settings
from app.domain.errors import UnauthenticatedError
from app.domain.text import clean_name, is_subject

MAX_HEADER: Final = 8192
"""Characters. A sign-in that lists many groups comes to about half of it."""

MAX_VERIFIED: Final = 1_000
"""Tokens that are not verified again."""

# Besides PyJWT's own: what its parts let through for text that is no UTF-8 and for numbers that no calendar knows.
_REFUSALS: Final = (jwt.PyJWTError, ValueError, OverflowError, OSError, RecursionError)


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was found right, by this key."""

    key_id: str | None
    algorithm: str
    key: Key
    identity: Identity


class Verifier:
    """Judges tokens by the keys of one source."""

    def __init__(self, keys: KeySource, *, issuer: str | None, audience: str | None) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        """By the digests of the tokens, which are kept nowhere; the oldest first."""

    async def identify(self, authorization: object) -> Identity:
        """An ``Identify``. A token that was verified is not verified again, as long as its key is in use and its time has
        not come.
        """
        token = _bearer(authorization)
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        verified = self._verified.get(digest)
        if verified is None or verified.key is not await self._keys.find(verified.key_id, verified.algorithm):
            verified = self._verified[digest] = await self._verify(token)
            if len(self._verified) > MAX_VERIFIED:
                self._verified.popitem(last=False)
        verified.identity.require_fresh()
        return verified.identity

    async def _verify(self, token: str) -> _Verified:
        """Raises UnauthenticatedError, UnavailableError."""
        try:
            header = jwt.get_unverified_header(token)
        except _REFUSALS:
            raise UnauthenticatedError from None
        key_id, algorithm = header.get("kid"), header.get("alg")
        # Whoever marks a part of the header as critical means something by it that is unknown here (RFC 7515 §4.1.11).
        if "crit" in header or not isinstance(algorithm, str) or not isinstance(key_id, str | None):
            raise UnauthenticatedError
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise UnauthenticatedError
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.material,
                algorithms=key.algorithms,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["sub", "exp"]},
            )
            # PyJWT turns a huge ``exp`` into an integer without asking whether a calendar knows it.
            expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
        except _REFUSALS:
            raise UnauthenticatedError from None
        subject, name = claims["sub"], claims.get("name")
        if not is_subject(subject):
            raise UnauthenticatedError
        shown = clean_name(name if isinstance(name, str) else "") or clean_name(subject)
        return _Verified(key_id, algorithm, key, Identity(subject, shown, expires_at))


def verifier_for(settings: Settings) -> Verifier:
    """One for the life of a process: it keeps the keys that it has fetched."""
    keys: KeySource
    if settings.auth_jwks_url is None:
        keys = OneSecret(settings.auth_secret.reveal())
    else:
        keys = KeySet(partial(fetch_keys, settings.auth_jwks_url))
    return Verifier(keys, issuer=settings.auth_issuer, audience=settings.auth_audience)


def _bearer(authorization: object) -> str:
    """The token. Raises UnauthenticatedError."""
    if not isinstance(authorization, str) or len(authorization) > MAX_HEADER:
        raise UnauthenticatedError
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError
    return token.strip()
