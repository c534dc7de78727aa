"""``GET /metrics`` for whoever knows the token."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler

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
        return Response(await exposition(), media_type=CONTENT_TYPE)

    return [metrics]
