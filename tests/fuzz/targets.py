"""All targets."""

from collections.abc import Iterator, Sequence

from tests.fuzz import graphql, others, webhooks
from tests.fuzz.engine import Target

TARGETS: tuple[Target, ...] = (*graphql.TARGETS, *webhooks.TARGETS, *others.TARGETS)


def shares(chosen: Sequence[Target], cases: int) -> Iterator[tuple[Target, int]]:
    """Each of the chosen targets with its part of so many cases, rounded up."""
    whole = sum(target.weight for target in chosen)
    for target in chosen:
        yield target, -(-cases * target.weight // whole)
