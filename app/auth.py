"""Tokens: who is asking. JSON Web Tokens (RFC 7519) signed with HS256 and nothing else.

What a token's subject may do is not in the token: the workspaces decide (``services.access``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from app.config import Settings
from app.domain.errors import UnauthenticatedError
from app.domain.text import clean_name

ALGORITHM: Final = "HS256"
LEEWAY: Final = timedelta(seconds=10)
"""How far the clocks of the issuer and of this machine may be apart."""
MAX_HEADER: Final = 4096
MAX_SUBJECT: Final = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified token."""

    subject: str
    display_name: str
    expires_at: datetime

    def require_fresh(self) -> None:
        """Raises UnauthenticatedError when the token has run out since: a websocket may outlive its token."""
        if datetime.now(UTC) >= self.expires_at + LEEWAY:
            raise UnauthenticatedError


def identify(settings: Settings, authorization: object) -> Identity:
    """Who the value of an ``Authorization`` header speaks for. Raises UnauthenticatedError, the same for every cause."""
    if not isinstance(authorization, str) or len(authorization) > MAX_HEADER:
        raise UnauthenticatedError
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError
    try:
        claims: dict[str, Any] = jwt.decode(
            token.strip(),
            settings.auth_secret.reveal(),
            algorithms=[ALGORITHM],
            issuer=settings.auth_issuer,
            audience=settings.auth_audience,
            leeway=LEEWAY,
            options={"require": ["sub", "exp"]},
        )
        # PyJWT turns a huge ``exp`` into an integer without asking whether a calendar knows it.
        expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (jwt.InvalidTokenError, ValueError, OverflowError, OSError, RecursionError):
        raise UnauthenticatedError from None
    subject, name = claims["sub"], claims.get("name")
    if not subject or len(subject) > MAX_SUBJECT or clean_name(subject) != subject:
        raise UnauthenticatedError
    return Identity(subject, (clean_name(name) if isinstance(name, str) else "") or subject, expires_at)


def issue_token(settings: Settings, subject: str, name: str | None, ttl: timedelta) -> str:
    """A token for ``subject`` that holds for ``ttl``."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": subject, "iat": now, "exp": now + ttl}
    if name:
        claims["name"] = name
    if settings.auth_issuer:
        claims["iss"] = settings.auth_issuer
    if settings.auth_audience:
        claims["aud"] = settings.auth_audience
    return jwt.encode(claims, settings.auth_secret.reveal(), algorithm=ALGORITHM)
