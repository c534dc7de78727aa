"""A name for every request: in its log lines, its audit entries and its answer, so that the three are found together."""

import re
import secrets
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app import logs

HEADER: Final = "X-Request-Id"
_ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")


class RequestIds(ASGIMiddleware):
    """Takes the id over from a proxy that gives one, else makes one."""

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        given = dict(scope["headers"]).get(HEADER.lower().encode(), b"")
        name = given.decode() if _ACCEPTED.fullmatch(given) else secrets.token_hex(8)
        scope["state"]["request_id"] = name
        token = logs.request_id.set(name)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[HEADER] = name
            await send(message)

        try:
            await next_app(scope, receive, named)
        finally:
            logs.request_id.reset(token)
