"""Probes for whoever runs the service. They name no secret, no address and no workspace."""

from collections.abc import Awaitable, Callable

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.services.health import DatabaseState


def health_routes(
    database: Callable[[], Awaitable[DatabaseState]], dispatcher: Callable[[], str], *, webhook_ready: bool
) -> list[HTTPRouteHandler]:
    """``dispatcher`` says ``running``, ``off`` (another process sends) or ``stopped`` (it should run, and does not)."""

    @get("/health/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @get("/health/ready")
    async def ready() -> Response[dict[str, str]]:
        """200 when requests can be served; 503 while not. A webhook that is not set up is told, but stops nobody."""
        state, sending = await database(), dispatcher()
        fine = state is DatabaseState.OK and sending != "stopped"
        return Response(
            {
                "status": "ok" if fine else "not ready",
                "database": state,
                "dispatcher": sending,
                "webhook": "ok" if webhook_ready else "refused: META_APP_SECRET is not set",
            },
            status_code=200 if fine else 503,
            headers={"Cache-Control": "no-store"},
        )

    return [live, ready]
