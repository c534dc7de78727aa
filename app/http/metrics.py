"""``GET /metrics`` for whoever knows the token, and the measuring of webhooks."""

import hmac
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from litestar import MediaType, Request, Response, get
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.http.webhook import PATH as WEBHOOK
from app.metrics import CONTENT_TYPE

PATH: Final = "/metrics"


def metrics_routes(token: str | None, exposition: Callable[[], Awaitable[bytes]]) -> list[HTTPRouteHandler]:
    """None without a token: how a business is doing is not for everybody who can reach the port that Meta posts to."""
    if token is None:
        return []

    @get(PATH)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            return Response(
                b"Send the METRICS_TOKEN as a bearer token.",
                status_code=401,
                media_type=MediaType.TEXT,
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Response(await exposition(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return [metrics]


class WebhooksMeasured(ASGIMiddleware):
    """Around the webhook's POST, so that the handler knows nothing of it and no answer of it goes uncounted."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, measured: Callable[[], AbstractContextManager[Callable[[int], None]]]) -> None:
        self._measured = measured

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["path"].rstrip("/") != WEBHOOK or scope.get("method") != "POST":
            await next_app(scope, receive, send)
            return
        with self._measured() as answered:

            async def told(message: Message) -> None:
                await send(message)
                if message["type"] == "http.response.start":
                    answered(message["status"])

            try:
                await next_app(scope, receive, told)
            except Exception as error:
                answered(getattr(error, "status_code", 500))  # the answer to it is made further out
                raise
