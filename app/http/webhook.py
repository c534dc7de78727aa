"""Meta's webhook: prove who it is from, keep it, say so. The bodies of the answers are fixed and echo nothing.

Order matters: size, then signature over the raw bytes, then storing, then 200. Meta repeats whatever was not answered
with 200, for days (Meta, "Webhooks: overview"), so a body is refused only when it is not Meta's or cannot be kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Any, Final

from litestar import MediaType, Request, Response, get, post
from litestar.exceptions import ClientException, InternalServerException
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
SIGNATURE_HEADER: Final = "x-hub-signature-256"


class Answer(StrEnum):
    """How a posted body can be answered: its name is counted, its value is the whole text of the answer."""

    KEPT = "ok"
    NOT_SIGNED = "not signed"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    INCOMPLETE = "incomplete"
    NOT_SET_UP = "not set up"
    BUSY = "busy"

    @property
    def counted_as(self) -> str:
        return self.name.lower()


_STATUS: Final = {
    Answer.KEPT: 200,
    Answer.NOT_SIGNED: 401,
    Answer.TOO_LARGE: 413,
    Answer.TOO_SLOW: 408,
    Answer.INCOMPLETE: 400,
    Answer.NOT_SET_UP: 503,
    Answer.BUSY: 503,
}
_HEADERS: Final = {
    # Without it the server would go on reading, to the end of the body, before it could take another request.
    Answer.TOO_LARGE: {"Connection": "close"},
    Answer.TOO_SLOW: {"Connection": "close"},
    Answer.NOT_SET_UP: {"Connection": "close", "Retry-After": _RETRY_SECONDS},
    Answer.BUSY: {"Retry-After": _RETRY_SECONDS},
}

Keep = Callable[[bytes], Awaitable[None]]
"""Keeps a body and applies what it says; returns once all of it is committed."""

Measured = Callable[[], AbstractContextManager[Callable[[str], None]]]
"""Around one request; what it gives hears as what the answer is counted."""

AnyRequest = Request[Any, Any, Any]

_log = logging.getLogger(__name__)


@contextmanager
def _unmeasured() -> Iterator[Callable[[str], None]]:
    yield lambda _answer: None


def webhook_routes(
    keep: Callable[[], Keep],
    *,
    app_secrets: Sequence[str],
    verify_token: str | None,
    measured: Measured = _unmeasured,
    read_seconds: float = READ_SECONDS,
) -> list[HTTPRouteHandler]:
    """The two handlers. ``keep`` is asked for once per body, since it is there only after the start of the app.

    ``app_secrets`` has two while one is being changed, none where the webhook is not set up. A body that is not signed is
    measured and costs nothing else.
    """

    @get(PATH, media_type=MediaType.TEXT)
    async def verify(request: AnyRequest) -> Response[str]:
        """Meta's subscription check: repeat the challenge to whoever knows the verify token."""
        challenge = verify_challenge(request.query_params, verify_token or "")
        return _text(403, "forbidden") if challenge is None else _text(200, challenge)

    @post(PATH, media_type=MediaType.TEXT, status_code=200, request_max_body_size=MAX_BYTES)
    async def receive(request: AnyRequest) -> Response[str]:
        with measured() as answered:
            answer = await judged(request)
            answered(answer.counted_as)
        return _text(_STATUS[answer], answer, _HEADERS.get(answer))

    async def judged(request: AnyRequest) -> Answer:
        if not app_secrets:
            return Answer.NOT_SET_UP
        raw = await _read(request, read_seconds)
        if isinstance(raw, Answer):
            return raw
        if not signature_matches(raw, _only_signature(request), app_secrets):
            return Answer.NOT_SIGNED
        try:
            await keep()(raw)
        except UnavailableError:
            return Answer.BUSY
        except Exception as error:
            if not database_is_away(error):
                raise
            _log.warning("webhook not kept, the database is away: %s", type(error).__name__)
            return Answer.BUSY
        return Answer.KEPT

    return [verify, receive]


async def _read(request: AnyRequest, seconds: float) -> bytes | Answer:
    """The raw body, counted while it comes in, or the answer to a body that cannot be had."""
    try:
        async with asyncio.timeout(seconds):
            return b"".join([chunk async for chunk in request.stream()])
    except RequestEntityTooLarge:
        return Answer.TOO_LARGE
    except TimeoutError:
        return Answer.TOO_SLOW
    except (ClientException, InternalServerException):
        # Litestar calls it its own fault when a client hangs up within the body.
        return Answer.INCOMPLETE


def _only_signature(request: AnyRequest) -> str | None:
    """The signature; None where two were sent, of which a proxy before us may have checked the other."""
    sent = request.headers.getall(SIGNATURE_HEADER, [])
    return sent[0] if len(sent) == 1 else None


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> Response[str]:
    return Response(text, status_code=status, media_type=MediaType.TEXT, headers=headers)
