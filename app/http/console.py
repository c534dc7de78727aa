"""``GET /console``: a page on which a family sends and follows its invites, by GraphQL alone."""

from collections.abc import Sequence
from typing import Final

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from app.http.pages import filled
from app.http.security import NOTHING

PATH: Final = "/console"
POLICY: Final = f"{NOTHING}; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'"
"""The only picture is its icon, of no size at all."""


def console_route(tokens: Sequence[str]) -> HTTPRouteHandler:
    html = filled("console", tokens)

    @get(PATH, sync_to_thread=False)
    def console() -> Response[str]:
        return Response(html, media_type=MediaType.HTML, headers={"Content-Security-Policy": POLICY})

    return console
