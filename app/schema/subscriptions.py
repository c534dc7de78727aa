"""Root subscriptions."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from app.schema.context import Info
from app.schema.described import described
from app.schema.types.runs import SendRun


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
        context = info.context
        # A token that has run out ends it too: the context then knows no actor.
        async with aclosing(context.services.live.follow(lambda: context.actor, id)) as following:
            async for look in following:
                context.forget()
                yield SendRun.from_view(look.view, look.rate)
