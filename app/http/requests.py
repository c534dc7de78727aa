"""What every request goes through: it gets a name, and it may not carry a token in its address."""

import json
import random
import re
from typing import Final
from urllib.parse import parse_qsl

from litestar.enums import MediaType, ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.domain.errors import BadInputError
from app.http.refusals import refused

HEADER: Final = "X-Request-Id"
_HEADER: Final = b"x-request-id"
_ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_TOKENS: Final = frozenset({"access_token", "authorization", "bearer", "id_token", "jwt", "token"})
"""Names in a query, in small letters. RFC 6750 §2.3 knows the first one, and advises against it."""
NOT_IN_AN_ADDRESS: Final = (
    "Take the token out of the address, where logs and histories keep it, and get a new one. "
    "It belongs in the Authorization header, and on a websocket in connection_init."
)
BAD_REQUEST_ON_SOCKET: Final = 4400


class RequestIds(ASGIMiddleware):
    """The name of a request, in its log lines, its audit entries and its answer, so that the three are found together.

    Taken over from a proxy that gives one, else made.
    """

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        given = next((value for key, value in scope["headers"] if key == _HEADER), b"")
        name = given.decode() if _ACCEPTED.fullmatch(given) else f"{random.getrandbits(64):016x}"
        scope["state"]["request_id"] = name
        token = logs.request_id.set(name)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_HEADER, name.encode())]
            await send(message)

        try:
            await next_app(scope, receive, named)
        finally:
            logs.request_id.reset(token)


class NoTokensInUrls(ASGIMiddleware):
    """Refuses a token in the address before anything looks at it, so that nobody comes to rely on sending it there."""

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        given = scope["query_string"]
        query = parse_qsl(given.decode("latin-1"), keep_blank_values=True) if given else ()
        if not any(name.strip().lower() in _TOKENS for name, _ in query):
            await next_app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await receive()
            # A browser shows a page no reason for a socket that was never opened.
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            await send(
                {"type": "websocket.close", "code": BAD_REQUEST_ON_SOCKET, "reason": "The address contains a token"}
            )
        else:
            status, body = refused(BadInputError(NOT_IN_AN_ADDRESS, field="query"))
            answer = ASGIResponse(body=json.dumps(body).encode(), status_code=status, media_type=MediaType.JSON)
            await answer(scope, receive, send)
