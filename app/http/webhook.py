"""Meta's webhook: prove who it is from, keep it, say so. The bodies of the answers are fixed and echo nothing.

Order matters: size, then signature over the raw bytes, then storing, then 200. Meta repeats whatever was not answered
with 200, for days (Meta, "Webhooks: overview"), so a body is refused only when it is not Meta's or cannot be kept.

The route is an ASGI handler: three statuses follow each message, and with a handler that Litestar gives a request and
takes a response from, HTTP alone took twice as long (docs/performance.md).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl

from litestar import asgi
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from app.domain.errors import UnavailableError
from app.services.failures import database_is_away
from app.whatsapp.webhook import signature_matches, verify_challenge

PATH: Final = "/webhooks/whatsapp"
MAX_BYTES: Final = 3 * 1024 * 1024
"""Meta batches at most 1,000 updates into one body and keeps it below 3 MB ("Webhooks: overview")."""
READ_SECONDS: Final = 10.0
SIGNATURE_HEADER: Final = b"x-hub-signature-256"


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
_CLOSE: Final = (b"connection", b"close")
_RETRY: Final = (b"retry-after", b"5")
_HEADERS: Final = {
    # Without it the server would go on reading, to the end of the body, before it could take another request.
    Answer.TOO_LARGE: (_CLOSE,),
    Answer.TOO_SLOW: (_CLOSE,),
    Answer.NOT_SET_UP: (_CLOSE, _RETRY),
    Answer.BUSY: (_RETRY,),
}

Keep = Callable[[bytes], Awaitable[None]]
"""Keeps a body and applies what it says; returns once all of it is committed."""

Measured = Callable[[], AbstractContextManager[Callable[[str], None]]]
"""Around one request; what it gives hears as what the answer is counted."""

_log = logging.getLogger(__name__)


@contextmanager
def _unmeasured() -> Iterator[Callable[[str], None]]:
    yield lambda _answer: None


def webhook_route(
    keep: Callable[[], Keep],
    *,
    app_secrets: Sequence[str],
    verify_token: str | None,
    measured: Measured = _unmeasured,
    read_seconds: float = READ_SECONDS,
) -> ASGIRouteHandler:
    """The handler of GET and POST. ``keep`` is asked for once per body, since it is there only after the start of the app.

    ``app_secrets`` has two while one is being changed, none where the webhook is not set up. A body that is not signed is
    measured and costs nothing else.
    """

    @asgi(PATH, copy_scope=False)
    async def webhook(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1000, "reason": None})
        elif scope["method"] == HttpMethod.POST:
            with measured() as answered:
                answer = await _judged(scope, receive, keep, app_secrets, read_seconds)
                answered(answer.counted_as)
            await _answer(send, _STATUS[answer], answer, _HEADERS.get(answer, ()))
        elif scope["method"] == HttpMethod.GET:
            # Meta's subscription check: repeat the challenge to whoever knows the verify token.
            challenge = verify_challenge(dict(parse_qsl(scope["query_string"].decode("latin-1"))), verify_token or "")
            await (_answer(send, 403, "forbidden") if challenge is None else _answer(send, 200, challenge))
        else:
            await _answer(send, 405, "method not allowed", ((b"allow", b"GET, POST"),))

    return webhook


async def _judged(
    scope: Scope, receive: Receive, keep: Callable[[], Keep], app_secrets: Sequence[str], read_seconds: float
) -> Answer:
    if not app_secrets:
        return Answer.NOT_SET_UP
    raw = await _read(scope, receive, read_seconds)
    if isinstance(raw, Answer):
        return raw
    if not signature_matches(raw, _only_signature(scope), app_secrets):
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


async def _read(scope: Scope, receive: Receive, seconds: float) -> bytes | Answer:
    """The raw body, counted while it comes in, or the answer to a body that cannot be had."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > MAX_BYTES:
            return Answer.TOO_LARGE
    chunks, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return Answer.INCOMPLETE
                chunks.append(message["body"])
                size += len(message["body"])
                if size > MAX_BYTES:
                    return Answer.TOO_LARGE
                if not message["more_body"]:
                    return b"".join(chunks)
    except TimeoutError:
        return Answer.TOO_SLOW


def _only_signature(scope: Scope) -> str | None:
    """The signature; None where two were sent, of which a proxy before us may have checked the other."""
    sent = [value for name, value in scope["headers"] if name == SIGNATURE_HEADER]
    return sent[0].decode("latin-1") if len(sent) == 1 else None


async def _answer(send: Send, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    body = text.encode()
    fixed = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
