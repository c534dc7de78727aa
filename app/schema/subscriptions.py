"""Root subscriptions."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Final

import strawberry

from app.domain.enums import SendRunStatus
from app.schema.context import Info
from app.schema.described import described
from app.schema.types.runs import SendRun
from app.services.reading import RunView

POLL_SECONDS: Final = 0.25
LINGER_SECONDS: Final = 60.0


async def follow(
    info: Info, run_id: str, *, poll: float = POLL_SECONDS, linger: float = LINGER_SECONDS
) -> AsyncGenerator[SendRun, None]:
    """The run as it is, then again after each change; the rules of ``sendRunProgress``.

    Every look goes through the reader, so access is judged anew each time; a token that has run out ends it too.
    """
    await info.context.services.runs.watch(info.context.actor, id=run_id)
    reader, clock = info.context.services.reader, asyncio.get_running_loop().time
    seen: RunView | None = None
    changed_at = clock()
    while True:
        view = (await reader.runs(info.context.actor, [run_id])).get(run_id)
        if view is None:
            return
        if seen is None or _figures(view) != _figures(seen):
            seen, changed_at = view, clock()
            info.context.forget()
            yield SendRun.from_view(view)
        if _over(view) and clock() - changed_at >= linger:
            return
        await asyncio.sleep(poll)


def _over(view: RunView) -> bool:
    """Nothing is left to send: what may still come are deliveries."""
    return view.completed_at is not None or view.status is SendRunStatus.CANCELLED


def _figures(view: RunView) -> list[object]:
    """Everything about a run that may change."""
    return [getattr(row, column.key) for row in (view.row, view.counters) for column in row.__table__.columns]


@described
@strawberry.type
class Subscription:
    """What can be watched."""

    @strawberry.subscription
    async def send_run_progress(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The run.")],  # noqa: A002 - the contract's name
    ) -> AsyncGenerator[SendRun, None]:
        """First value at once, then on change (≤ 4 a second); ends 60 s after the last change of a run with nothing left to send, or when access is lost."""
        async for run in follow(info, id):
            yield run
