"""Meta's webhook: prove who it is from, keep it, say so. The bodies of the answers are fixed and echo nothing.

Order matters: size, then signature over the raw bytes, then storing, then 200. Meta repeats whatever was not answered
with 200, for days (Meta, "Webhooks: overview"), so a body is refused only when it is not Meta's or cannot be kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from litestar import MediaType, Request, Response, get, post
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler

from app.domain.errors import UnavailableError
from app.services.failures import database_is_away
from app.whatsapp.webhook import signature_matches, verify_challenge

PATH: Final = "/webhooks/whatsapp"
MAX_BYTES: Final = 3 * 1024 * 1024
"""Meta batches at most 1,000 updates into one body and keeps it below 3 MB ("Webhooks: overview")."""
READ_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = "5"

Ingest = Callable[[Sequence[bytes]], Awaitable[object]]
"""Keeps bodies and applies what they say; returns once all of it is committed."""

AnyRequest = Request[Any, Any, Any]

_log = logging.getLogger(__name__)


def webhook_routes(
    ingest: Callable[[], Ingest],
    *,
    app_secrets: Sequence[str],
    verify_token: str | None,
    read_seconds: float = READ_SECONDS,
) -> list[HTTPRouteHandler]:
    """The two handlers. ``ingest`` is asked for once per body, since it is there only after the start of the app."""

    @get(PATH, media_type=MediaType.TEXT)
    async def verify(request: AnyRequest) -> Response[str]:
        """Meta's subscription check: repeat the challenge to whoever knows the verify token."""
        challenge = verify_challenge(request.query_params, verify_token or "")
        return _answer(403, "forbidden") if challenge is None else _answer(200, challenge)

    @post(PATH, media_type=MediaType.TEXT, status_code=200, request_max_body_size=MAX_BYTES)
    async def receive(request: AnyRequest) -> Response[str]:
        if not app_secrets:
            return _unavailable("not set up")
        raw = await _read(request, read_seconds)
        if isinstance(raw, Response):
            return raw
        if not signature_matches(raw, request.headers.get("x-hub-signature-256"), app_secrets):
            return _answer(401, "not signed")
        try:
            await ingest()([raw])
        except UnavailableError:
            return _unavailable("busy")
        except Exception as error:
            if not database_is_away(error):
                raise
            _log.warning("webhook not kept, the database is away: %s", type(error).__name__)
            return _unavailable("busy")
        return _answer(200, "ok")

    return [verify, receive]


async def _read(request: AnyRequest, seconds: float) -> bytes | Response[str]:
    """The raw body, counted while it comes in, or the answer to a body that cannot be had."""
    try:
        async with asyncio.timeout(seconds):
            return b"".join([chunk async for chunk in request.stream()])
    except RequestEntityTooLarge:
        return _answer(413, "too large")
    except TimeoutError:
        return _answer(408, "too slow")
    except ClientException:
        return _answer(400, "incomplete")


def _unavailable(text: str) -> Response[str]:
    return _answer(503, text, {"Retry-After": _RETRY_SECONDS})


def _answer(status: int, text: str, headers: dict[str, str] | None = None) -> Response[str]:
    return Response(text, status_code=status, media_type=MediaType.TEXT, headers=headers)
