"""Precheck tokens: the whole request and what was shown, signed and compressed. The client carries it, we store nothing.

``v1.<base64url of zlib(JSON)>.<base64url of HMAC-SHA256>``. The signature is checked before anything is unpacked, so only
what this service packed is ever decompressed.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain import requests
from app.domain.requests import SendRequest

_VERSION = "v1"
MAX_LENGTH = 400_000
"""Characters; 5,000 explicit ids come to about half of it."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What a token pins: who may open it (members of the workspace), what was asked, what was seen, and until when."""

    workspace_id: str
    request: SendRequest
    eligible_count: int
    rejected_count: int
    expires_at: datetime
    event_digest: str
    template_digest: str
    candidates_digest: str


class TokenSigner:
    """Makes and opens tokens with a key of their own, derived from the service's secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"whatsapp-invites precheck token", hashlib.sha256)

    def pack(self, pin: Pin) -> str:
        body = {
            "u": secrets.token_urlsafe(9),  # two prechecks are two tokens, also within one second
            "w": pin.workspace_id,
            "q": requests.to_json(pin.request),
            "n": [pin.eligible_count, pin.rejected_count],
            "x": int(pin.expires_at.timestamp()),
            "d": [pin.event_digest, pin.template_digest, pin.candidates_digest],
        }
        payload = _encode(zlib.compress(json.dumps(body, separators=(",", ":")).encode(), 6))
        return f"{_VERSION}.{payload}.{self._sign(payload)}"

    def open(self, token: str) -> Pin | None:
        """The pin of a token that this service made; None for anything else. Does not judge expiry."""
        version, _, rest = token.partition(".")
        payload, _, signature = rest.rpartition(".")
        if version != _VERSION or len(token) > MAX_LENGTH or not token.isascii():
            return None
        if not hmac.compare_digest(self._sign(payload), signature):
            return None
        try:
            body: dict[str, Any] = json.loads(
                zlib.decompress(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            )
            return Pin(
                workspace_id=body["w"],
                request=requests.from_json(body["q"]),
                eligible_count=body["n"][0],
                rejected_count=body["n"][1],
                expires_at=datetime.fromtimestamp(body["x"], UTC),
                event_digest=body["d"][0],
                template_digest=body["d"][1],
                candidates_digest=body["d"][2],
            )
        except (ValueError, KeyError, IndexError, TypeError, zlib.error, binascii.Error):
            return None  # signed by an older version whose content meant something else

    def _sign(self, payload: str) -> str:
        return _encode(hmac.digest(self._key, f"{_VERSION}.{payload}".encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def idempotency_key(*parts: str) -> str:
    """What a run keeps of the token (or test key) that made it: unique, and useless to whoever reads the database."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
