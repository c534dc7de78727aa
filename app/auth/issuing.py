"""Tokens that this service issues itself, for the command line and the demo."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.auth.keys import SYMMETRIC
from app.config import Settings


def issue_token(settings: Settings, subject: str, name: str | None, ttl: timedelta) -> str:
    """A token for ``subject`` that holds for ``ttl``. It is refused where ``AUTH_JWKS_URL`` is set."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": subject, "iat": now, "exp": now + ttl}
    if name:
        claims["name"] = name
    if settings.auth_issuer:
        claims["iss"] = settings.auth_issuer
    if settings.auth_audience:
        claims["aud"] = settings.auth_audience
    return jwt.encode(claims, settings.auth_secret.reveal(), algorithm=SYMMETRIC)
