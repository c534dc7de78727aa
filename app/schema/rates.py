"""How often one person may change something or have candidates judged: the token's subject, whatever the connection.

In memory and for each process: n processes let through at most n times as much, which protects each of them as well.
Asked in the root fields themselves, so HTTP and websocket are one, and an alias is one more.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from graphql import GraphQLFieldResolver, GraphQLResolveInfo, GraphQLSchema, default_field_resolver

from app.domain.buckets import Buckets
from app.domain.errors import RateLimitedError

PRECHECKS: Final = frozenset({"audiencePreview", "precheckSend", "precheck"})
"""The queries that judge every guest of a wedding."""

MAX_OPEN: Final = 20
"""Operations of one person that are under way at a time, on all sockets of this process."""

_SECOND: Final = 1_000_000_000


class Rates:
    """The buckets of one process. ``clock`` tells nanoseconds and never goes back."""

    def __init__(
        self, *, mutations_per_minute: int, prechecks_per_minute: int, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._mutations = Buckets(mutations_per_minute)
        self._prechecks = Buckets(prechecks_per_minute)
        self._clock = clock
        self._open: Counter[str] = Counter()

    @contextmanager
    def operation(self, subject: str) -> Iterator[bool]:
        """Around one operation on a socket; whether there is room for it."""
        admitted = self._open[subject] < MAX_OPEN
        self._open[subject] += admitted
        try:
            yield admitted
        finally:
            self._open[subject] -= admitted
            if not self._open[subject]:
                del self._open[subject]

    def admit_mutation(self, subject: str) -> None:
        """Raises RateLimitedError."""
        self._admit(self._mutations, subject, "changes")

    def admit_precheck(self, subject: str) -> None:
        """Raises RateLimitedError."""
        self._admit(self._prechecks, subject, "prechecks and previews")

    def _admit(self, buckets: Buckets, subject: str, what: str) -> None:
        wait = buckets.take(subject, self._clock())
        if wait:
            seconds = -(-wait // _SECOND)
            raise RateLimitedError(
                f"At most {buckets.per_minute} {what} a minute. Nothing was done; try again in {seconds} s.",
                retry_after=seconds,
            )


def limit_rates(schema: GraphQLSchema) -> None:
    """Let every mutation and every precheck ask first. Whoever has no token is told so, and uses up nothing."""
    for name, field in schema.mutation_type.fields.items() if schema.mutation_type else ():
        assert name
        field.resolve = _after(lambda context: context.rates.admit_mutation(context.actor.subject), field.resolve)
    for name, field in schema.query_type.fields.items() if schema.query_type else ():
        if name in PRECHECKS:
            field.resolve = _after(lambda context: context.rates.admit_precheck(context.actor.subject), field.resolve)


def _after(admit: Callable[[Any], None], resolve: GraphQLFieldResolver | None) -> GraphQLFieldResolver:
    resolver = resolve or default_field_resolver

    def admitted(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        admit(info.context)
        return resolver(source, info, **arguments)

    return admitted
