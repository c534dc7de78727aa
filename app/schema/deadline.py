"""How long a query may run.

Only queries: they change nothing, so to end one is to roll a read-only snapshot back. A mutation is never cut. It could
be cut after its commit, and the answer would be a lie; its length is bounded by what may be put into it, and who loses an
answer asks again with the same token or key. Subscriptions live for long and look again in short snapshots.
"""

import asyncio
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any, ClassVar

from graphql import ExecutionResult, GraphQLError, OperationType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.domain.errors import UnavailableError


class TimedExecution(StrawberryGraphQLCoreExecutionContext):
    """Ends a query after ``seconds``, with everything that it has under way."""

    seconds: ClassVar[float]

    def execute_operation(self, serially: bool | None = None) -> Any:
        running = super().execute_operation(serially)
        if self.operation.operation is not OperationType.QUERY or not isawaitable(running):
            return running
        return self._timed(running)

    async def _timed(self, running: Awaitable[Any]) -> Any:
        try:
            # What resolvers raise is in the result, so the only TimeoutError that comes out is the one of this timeout.
            # To cancel once is enough, also for the loaders: a batch that nobody waits for any more is cancelled by its
            # loader. A second time would cut off asyncpg while it tells the server to stop.
            async with asyncio.timeout(self.seconds):
                return await running
        except TimeoutError:
            refusal = UnavailableError(
                f"The query took longer than {self.seconds:g} s and was ended. Ask for fewer entries with first, or in "
                "several requests."
            )
            return ExecutionResult(None, [GraphQLError(refusal.message, original_error=refusal)])


def timed_execution(seconds: float) -> type[TimedExecution]:
    """The execution for queries of at most ``seconds``."""
    return type("Execution", (TimedExecution,), {"seconds": seconds})
