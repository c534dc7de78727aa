"""Probes for whoever runs the service. They name no secret, no address and no workspace."""

from collections.abc import Awaitable, Callable
from typing import Final

from litestar import HttpMethod, Response, route
from litestar.handlers import HTTPRouteHandler

from app.domain.texts import OVERDUE, TAKEN_TWICE
from app.services.health import Concerns, DatabaseState

_ASKED: Final = (HttpMethod.GET, HttpMethod.HEAD)
"""Many monitors ask with HEAD unless they are told otherwise."""
_USABLE: Final = frozenset({DatabaseState.OK, DatabaseState.AHEAD})


def health_routes(
    database: Callable[[], Awaitable[DatabaseState]],
    concerns: Callable[[], Awaitable[Concerns | None]],
    dispatcher: Callable[[], str],
    webhooks_stuck: Callable[[], bool],
    *,
    webhook_ready: bool,
) -> list[HTTPRouteHandler]:
    """``dispatcher`` says ``running``, ``off`` (another process sends), ``stopped`` or ``stuck`` (it should run)."""

    @route("/health/live", http_method=_ASKED)
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @route("/health/ready", http_method=_ASKED)
    async def ready() -> Response[dict[str, str | int | list[str]]]:
        """200 when requests can be served and what is due is sent; 503 while not, with the reason in a word.

        A webhook that is not set up, and messages that a person should look at, are told but stop nobody.
        """
        state, sending = await database(), dispatcher()
        found = await concerns() if state in _USABLE else None
        stuck = webhooks_stuck()
        reason = _reason(state, sending, stuck=stuck)
        return Response(
            {
                "status": "not ready" if reason else "ok",
                **({"reason": reason} if reason else {}),
                "database": state,
                "dispatcher": sending,
                "webhook": "stuck" if stuck else "ok" if webhook_ready else "refused: META_APP_SECRET is not set",
                **(_told(found) if found else {}),
            },
            status_code=503 if reason else 200,
        )

    return [live, ready]


def _reason(database: DatabaseState, dispatcher: str, *, stuck: bool) -> str | None:
    """The first thing to mend; None when all is well."""
    if database not in _USABLE:
        return "database-away" if database is DatabaseState.AWAY else "not-migrated"
    if dispatcher in {"stopped", "stuck"}:
        return f"dispatcher-{dispatcher}"
    return "webhooks-stuck" if stuck else None


def _told(found: Concerns) -> dict[str, int | list[str]]:
    """The counts; and, while there is something to look at, what to do about it."""
    counts = ((found.unconfirmed_overdue, OVERDUE), (found.taken_twice, TAKEN_TWICE))
    todo = [f"{count}: {advice.operator_text} {advice.next_step}" for count, advice in counts if count]
    return {
        "unconfirmedOverdue": found.unconfirmed_overdue,
        "takenTwice": found.taken_twice,
        **({"todo": todo} if todo else {}),
    }
