"""``GET /exports/…``: messages as CSV, streamed. The token stands in the header, as for GraphQL; none in an address."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from app.auth import Identify
from app.domain.errors import AppError, NotFoundError, UnavailableError
from app.http.refusals import refused
from app.services.base import Actor
from app.services.failures import database_is_away

PATH: Final = "/exports"

AnyRequest = Request[Any, Any, Any]


class Downloads(Protocol):
    """See ``services.exports``."""

    async def run(self, actor: Actor, run_id: str) -> AsyncIterator[str]: ...
    async def event(self, actor: Actor, event_id: str) -> AsyncIterator[str]: ...


def export_routes(
    downloads: Callable[[], Downloads], identify: Identify, admit: Callable[[str], None]
) -> list[HTTPRouteHandler]:
    """``downloads`` is asked for once per request. ``admit`` raises RateLimitedError for a subject that comes too often."""

    @get(f"{PATH}/runs/{{file:str}}")
    async def run(request: AnyRequest) -> Response[Any]:
        return await answer(request, lambda actor, of: downloads().run(actor, of))

    @get(f"{PATH}/events/{{file:str}}")
    async def event(request: AnyRequest) -> Response[Any]:
        return await answer(request, lambda actor, of: downloads().event(actor, of))

    async def answer(
        request: AnyRequest, download: Callable[[Actor, str], Awaitable[AsyncIterator[str]]]
    ) -> Response[Any]:
        try:
            identity = await identify(request.headers.get("authorization"))
            admit(identity.subject)
            actor = Actor(identity.subject, identity.display_name, request.scope["state"].get("request_id"))
            name = _name(request.path_params["file"])
            parts = await download(actor, name)
        except AppError as error:
            return _refusal(error)
        except Exception as error:
            if not database_is_away(error):
                raise
            return _refusal(UnavailableError("The database is away. Try again later."))
        return Stream(
            parts,
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
        )

    return [run, event]


def _name(file: str) -> str:
    """The id before ``.csv``. Raises NotFoundError."""
    name, dot, ending = file.partition(".")
    if dot + ending != ".csv":
        raise NotFoundError
    return name


def _refusal(error: AppError) -> Response[dict[str, Any]]:
    status, body = refused(error)
    return Response(body, status_code=status)
